import { randomInt } from 'node:crypto';
import { createServer, type Server } from 'node:net';

/*
 * Below the ephemeral range of Linux (32768) and macOS (49152): a port from that range could be taken as the source
 * port of some connection while its node is down, even by a peer that dials the very node (a TCP self-connect).
 */
const LOWEST = 15_000;
const HIGHEST = 32_000;
const ATTEMPTS = 1_000;

/*
 * Test files run side by side, and a port is given some time before its node listens (and again while its node is
 * down). So this process claims each port that it gives by listening to it on a loopback address of its own, until it
 * ends: other processes then pass it over. macOS has no such address unless it is configured: there a port is only as
 * sure as chance makes it.
 */
const CLAIMS_HOST = '127.0.0.127';
const claims: Server[] = [];

type Listening = Server | 'taken' | 'no such address';

function listen(port: number, host: string): Promise<Listening> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code === 'EADDRNOTAVAIL' ? 'no such address' : 'taken'),
    );
    server.listen({ port, host, exclusive: true }, () => done(server));
  });
}

const given = new Set<number>();

async function claim(port: number, host: string): Promise<boolean> {
  if (given.has(port)) return false;
  const held = await listen(port, CLAIMS_HOST);
  if (held === 'taken') return false;
  const probe = await listen(port, host);
  if (typeof probe === 'object') await new Promise((closed) => probe.close(closed));
  if (typeof held === 'object') {
    if (typeof probe === 'object') claims.push(held.unref());
    else held.close();
  }
  if (typeof probe !== 'object') return false;
  given.add(port);
  return true;
}

/** Picks TCP ports that nobody listens on and no other test process has been given; never the same twice. */
export async function freePorts(count: number, host = '127.0.0.1'): Promise<number[]> {
  const ports: number[] = [];
  for (let attempt = 0; attempt < ATTEMPTS && ports.length < count; attempt++) {
    const port = randomInt(LOWEST, HIGHEST);
    if (await claim(port, host)) ports.push(port);
  }
  if (ports.length < count) throw new Error(`found only ${ports.length} of ${count} free ports on ${host}`);
  return ports;
}

/** Picks `count` such ports in a row and returns the first. */
export async function freePortsInRow(count: number, host = '127.0.0.1'): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const first = randomInt(LOWEST, HIGHEST - count);
    let length = 0;
    while (length < count && (await claim(first + length, host))) length++;
    if (length === count) return first;
  }
  throw new Error(`found no ${count} free ports in a row on ${host}`);
}
