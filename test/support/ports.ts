import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

/*
 * Below the ephemeral range of Linux (32768) and macOS (49152): a port from that range could be taken as the source
 * port of some connection while its node is down, even by a peer that dials the very node (a TCP self-connect).
 */
const LOWEST = 15_000;
const HIGHEST = 32_000;
const ATTEMPTS = 1_000;

const given = new Set<number>();

function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', () => done(false));
    server.listen({ port, host, exclusive: true }, () => server.close(() => done(true)));
  });
}

/** Picks TCP ports that nobody listens on at the moment, never the same twice in this process. */
export async function freePorts(count: number, host = '127.0.0.1'): Promise<number[]> {
  const ports: number[] = [];
  for (let attempt = 0; attempt < ATTEMPTS && ports.length < count; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (given.has(port) || !(await canListen(port, host))) continue;
    given.add(port);
    ports.push(port);
  }
  if (ports.length < count) throw new Error(`found only ${ports.length} of ${count} free ports on ${host}`);
  return ports;
}
