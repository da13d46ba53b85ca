import type { Socket } from 'node:net';
import { isIPv4, isIPv6 } from 'node:net';

const MAPPED = '::ffff:';

/** `HOST:PORT` for logs, with brackets around IPv6. An IPv4 address in the guise of IPv6 is shown as what it is. */
export function showHostPort(host: string, port: number): string {
  const plain = host.startsWith(MAPPED) && isIPv4(host.slice(MAPPED.length)) ? host.slice(MAPPED.length) : host;
  return `${isIPv6(plain) ? `[${plain}]` : plain}:${String(port)}`;
}

/** The other end of a TCP connection, also of one that is gone already. */
export function remoteAddressOf(socket: Socket): string {
  return showHostPort(socket.remoteAddress ?? '?', socket.remotePort ?? 0);
}
