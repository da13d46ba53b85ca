/** Where the load goes. Loopback only: a load generator pointed at somebody else's machine is an attack. */
import { isIPv4, isIPv6 } from 'node:net';

/** One MQTT listener. */
export interface Host {
  readonly address: string;
  readonly port: number;
}

/** A mistake of the user or a state of the world that one sentence explains; no stack trace is of use. */
export class BenchError extends Error {
  override name = 'BenchError';
}

/** `127.0.0.1:1883`, or `[::1]:1883`. */
export function formatHost(host: Host): string {
  return isIPv6(host.address) ? `[${host.address}]:${host.port}` : `${host.address}:${host.port}`;
}

/**
 * Parses `host:port,host:port`.
 * @throws BenchError when the list is empty or malformed, or an address is not loopback (127.0.0.0/8, ::1, localhost)
 */
export function parseHosts(list: string): Host[] {
  return list.split(',').map((item) => parseHost(item.trim()));
}

function parseHost(text: string): Host {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (match === null) throw new BenchError(`"${text}" is not an address: HOST:PORT is expected, e.g. 127.0.0.1:1883.`);
  const name = (match[1] ?? match[2]) as string;
  const address = name === 'localhost' ? '127.0.0.1' : name;
  if (!isLoopback(address)) {
    throw new BenchError(`"${text}" is refused: only loopback addresses (127.0.0.0/8, ::1) may be put under load.`);
  }
  const port = Number(match[3]);
  if (port < 1 || port > 65_535) throw new BenchError(`"${text}" has no valid port: 1 to 65535 is expected.`);
  return { address, port };
}

/** Names other than `localhost` do not count: what they resolve to may change. */
export function isLoopback(address: string): boolean {
  return (isIPv4(address) && address.startsWith('127.')) || address === '::1';
}
