import { quorate } from '#generated';
import { PeerProtocolError } from './errors.ts';
import {
  assertNatural,
  assertText,
  decodeHeader,
  MAX_CODE_LENGTH,
  MAX_REASON_LENGTH,
  natural,
  noAttachment,
  shortened,
  textField,
} from './fields.ts';

/*
 * Messages about a snapshot on its way from a leader to another node; they travel as payloads of node messages:
 *
 *   [u32 header length][protobuf header][data of a chunk]
 */

const wire = quorate.peer;

/** Most data of one chunk. */
export const MAX_SNAPSHOT_CHUNK_BYTES = 1024 * 1024;

/** Cap on the encoded configuration of an offer; what the snapshot store takes. */
export const MAX_SNAPSHOT_CONFIGURATION_BYTES = 512 * 1024;

const MAX_CLUSTER_ID_LENGTH = 256;
/** Room for the largest configuration and everything else. */
const MAX_HEADER_BYTES = 1024 * 1024;
const MAX_MACHINE_VERSION = 0xffffffff;
const LENGTH_BYTES = 4;

/** The leader has a snapshot for the receiver. */
export interface SnapshotOffer {
  readonly kind: 'offer';
  /** The leader's. */
  readonly term: number;
  /** Of the snapshot, 32 hex digits: what was begun is resumed by it. */
  readonly id: string;
  /** Index of the last entry that the snapshot holds. */
  readonly index: number;
  /** Term of the entry at `index`. */
  readonly snapshotTerm: number;
  /** Stamp of the entry at `index`, in milliseconds. */
  readonly stampMs: number;
  /** Configuration in force at `index`, as the consensus package encodes it; a view when received. */
  readonly configuration: Uint8Array;
  readonly clusterId: string;
  /** Format of the replicated state, from 0 to 2^32 - 1. */
  readonly machineVersion: number;
  readonly sizeBytes: number;
}

/** The receiver has everything before `offset`. */
export interface SnapshotProgress {
  readonly kind: 'progress';
  readonly id: string;
  readonly offset: number;
}

/** A piece of the snapshot. */
export interface SnapshotChunk {
  readonly kind: 'chunk';
  readonly id: string;
  /** The leader's. */
  readonly term: number;
  /** Of the first byte of `data` in the snapshot. */
  readonly offset: number;
  /** At most {@link MAX_SNAPSHOT_CHUNK_BYTES}; a view when received. */
  readonly data: Uint8Array;
}

/** The receiver is done with the snapshot, for better or worse. */
export interface SnapshotResult {
  readonly kind: 'result';
  readonly id: string;
  readonly ok: boolean;
  /** Stable; empty when ok. */
  readonly code: string;
  /** A sentence, cut to 1024 characters. */
  readonly reason: string;
}

export type SnapshotMessage = SnapshotOffer | SnapshotProgress | SnapshotChunk | SnapshotResult;

const SNAPSHOT_ID = /^[0-9a-f]{32}$/;

/**
 * Encodes to the pieces of one payload. The data of a chunk is the last piece, not copied.
 *
 * @throws RangeError for what no receiver would take
 */
export function encodeSnapshotMessage(message: SnapshotMessage): readonly Uint8Array[] {
  if (!SNAPSHOT_ID.test(message.id)) throw new RangeError('the id of a snapshot is 32 hex digits');
  switch (message.kind) {
    case 'offer':
      assertOffer(message);
      return [header({ offer: message })];
    case 'progress':
      assertNatural(message.offset, 'offset');
      return [header({ progress: message })];
    case 'chunk': {
      const { id, term, offset, data } = message;
      assertNatural(term, 'term');
      assertNatural(offset, 'offset');
      assertNatural(offset + data.length, 'end of the chunk');
      if (data.length > MAX_SNAPSHOT_CHUNK_BYTES) throw new RangeError(`chunk of ${String(data.length)} bytes`);
      return [header({ chunk: { id, term, offset } }), data];
    }
    case 'result': {
      const { id, ok, code, reason } = message;
      assertText(code, 'code', MAX_CODE_LENGTH);
      return [header({ result: { id, ok, code, reason: shortened(reason) } })];
    }
  }
}

function assertOffer(offer: SnapshotOffer): void {
  assertNatural(offer.term, 'term');
  assertNatural(offer.index, 'index');
  assertNatural(offer.snapshotTerm, 'snapshotTerm');
  assertNatural(offer.stampMs, 'stampMs');
  assertNatural(offer.sizeBytes, 'sizeBytes');
  assertNatural(offer.machineVersion, 'machineVersion');
  if (offer.machineVersion > MAX_MACHINE_VERSION) throw new RangeError('machineVersion is beyond 2^32 - 1');
  assertText(offer.clusterId, 'clusterId', MAX_CLUSTER_ID_LENGTH);
  if (offer.configuration.length > MAX_SNAPSHOT_CONFIGURATION_BYTES) {
    throw new RangeError(`configuration of ${String(offer.configuration.length)} bytes`);
  }
}

function header(message: quorate.peer.SnapshotMessage.$Properties): Uint8Array {
  const body = wire.SnapshotMessage.encode(message).finish();
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + body.length);
  bytes.writeUInt32BE(body.length, 0);
  bytes.set(body, LENGTH_BYTES);
  return bytes;
}

/**
 * @param bytes a whole payload; data of a chunk and configuration of an offer are views into it
 * @throws PeerProtocolError for anything that is not one
 */
export function decodeSnapshotMessage(bytes: Uint8Array): SnapshotMessage {
  if (bytes.length < LENGTH_BYTES) throw new PeerProtocolError('HEADER', 'snapshot message without a header');
  const headerBytes = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  const end = LENGTH_BYTES + headerBytes;
  if (headerBytes > MAX_HEADER_BYTES || end > bytes.length) {
    throw new PeerProtocolError('HEADER', `header length ${String(headerBytes)} in ${String(bytes.length)} bytes`);
  }
  const { offer, progress, chunk, result } = decodeHeader(
    'snapshot message',
    bytes.subarray(LENGTH_BYTES, end),
    decode,
  );
  const data = bytes.subarray(end);
  if (chunk) return decodeChunk(chunk, data);
  noAttachment('a snapshot message that is no chunk', data);
  if (offer) return decodeOffer(offer);
  if (progress)
    return { kind: 'progress', id: snapshotId(progress.id), offset: natural(progress.offset ?? 0, 'offset') };
  if (result) {
    return {
      kind: 'result',
      id: snapshotId(result.id),
      ok: result.ok ?? false,
      code: textField(result.code, 'code', MAX_CODE_LENGTH),
      reason: textField(result.reason, 'reason', MAX_REASON_LENGTH),
    };
  }
  throw new PeerProtocolError('HEADER', 'snapshot message of an unknown kind');
}

function decodeChunk(got: quorate.peer.SnapshotChunk.$Properties, data: Uint8Array): SnapshotChunk {
  if (data.length > MAX_SNAPSHOT_CHUNK_BYTES) {
    throw new PeerProtocolError('ATTACHMENT', `chunk of ${String(data.length)} bytes`);
  }
  const offset = natural(got.offset ?? 0, 'offset');
  natural(offset + data.length, 'end of the chunk');
  return { kind: 'chunk', id: snapshotId(got.id), term: natural(got.term ?? 0, 'term'), offset, data };
}

function decodeOffer(got: quorate.peer.SnapshotOffer.$Properties): SnapshotOffer {
  const configuration = got.configuration ?? new Uint8Array(0);
  if (configuration.length > MAX_SNAPSHOT_CONFIGURATION_BYTES) {
    throw new PeerProtocolError('HEADER', `configuration of ${String(configuration.length)} bytes`);
  }
  return {
    kind: 'offer',
    term: natural(got.term ?? 0, 'term'),
    id: snapshotId(got.id),
    index: natural(got.index ?? 0, 'index'),
    snapshotTerm: natural(got.snapshotTerm ?? 0, 'snapshotTerm'),
    stampMs: natural(got.stampMs ?? 0, 'stampMs'),
    configuration,
    clusterId: textField(got.clusterId, 'clusterId', MAX_CLUSTER_ID_LENGTH),
    machineVersion: got.machineVersion ?? 0,
    sizeBytes: natural(got.sizeBytes ?? 0, 'sizeBytes'),
  };
}

function snapshotId(value: string | null | undefined): string {
  if (value !== null && value !== undefined && SNAPSHOT_ID.test(value)) return value;
  throw new PeerProtocolError('HEADER', 'the id of a snapshot is not 32 hex digits');
}

const decode = (bytes: Uint8Array) => wire.SnapshotMessage.decode(bytes);
