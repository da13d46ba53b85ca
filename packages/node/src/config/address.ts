import { isIP, isIPv4, isIPv6 } from 'node:net';

/** Where a socket listens or can be reached. */
export interface Address {
  /** An IP address without brackets, or a DNS name. */
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
}

const MAX_NAME_LENGTH = 253;
const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;
const ALL_DIGITS = /^\d+$/;

function isDnsName(host: string): boolean {
  if (host.length > MAX_NAME_LENGTH) return false;
  const labels = host.split('.');
  // A name whose last label is a number can only be a mistyped IPv4 address (RFC 1123 section 2.1).
  return labels.every((label) => LABEL.test(label)) && !ALL_DIGITS.test(labels.at(-1) ?? '');
}

function parseHost(text: string): string | undefined {
  if (text.startsWith('[') && text.endsWith(']')) {
    const inner = text.slice(1, -1);
    return isIPv6(inner) ? inner.toLowerCase() : undefined;
  }
  if (isIPv4(text)) return text;
  return isDnsName(text) ? text.toLowerCase() : undefined;
}

/**
 * Reads `HOST:PORT`; an IPv6 address stands in brackets (RFC 3986 section 3.2.2).
 *
 * @returns undefined when the text is not such an address
 */
export function parseAddress(text: string): Address | undefined {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) return undefined;
  const host = parseHost(text.slice(0, colon));
  const portText = text.slice(colon + 1);
  if (host === undefined || !/^\d{1,5}$/.test(portText)) return undefined;
  const port = Number(portText);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
export function formatAddress(address: Address): string {
  const host = isIPv6(address.host) ? `[${address.host}]` : address.host;
  return `${host}:${String(address.port)}`;
}

/** True when both name the same host and port, letter for letter; names are not looked up. */
export function sameAddress(a: Address, b: Address): boolean {
  return a.host === b.host && a.port === b.port;
}

/** True for 127.0.0.0/8, ::1 and `localhost`: only processes of this machine can connect. */
export function isLoopback(host: string): boolean {
  if (isIPv4(host)) return host.startsWith('127.');
  return host === 'localhost' || host === '::1' || host === '0:0:0:0:0:0:0:1';
}

/** True for the addresses that mean every interface of this machine. */
export function isWildcard(host: string): boolean {
  return isIP(host) !== 0 && /^[0:.]+$/.test(host);
}
