import { isIPv4, isIPv6 } from 'node:net';

/** A block of IP addresses: all that begin with the same bits. */
export interface AddressRange {
  /** 4 or 16; the bits behind `bits` are zero. */
  readonly bytes: Uint8Array;
  readonly bits: number;
}

const IPV4_MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

function ipv4Bytes(text: string): Uint8Array {
  return Uint8Array.from(text.split('.').map(Number));
}

function ipv6Bytes(text: string): Uint8Array {
  // The last 32 bits may be written as an IPv4 address (RFC 4291 section 2.2).
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const tail = dotted === null ? [] : [...ipv4Bytes(dotted[2] ?? '')];
  const groups = (dotted?.[1]?.replace(/([^:]):$/, '$1') ?? text).split('::');
  const bytesOf = (part: string | undefined): number[] =>
    (part ?? '')
      .split(':')
      .filter((group) => group !== '')
      .flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
  const head = bytesOf(groups[0]);
  const rest = [...bytesOf(groups[1]), ...tail];
  return Uint8Array.from([...head, ...new Array<number>(16 - head.length - rest.length).fill(0), ...rest]);
}

/**
 * The 4 or 16 bytes of an IP address. An IPv4 address in IPv6 clothes (`::ffff:10.0.0.1`, as a dual-stack socket says) is the
 * IPv4 address; a zone (`%eth0`) is left out.
 *
 * @returns null when the text is no IP address
 */
export function parseIp(text: string): Uint8Array | null {
  if (isIPv4(text)) return ipv4Bytes(text);
  const plain = text.split('%', 1)[0] ?? '';
  if (!isIPv6(plain)) return null;
  const bytes = ipv6Bytes(plain);
  return IPV4_MAPPED.every((byte, at) => bytes[at] === byte) ? bytes.slice(12) : bytes;
}

/** Sets the bits behind the first `bits` to zero. */
function masked(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((byte, at) => byte & (0xff00 >> Math.min(Math.max(bits - at * 8, 0), 8)) & 0xff);
}

/**
 * Reads `10.0.0.1`, `10.0.0.0/8` or `2001:db8::/32`. Bits behind the prefix do not matter.
 *
 * @returns null when the text is neither an address nor a block
 */
export function parseRange(text: string): AddressRange | null {
  const [address = '', prefix, ...more] = text.split('/');
  const bytes = parseIp(address);
  if (bytes === null || more.length > 0 || address.includes('%')) return null;
  if (prefix === undefined) return { bytes, bits: bytes.length * 8 };
  if (!/^\d{1,3}$/.test(prefix)) return null;
  // A prefix of a mapped address counts from the front of all 16 bytes.
  const bits = Number(prefix) - (bytes.length === 4 && address.includes(':') ? 96 : 0);
  if (bits < 0 || bits > bytes.length * 8) return null;
  return { bytes: masked(bytes, bits), bits };
}

/** One spelling for each block: `10.0.0.0/8`; a single address without its prefix. */
export function formatRange({ bytes, bits }: AddressRange): string {
  const suffix = bits === bytes.length * 8 ? '' : `/${String(bits)}`;
  if (bytes.length === 4) return bytes.join('.') + suffix;
  const groups = Array.from({ length: 8 }, (_none, at) =>
    (((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0)).toString(16),
  );
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1) + suffix;
}

/** The first `bits` of an address as a key: equal for the addresses of one block. */
export function prefixKey(bytes: Uint8Array, bits: number): string {
  return `${String(bytes.length)}/${String(bits)}/${Buffer.from(masked(bytes, bits)).toString('hex')}`;
}

export function isInRange(ip: Uint8Array, range: AddressRange): boolean {
  if (ip.length !== range.bytes.length) return false;
  const own = masked(ip, range.bits);
  return range.bytes.every((byte, at) => byte === own[at]);
}
