import { isIPv4, isIPv6 } from 'node:net';
import { showHostPort } from './remote-address.ts';

/*
 * The PROXY protocol, versions 1 and 2, as its author describes it
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt).
 */

/** What the first bytes of a connection are. */
export type ProxyHeader =
  /** Too few bytes to tell, but what is there may become a header. */
  | { readonly kind: 'incomplete' }
  | {
      readonly kind: 'header';
      /** Length of the header; what follows belongs to the connection. */
      readonly sizeBytes: number;
      /** The client, `HOST:PORT` or `unix:PATH`; null when the header does not say: the connection's own holds. */
      readonly client: string | null;
    }
  | { readonly kind: 'invalid'; readonly reason: string };

/** Section 2.1: the longest line of version 1, with its CRLF. */
const V1_MAX_BYTES = 107;
/**
 * Most that is taken of version 2, whose own limit is 64 KiB: addresses have 216 bytes, the rest are TLVs. With this
 * many bytes the answer is never `incomplete`.
 */
export const V2_MAX_BYTES = 4_096;
const V1_START = Buffer.from('PROXY ');
const V2_START = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2_FIXED_BYTES = 16;
const CR = 0x0d;
const LF = 0x0a;

const INCOMPLETE: ProxyHeader = { kind: 'incomplete' };

function invalid(reason: string): ProxyHeader {
  return { kind: 'invalid', reason };
}

function startsLike(bytes: Buffer, start: Buffer): boolean {
  const length = Math.min(bytes.length, start.length);
  return bytes.compare(start, 0, length, 0, length) === 0;
}

/** Reads the header at the beginning of `bytes`, which are all that came so far. Never throws. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  if (bytes.length === 0) return INCOMPLETE;
  if (startsLike(bytes, V2_START)) return bytes.length < V2_FIXED_BYTES ? INCOMPLETE : parseV2(bytes);
  if (startsLike(bytes, V1_START)) return bytes.length < V1_START.length ? INCOMPLETE : parseV1(bytes);
  return invalid('it does not begin with a PROXY header');
}

function parseV1(bytes: Buffer): ProxyHeader {
  const lf = bytes.subarray(0, V1_MAX_BYTES).indexOf(LF);
  if (lf < 0) return bytes.length < V1_MAX_BYTES ? INCOMPLETE : invalid('its PROXY line has no end');
  if (bytes[lf - 1] !== CR) return invalid('its PROXY line does not end with CR LF');
  const sizeBytes = lf + 1;
  const words = bytes.toString('latin1', V1_START.length, lf - 1).split(' ');
  // What else stands in the line must be ignored.
  if (words[0] === 'UNKNOWN') return { kind: 'header', sizeBytes, client: null };
  const [family, source = '', destination = '', sourcePort = '', destinationPort = ''] = words;
  const isAddress = family === 'TCP4' ? isIPv4 : family === 'TCP6' ? isPlainIPv6 : null;
  if (isAddress === null) return invalid('its PROXY line has an unknown protocol');
  const proper = words.length === 5 && isAddress(source) && isAddress(destination);
  if (!proper || !isPort(sourcePort) || !isPort(destinationPort)) {
    return invalid('its PROXY line has a bad address or port');
  }
  return { kind: 'header', sizeBytes, client: showHostPort(source, Number(sourcePort)) };
}

/** Without the zone that `isIPv6` lets pass. */
function isPlainIPv6(text: string): boolean {
  return isIPv6(text) && !text.includes('%');
}

function isPort(text: string): boolean {
  return /^(0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65_535;
}

/** Lengths of the address blocks by family (section 2.2): none, IPv4, IPv6, UNIX. */
const ADDRESS_BYTES = [0, 12, 36, 216] as const;
const LOCAL = 0;
const PROXY = 1;

function parseV2(bytes: Buffer): ProxyHeader {
  const versionAndCommand = bytes.readUInt8(12);
  const familyAndProtocol = bytes.readUInt8(13);
  const restBytes = bytes.readUInt16BE(14);
  const command = versionAndCommand & 0x0f;
  if (versionAndCommand >> 4 !== 2) return invalid('its PROXY header has an unknown version');
  if (command !== LOCAL && command !== PROXY) return invalid('its PROXY header has an unknown command');
  const sizeBytes = V2_FIXED_BYTES + restBytes;
  if (sizeBytes > V2_MAX_BYTES) return invalid(`its PROXY header is longer than ${String(V2_MAX_BYTES)} bytes`);
  // LOCAL: the proxy speaks for itself, and family and addresses must be ignored.
  if (command === PROXY) {
    const addressBytes = ADDRESS_BYTES[familyAndProtocol >> 4];
    if (addressBytes === undefined || (familyAndProtocol & 0x0f) > 2) {
      return invalid('its PROXY header has an unknown family or protocol');
    }
    if (restBytes < addressBytes) return invalid('its PROXY header is too short for its addresses');
  }
  if (bytes.length < sizeBytes) return INCOMPLETE;
  // Behind the addresses are TLVs, which are passed over.
  const client = command === LOCAL ? null : clientOf(familyAndProtocol >> 4, bytes.subarray(V2_FIXED_BYTES, sizeBytes));
  return { kind: 'header', sizeBytes, client };
}

function clientOf(family: number, addresses: Buffer): string | null {
  switch (family) {
    case 1:
      return showHostPort(addresses.subarray(0, 4).join('.'), addresses.readUInt16BE(8));
    case 2:
      return showHostPort(ipv6Of(addresses.subarray(0, 16)), addresses.readUInt16BE(32));
    case 3: {
      const path = addresses.subarray(0, 108);
      const end = path.indexOf(0);
      // It ends in logs: nothing that moves a terminal's cursor.
      const shown = path.toString('latin1', 0, end < 0 ? path.length : end).replaceAll(/[^\x20-\x7e]/g, '?');
      return `unix:${shown}`;
    }
    default:
      return null;
  }
}

/** The shortest usual form, as RFC 5952 section 4 has it. */
function ipv6Of(address: Buffer): string {
  const groups = Array.from({ length: 8 }, (_none, at) => address.readUInt16BE(at * 2).toString(16));
  // The URL parser is the one place in Node that shortens an address.
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}
