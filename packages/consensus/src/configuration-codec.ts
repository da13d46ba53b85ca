/**
 * A configuration as the data of a `config` entry: version u8, then voters, learners and outgoing, each as count u8
 * and per node its length u8 and its UTF-8 bytes. Version 2 goes on with the tag of each member, in the order of
 * `members`: length u16 BE (0 for none) and UTF-8 bytes; it is used only when there is a tag. Stored on disk: a change
 * needs a new version byte.
 */
import { invariant } from './assert.ts';
import { members, tagOf } from './configuration.ts';
import type { Configuration, NodeId } from './types.ts';

const VERSION = 1;
const VERSION_WITH_TAGS = 2;
const MAX_LIST = 255;
const MAX_TAG_BYTES = 1024;
const MAX_ID_BYTES = 255;

/**
 * Throws InvariantError when a list is longer than 255, an id is empty, an id or tag is too long or not well formed, a
 * node appears twice, or a tag belongs to nobody.
 */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  check(configuration);
  const lists = [configuration.voters, configuration.learners, configuration.outgoing].map((list) =>
    list.map(encodeId),
  );
  const tags = encodeTags(configuration);
  let sizeBytes = 1;
  for (const list of lists) for (const id of list) sizeBytes += 1 + id.byteLength;
  for (const tag of tags) sizeBytes += 2 + tag.byteLength;
  const bytes = new Uint8Array(sizeBytes + lists.length);
  bytes[0] = tags.length === 0 ? VERSION : VERSION_WITH_TAGS;
  let offset = 1;
  for (const list of lists) {
    bytes[offset++] = list.length;
    for (const id of list) {
      bytes[offset++] = id.byteLength;
      bytes.set(id, offset);
      offset += id.byteLength;
    }
  }
  for (const tag of tags) {
    bytes[offset++] = tag.byteLength >>> 8;
    bytes[offset++] = tag.byteLength & 0xff;
    bytes.set(tag, offset);
    offset += tag.byteLength;
  }
  return bytes;
}

/** The inverse of encodeConfiguration. Throws InvariantError on anything else than its output. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const version = bytes[0];
  invariant(version === VERSION || version === VERSION_WITH_TAGS, `configuration: unknown version ${version}`);
  const cursor = { offset: 1 };
  const voters = decodeList(bytes, cursor);
  const learners = decodeList(bytes, cursor);
  const outgoing = decodeList(bytes, cursor);
  const lists = { voters, learners, outgoing };
  const configuration =
    version === VERSION ? lists : { ...lists, memberTags: decodeTags(bytes, cursor, members(lists)) };
  invariant(cursor.offset === bytes.byteLength, 'configuration: bytes after the end');
  check(configuration);
  return configuration;
}

function encodeId(id: NodeId): Uint8Array {
  const bytes = encodeText(id, 'node id');
  invariant(bytes.byteLength > 0 && bytes.byteLength <= MAX_ID_BYTES, 'configuration: node id of 1 to 255 bytes');
  return bytes;
}

/** The tags of all members, or nothing when nobody has one. */
function encodeTags(configuration: Configuration): Uint8Array[] {
  const tags = members(configuration).map((id) => encodeText(tagOf(configuration, id), 'tag'));
  for (const tag of tags) invariant(tag.byteLength <= MAX_TAG_BYTES, 'configuration: tag longer than 1024 bytes');
  return tags.some((tag) => tag.byteLength > 0) ? tags : [];
}

function encodeText(text: string, what: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  invariant(decoded === text, `configuration: ${what} not well formed`);
  return bytes;
}

function decodeTags(bytes: Uint8Array, cursor: { offset: number }, ids: readonly NodeId[]): Record<NodeId, string> {
  const tags: [NodeId, string][] = [];
  for (const id of ids) {
    const length = readByte(bytes, cursor) * 256 + readByte(bytes, cursor);
    const end = cursor.offset + length;
    invariant(length <= MAX_TAG_BYTES && end <= bytes.byteLength, 'configuration: cut short');
    if (length > 0) tags.push([id, decodeText(bytes.subarray(cursor.offset, end), 'tag')]);
    cursor.offset = end;
  }
  invariant(tags.length > 0, 'configuration: no tag where there should be one');
  return Object.fromEntries(tags);
}

function decodeList(bytes: Uint8Array, cursor: { offset: number }): NodeId[] {
  const count = readByte(bytes, cursor);
  const list: NodeId[] = [];
  for (let item = 0; item < count; item++) {
    const length = readByte(bytes, cursor);
    const end = cursor.offset + length;
    invariant(length > 0 && end <= bytes.byteLength, 'configuration: cut short');
    list.push(decodeText(bytes.subarray(cursor.offset, end), 'node id'));
    cursor.offset = end;
  }
  return list;
}

function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    invariant(false, `configuration: ${what} is not UTF-8`);
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
  const ids = members(configuration);
  for (const id of Object.keys(configuration.memberTags ?? {})) {
    invariant(ids.includes(id), `configuration: a tag for ${id}, which is no member`);
  }
}
