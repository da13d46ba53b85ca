/**
 * A configuration as the data of a `config` entry: version u8, then voters, learners and outgoing, each as count u8
 * and per node its length u8 and its UTF-8 bytes. Version 2 goes on with the tag of each member, in the order of
 * `members`: length u16 BE (0 for none) and UTF-8 bytes; version 3 then with their addresses, likewise. A version is
 * used only when the one before it can not say the same. Stored on disk: a change needs a new version byte.
 */
import { invariant } from './assert.ts';
import { addressOf, members, tagOf, withTexts } from './configuration.ts';
import type { Configuration, NodeId } from './types.ts';

const VERSION = 1;
const VERSION_WITH_TAGS = 2;
const VERSION_WITH_ADDRESSES = 3;
const MAX_LIST = 255;
/** Of a tag or an address. */
const MAX_TEXT_BYTES = 1024;
const MAX_ID_BYTES = 255;

/**
 * Throws InvariantError when a list is longer than 255, an id is empty, an id, tag or address is too long or not well
 * formed, a node appears twice, or a tag or address belongs to nobody.
 */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  check(configuration);
  const lists = [configuration.voters, configuration.learners, configuration.outgoing].map((list) =>
    list.map(encodeId),
  );
  const { version, texts } = encodeTexts(configuration);
  let sizeBytes = 1;
  for (const list of lists) for (const id of list) sizeBytes += 1 + id.byteLength;
  for (const text of texts) sizeBytes += 2 + text.byteLength;
  const bytes = new Uint8Array(sizeBytes + lists.length);
  bytes[0] = version;
  let offset = 1;
  for (const list of lists) {
    bytes[offset++] = list.length;
    for (const id of list) {
      bytes[offset++] = id.byteLength;
      bytes.set(id, offset);
      offset += id.byteLength;
    }
  }
  for (const text of texts) {
    bytes[offset++] = text.byteLength >>> 8;
    bytes[offset++] = text.byteLength & 0xff;
    bytes.set(text, offset);
    offset += text.byteLength;
  }
  return bytes;
}

/** The inverse of encodeConfiguration. Throws InvariantError on anything else than its output. */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const version = bytes[0] ?? 0;
  invariant(version >= VERSION && version <= VERSION_WITH_ADDRESSES, `configuration: unknown version ${version}`);
  const cursor = { offset: 1 };
  const voters = decodeList(bytes, cursor);
  const learners = decodeList(bytes, cursor);
  const outgoing = decodeList(bytes, cursor);
  const lists = { voters, learners, outgoing };
  const ids = members(lists);
  const memberTags = version >= VERSION_WITH_TAGS ? decodeTexts(bytes, cursor, ids) : {};
  const memberAddresses = version >= VERSION_WITH_ADDRESSES ? decodeTexts(bytes, cursor, ids) : {};
  const configuration = withTexts(lists, memberTags, memberAddresses);
  invariant(version === versionOf(configuration), `configuration: version ${version} without what it is for`);
  invariant(cursor.offset === bytes.byteLength, 'configuration: bytes after the end');
  check(configuration);
  return configuration;
}

function encodeId(id: NodeId): Uint8Array {
  const bytes = encodeText(id, 'node id');
  invariant(bytes.byteLength > 0 && bytes.byteLength <= MAX_ID_BYTES, 'configuration: node id of 1 to 255 bytes');
  return bytes;
}

/** The least version that can say it. */
function versionOf(configuration: Configuration): number {
  const ids = members(configuration);
  if (ids.some((id) => addressOf(configuration, id) !== '')) return VERSION_WITH_ADDRESSES;
  return ids.some((id) => tagOf(configuration, id) !== '') ? VERSION_WITH_TAGS : VERSION;
}

/** The tags of all members and their addresses, as far as the version has them. */
function encodeTexts(configuration: Configuration): { readonly version: number; readonly texts: Uint8Array[] } {
  const ids = members(configuration);
  const tags = ids.map((id) => encodeText(tagOf(configuration, id), 'tag'));
  const addresses = ids.map((id) => encodeText(addressOf(configuration, id), 'address'));
  const version = versionOf(configuration);
  for (const text of [...tags, ...addresses])
    invariant(text.byteLength <= MAX_TEXT_BYTES, 'configuration: tag or address longer than 1024 bytes');
  if (version === VERSION) return { version, texts: [] };
  return { version, texts: version === VERSION_WITH_TAGS ? tags : [...tags, ...addresses] };
}

function encodeText(text: string, what: string): Uint8Array {
  const bytes = new TextEncoder().encode(text);
  const decoded = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  invariant(decoded === text, `configuration: ${what} not well formed`);
  return bytes;
}

function decodeTexts(bytes: Uint8Array, cursor: { offset: number }, ids: readonly NodeId[]): Record<NodeId, string> {
  const texts: [NodeId, string][] = [];
  for (const id of ids) {
    const length = readByte(bytes, cursor) * 256 + readByte(bytes, cursor);
    const end = cursor.offset + length;
    invariant(length <= MAX_TEXT_BYTES && end <= bytes.byteLength, 'configuration: cut short');
    if (length > 0) texts.push([id, decodeText(bytes.subarray(cursor.offset, end), 'tag or address')]);
    cursor.offset = end;
  }
  return Object.fromEntries(texts);
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
  for (const id of Object.keys({ ...configuration.memberTags, ...configuration.memberAddresses })) {
    invariant(ids.includes(id), `configuration: a tag or address for ${id}, which is no member`);
  }
}
