/**
 * A configuration as the data of a `config` entry: version u8, then voters, learners and outgoing, each as count u8
 * and per node its length u8 and its UTF-8 bytes. Stored on disk: a change needs a new version byte.
 */
import { invariant } from './assert.ts';
import type { Configuration, NodeId } from './types.ts';

const VERSION = 1;
const MAX_LIST = 255;
const MAX_ID_BYTES = 255;

/** Throws InvariantError when a list is longer than 255, an id is empty, too long or not well formed, or a node appears twice. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  check(configuration);
  const lists = [configuration.voters, configuration.learners, configuration.outgoing].map((list) =>
    list.map(encodeId),
  );
  let sizeBytes = 1;
  for (const list of lists) for (const id of list) sizeBytes += 1 + id.byteLength;
  const bytes = new Uint8Array(sizeBytes + lists.length);
  bytes[0] = VERSION;
  let offset = 1;
  for (const list of lists) {
    bytes[offset++] = list.length;
    for (const id of list) {
      bytes[offset++] = id.byteLength;
      bytes.set(id, offset);
      offset += id.byteLength;
    }
  }
  return bytes;
}

/** The inverse of encodeConfiguration. Throws InvariantError on anything else than its output. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  invariant(bytes[0] === VERSION, `configuration: unknown version ${bytes[0]}`);
  const cursor = { offset: 1 };
  const voters = decodeList(bytes, cursor);
  const learners = decodeList(bytes, cursor);
  const outgoing = decodeList(bytes, cursor);
  invariant(cursor.offset === bytes.byteLength, 'configuration: bytes after the end');
  const configuration = { voters, learners, outgoing };
  check(configuration);
  return configuration;
}

function encodeId(id: NodeId): Uint8Array {
  const bytes = new TextEncoder().encode(id);
  invariant(bytes.byteLength > 0 && bytes.byteLength <= MAX_ID_BYTES, 'configuration: node id of 1 to 255 bytes');
  invariant(
    new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) === id,
    'configuration: node id not well formed',
  );
  return bytes;
}

function decodeList(bytes: Uint8Array, cursor: { offset: number }): NodeId[] {
  const count = readByte(bytes, cursor);
  const list: NodeId[] = [];
  for (let item = 0; item < count; item++) {
    const length = readByte(bytes, cursor);
    const end = cursor.offset + length;
    invariant(length > 0 && end <= bytes.byteLength, 'configuration: cut short');
    list.push(decodeId(bytes.subarray(cursor.offset, end)));
    cursor.offset = end;
  }
  return list;
}

function decodeId(bytes: Uint8Array): NodeId {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    invariant(false, 'configuration: node id is not UTF-8');
  }
}

function readByte(bytes: Uint8Array, cursor: { offset: number }): number {
  const byte = bytes[cursor.offset++];
  invariant(byte !== undefined, 'configuration: cut short');
  return byte;
}

function check(configuration: Configuration): void {
  for (const list of [configuration.voters, configuration.learners, configuration.outgoing]) {
    invariant(list.length <= MAX_LIST, 'configuration: more than 255 nodes in a list');
    invariant(new Set(list).size === list.length, 'configuration: a node twice in a list');
  }
  for (const id of configuration.learners) {
    invariant(!configuration.voters.includes(id), `configuration: ${id} both votes and learns`);
  }
}
