import { crc32 } from 'node:zlib';
import { PeerProtocolError } from './errors.ts';

/** Version of the frame format, the first byte after the length. */
export const FRAME_VERSION = 1;

/** Bytes before the header: length, version, kind, checksum, group, header length. */
export const FRAME_PREFIX_BYTES = 18;

/** Default cap on one frame; see {@link FrameReader}. */
export const DEFAULT_MAX_FRAME_BYTES = 64 * 1024 * 1024;

/** Cap on the protobuf header of one frame: bounds the objects that one frame can make. */
export const MAX_HEADER_BYTES = 4 * 1024 * 1024;

/** Where the checksum stands, and where what it covers begins. */
const CHECKSUM_AT = 6;
const COVERED_AT = 10;
/** The length field counts what follows it. */
const LENGTH_BYTES = 4;
const MIN_LENGTH = FRAME_PREFIX_BYTES - LENGTH_BYTES;

/** What a frame carries. Sent on the wire: never reuse a value. */
export const FrameKind = {
  hello: 1,
  helloReply: 2,
  /** Says that the sender lives; has no header and no attachment. */
  ping: 3,
  voteRequest: 16,
  voteResponse: 17,
  appendRequest: 18,
  appendResponse: 19,
  heartbeat: 20,
  heartbeatResponse: 21,
  readIndexRequest: 22,
  readIndexResponse: 23,
  timeoutNow: 24,
  /** Opaque bytes for the part of the node that owns the channel. */
  nodeMessage: 64,
} as const;

/** A frame as received. `header` and `attachment` are views into the received bytes: copy what is kept for long. */
export interface Frame {
  readonly kind: number;
  readonly group: number;
  readonly header: Uint8Array;
  readonly attachment: Uint8Array;
}

/** A frame to send: `head`, then the attachments, in this order. The attachments are the caller's bytes, not copied. */
export interface EncodedFrame {
  readonly head: Uint8Array;
  readonly attachments: readonly Uint8Array[];
  /** Of head and attachments together. */
  readonly sizeBytes: number;
}

const NO_BYTES = new Uint8Array(0);
const NO_ATTACHMENTS: readonly Uint8Array[] = [];

/**
 * Puts the frame's prefix before a protobuf header. The checksum covers everything but the length, so bytes that
 * changed on the way never reach the Raft log.
 *
 * @throws RangeError for a header or a frame that no receiver would take
 */
export function encodeFrame(
  kind: number,
  group: number,
  header: Uint8Array,
  attachments: readonly Uint8Array[] = NO_ATTACHMENTS,
): EncodedFrame {
  if (header.length > MAX_HEADER_BYTES) throw new RangeError(`frame header of ${String(header.length)} bytes`);
  let sizeBytes = FRAME_PREFIX_BYTES + header.length;
  for (const attachment of attachments) sizeBytes += attachment.length;
  if (sizeBytes > 0xffffffff) throw new RangeError(`frame of ${String(sizeBytes)} bytes`);
  const head = Buffer.allocUnsafe(FRAME_PREFIX_BYTES + header.length);
  head.writeUInt32BE(sizeBytes - LENGTH_BYTES, 0);
  head[4] = FRAME_VERSION;
  head[5] = kind;
  head.writeUInt32BE(group, 10);
  head.writeUInt32BE(header.length, 14);
  head.set(header, FRAME_PREFIX_BYTES);
  let sum = crc32(head.subarray(COVERED_AT), checksumStart(FRAME_VERSION, kind));
  for (const attachment of attachments) {
    // zlib takes an empty array whose buffer was looked at for no array, and starts from nothing.
    if (attachment.length > 0) sum = crc32(attachment, sum);
  }
  head.writeUInt32BE(sum, CHECKSUM_AT);
  return { head, attachments, sizeBytes };
}

/** A frame of nothing but its kind. */
export function encodePing(): EncodedFrame {
  return encodeFrame(FrameKind.ping, 0, NO_BYTES);
}

/** Version and kind stand before the checksum: they enter it as its initial value. */
function checksumStart(version: number, kind: number): number {
  return (version << 8) | kind;
}

/** Options of a {@link FrameReader}. */
export interface FrameReaderOptions {
  /** Cap on one frame in bytes, checked before anything is allocated for it. */
  readonly maxFrameBytes: number;
}

/**
 * Cuts a byte stream into frames. A frame that lies within one chunk is handed out as views into that chunk; one
 * that spans several is gathered in a buffer of its own exact size.
 */
export class FrameReader {
  private maxFrameBytes: number;
  /** Bytes of the frame at hand, or of its length field while that is not complete. */
  private pending: Buffer | null = null;
  private filled = 0;
  /** Size of the frame at hand, or 0 while unknown. */
  private expected = 0;

  constructor(options: FrameReaderOptions) {
    this.maxFrameBytes = options.maxFrameBytes;
  }

  /** Changes the cap; holds from the next frame on. */
  setMaxFrameBytes(maxFrameBytes: number): void {
    this.maxFrameBytes = maxFrameBytes;
  }

  /**
   * Takes the next bytes of the stream; calls `onFrame` for every frame that they complete, in order, until it
   * returns false: what follows is then not looked at and the reader is to be dropped.
   *
   * @throws PeerProtocolError for bytes that are no frame; the reader must not be used after that
   */
  push(chunk: Buffer, onFrame: (frame: Frame) => boolean): void {
    let at = this.pending === null ? 0 : this.resume(chunk);
    if (this.pending !== null) {
      if (this.expected === 0 || this.filled < this.expected) return;
      const whole = this.pending;
      this.pending = null;
      this.expected = 0;
      if (!onFrame(parseFrame(whole))) return;
    }
    while (chunk.length - at >= LENGTH_BYTES) {
      const size = this.sizeAt(chunk, at);
      if (chunk.length - at < size) {
        this.begin(chunk, at, size);
        return;
      }
      if (!onFrame(parseFrame(chunk.subarray(at, at + size)))) return;
      at += size;
    }
    if (at < chunk.length) this.begin(chunk, at, 0);
  }

  /** Starts to gather a frame whose size is `size`, or unknown (0): then only its length field is gathered. */
  private begin(chunk: Buffer, at: number, size: number): void {
    this.pending = Buffer.allocUnsafe(size === 0 ? LENGTH_BYTES : size);
    this.expected = size;
    this.filled = chunk.copy(this.pending, 0, at);
  }

  /** Adds to the frame at hand; returns how many bytes of `chunk` it took. */
  private resume(chunk: Buffer): number {
    let pending = this.pending;
    if (pending === null) return 0;
    let at = 0;
    if (this.expected === 0) {
      at = chunk.copy(pending, this.filled, 0, LENGTH_BYTES - this.filled);
      this.filled += at;
      if (this.filled < LENGTH_BYTES) return at;
      this.expected = this.sizeAt(pending, 0);
      const grown = Buffer.allocUnsafe(this.expected);
      pending.copy(grown, 0, 0, LENGTH_BYTES);
      this.pending = pending = grown;
    }
    const copied = chunk.copy(pending, this.filled, at, at + this.expected - this.filled);
    this.filled += copied;
    return at + copied;
  }

  private sizeAt(bytes: Buffer, at: number): number {
    const length = bytes.readUInt32BE(at);
    if (length < MIN_LENGTH) throw new PeerProtocolError('FRAME_LENGTH', `frame length ${String(length)} is too short`);
    if (length + LENGTH_BYTES > this.maxFrameBytes) {
      const cap = String(this.maxFrameBytes);
      throw new PeerProtocolError('FRAME_LENGTH', `frame length ${String(length)} exceeds the cap of ${cap} bytes`);
    }
    return length + LENGTH_BYTES;
  }
}

/** @param bytes exactly one frame, length field included */
function parseFrame(bytes: Buffer): Frame {
  const version = bytes.readUInt8(4);
  if (version !== FRAME_VERSION) {
    throw new PeerProtocolError('FRAME_VERSION', `frame version ${String(version)}, expected ${String(FRAME_VERSION)}`);
  }
  const kind = bytes.readUInt8(5);
  if (crc32(bytes.subarray(COVERED_AT), checksumStart(version, kind)) !== bytes.readUInt32BE(CHECKSUM_AT)) {
    throw new PeerProtocolError('FRAME_CHECKSUM', `checksum of a frame of kind ${String(kind)} does not match`);
  }
  const headerBytes = bytes.readUInt32BE(14);
  if (headerBytes > MAX_HEADER_BYTES || FRAME_PREFIX_BYTES + headerBytes > bytes.length) {
    throw new PeerProtocolError('HEADER', `header length ${String(headerBytes)} in ${String(bytes.length)} bytes`);
  }
  const headerEnd = FRAME_PREFIX_BYTES + headerBytes;
  return {
    kind,
    group: bytes.readUInt32BE(10),
    header: bytes.subarray(FRAME_PREFIX_BYTES, headerEnd),
    attachment: bytes.subarray(headerEnd),
  };
}
