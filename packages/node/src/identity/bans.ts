import { type AddressRange, formatRange, parseIp, parseRange, prefixKey } from './addresses.ts';
import { fieldsOf } from './stored.ts';

/** What a ban keeps out: a client id, a user name, or an address or block of addresses. */
export type BanKind = 'clientId' | 'user' | 'address';
export const BAN_KINDS: readonly BanKind[] = ['clientId', 'user', 'address'];

export interface Ban {
  readonly kind: BanKind;
  readonly value: string;
  /** For people; may be empty. */
  readonly reason: string;
  /** ISO 8601, for people: what counts is the cluster's own clock. */
  readonly createdAt: string;
  /** The same; null for a ban without end. */
  readonly expiresAt: string | null;
}

const VERSION = 1;
/** Characters of the value: with its kind it is the name of a document. */
export const MAX_BAN_VALUE = 512;
export const MAX_BAN_REASON = 256;

/** The name of a ban's document. */
export function banName(kind: BanKind, value: string): string {
  return `${kind}:${value}`;
}

/** What a document's name bans, or null when no version of this program gave it. */
export function readBanName(name: string): { readonly kind: BanKind; readonly value: string } | null {
  const colon = name.indexOf(':');
  const kind = BAN_KINDS.find((each) => each === name.slice(0, Math.max(colon, 0)));
  return kind === undefined ? null : { kind, value: name.slice(colon + 1) };
}

export function encodeBan({ reason, createdAt, expiresAt }: Pick<Ban, 'reason' | 'createdAt' | 'expiresAt'>): Buffer {
  return Buffer.from(JSON.stringify({ version: VERSION, reason, createdAt, expiresAt }));
}

/** @throws {UnknownDocument} when this version can not read it */
export function decodeBan(kind: BanKind, value: string, bytes: Uint8Array): Ban {
  const fields = fieldsOf(bytes, VERSION);
  return {
    kind,
    value,
    reason: fields.text('reason'),
    createdAt: fields.text('createdAt'),
    expiresAt: fields.textOrNull('expiresAt'),
  };
}

/** The value as it is kept: addresses have many spellings. Null when it bans nothing. */
export function normalBanValue(kind: BanKind, value: string): string | null {
  if (value === '' || value.length > MAX_BAN_VALUE) return null;
  if (kind !== 'address') return value;
  const range = parseRange(value);
  return range === null ? null : formatRange(range);
}

/** Finds out whether somebody is banned, in a few lookups however many bans there are. */
export class BanIndex {
  readonly #byName = new Map<string, Ban>();
  /** Banned blocks by their prefix, and how many there are of each length. */
  readonly #blocks = new Map<string, Ban>();
  readonly #lengths = new Map<string, { readonly sizeBytes: number; readonly bits: number; count: number }>();

  get size(): number {
    return this.#byName.size;
  }

  values(): IterableIterator<Ban> {
    return this.#byName.values();
  }

  put(ban: Ban): void {
    const name = banName(ban.kind, ban.value);
    this.delete(ban.kind, ban.value);
    this.#byName.set(name, ban);
    const range = rangeOf(ban.kind, ban.value);
    if (range === null) return;
    this.#blocks.set(prefixKey(range.bytes, range.bits), ban);
    const { key, sizeBytes, bits } = lengthOf(range);
    const length = this.#lengths.get(key);
    if (length === undefined) this.#lengths.set(key, { sizeBytes, bits, count: 1 });
    else length.count++;
  }

  delete(kind: BanKind, value: string): void {
    if (!this.#byName.delete(banName(kind, value))) return;
    const range = rangeOf(kind, value);
    if (range === null) return;
    this.#blocks.delete(prefixKey(range.bytes, range.bits));
    const { key } = lengthOf(range);
    const length = this.#lengths.get(key);
    if (length === undefined) return;
    length.count--;
    if (length.count === 0) this.#lengths.delete(key);
  }

  get(kind: BanKind, value: string): Ban | undefined {
    return this.#byName.get(banName(kind, value));
  }

  /** The ban that holds for a client, or null. */
  find(clientId: string, userName: string | null, address: string): Ban | null {
    if (this.#byName.size === 0) return null;
    const byClient = clientId === '' ? undefined : this.get('clientId', clientId);
    const byUser = userName === null ? undefined : this.get('user', userName);
    return byClient ?? byUser ?? this.#findAddress(address);
  }

  #findAddress(address: string): Ban | null {
    if (this.#lengths.size === 0) return null;
    const bytes = parseIp(address);
    if (bytes === null) return null;
    for (const { sizeBytes, bits } of this.#lengths.values()) {
      const ban = sizeBytes === bytes.length ? this.#blocks.get(prefixKey(bytes, bits)) : undefined;
      if (ban !== undefined) return ban;
    }
    return null;
  }
}

function rangeOf(kind: BanKind, value: string): AddressRange | null {
  return kind === 'address' ? parseRange(value) : null;
}

function lengthOf({ bytes, bits }: AddressRange) {
  return { key: `${String(bytes.length)}/${String(bits)}`, sizeBytes: bytes.length, bits };
}
