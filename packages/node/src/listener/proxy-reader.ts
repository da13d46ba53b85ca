import type { Socket } from 'node:net';
import { type ProxyHeader, parseProxyHeader } from './proxy-header.ts';

const EMPTY = Buffer.alloc(0);

/**
 * Takes the PROXY header off a socket that nobody has read yet. What follows it is there for the next reader.
 *
 * @param done called once at most, with a header or what is wrong
 */
export function readProxyHeader(
  socket: Socket,
  done: (header: Exclude<ProxyHeader, { kind: 'incomplete' }>) => void,
): void {
  let held: Buffer = EMPTY;
  const onReadable = (): void => {
    for (let chunk = read(socket); chunk !== null; chunk = read(socket)) {
      held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
      const header = parseProxyHeader(held);
      if (header.kind === 'incomplete') continue;
      socket.off('readable', onReadable);
      if (header.kind === 'header' && held.length > header.sizeBytes) socket.unshift(held.subarray(header.sizeBytes));
      done(header);
      return;
    }
  };
  // Not `data`: a flowing socket would go on to hand out bytes while nobody listens.
  socket.on('readable', onReadable);
}

function read(socket: Socket): Buffer | null {
  return socket.read() as Buffer | null;
}
