import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { encodeConnect, encodePublish, Framer, Packet } from '../../packages/bench/src/codec.ts';
import { type NodeProcess, startCluster } from '../support/cluster.ts';
import { asProgram } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';

/*
 * How a cluster carries a large state: start, memory, a snapshot to an empty node, and the longest time for which an event
 * loop stood still meanwhile. Not a test: it takes minutes and says what it measured.
 * Of each stall it says how long it was and how long the loop itself computed in the longest of those: the difference is
 * waiting for a core, of which three nodes and a load rarely have enough on one machine.
 *   make large-state RETAINED=1000000 SESSIONS=100000
 */

const RETAINED = Number(process.env['RETAINED'] ?? 1_000_000);
const SESSIONS = Number(process.env['SESSIONS'] ?? 100_000);
const PUBLISHERS = 16;
const WINDOW = 512;
const CONNECTS_AT_ONCE = 200;
const LONG_MS = 600_000;
/** A cluster that lets more of them go does not carry the load. */
const MAX_LOST_CONNECTIONS = 200;
const RECONNECT_MS = 500;
const DISCONNECT = Buffer.from([0xe0, 0]);

asProgram();
const begun = performance.now();
function say(text: string): void {
  console.log(`${((performance.now() - begun) / 1000).toFixed(1).padStart(7)} s  ${text}`);
}

/** A connection and its packets, by type. */
async function connect(port: number, clientId: string, onPacket: (type: number) => void): Promise<net.Socket> {
  const socket = net.connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.setNoDelay(true);
  const framer = new Framer();
  const sink = {
    packet: (header: number): boolean => {
      onPacket(header & 0xf0);
      return true;
    },
  };
  socket.on('data', (chunk: Buffer) => {
    framer.push(chunk, chunk.length, sink);
  });
  socket.on('error', () => {});
  socket.write(encodeConnect(clientId, false, 0));
  return socket;
}

let lostConnections = 0;

/** A node let go of a connection. Resolves when it is time for another. */
async function wasLost(): Promise<void> {
  if (++lostConnections > MAX_LOST_CONNECTIONS) throw new Error(`${lostConnections} connections were lost`);
  await new Promise((resolve) => setTimeout(resolve, RECONNECT_MS));
}

/** Publishes its share of the retained messages, with a window; goes on where it was when its node lets go of it. */
async function publish(port: number, at: number): Promise<void> {
  const mine = Math.ceil((RETAINED - at) / PUBLISHERS);
  for (let acked = 0; acked < mine; ) {
    acked += await publishOnce(port, at, acked);
    if (acked === mine) return;
    await wasLost();
  }
}

/** @returns how many were acknowledged before all were, or the connection closed */
async function publishOnce(port: number, at: number, from: number): Promise<number> {
  let next = at + from * PUBLISHERS;
  let acked = 0;
  const send = (): void => {
    if (next >= RETAINED) {
      if (next - acked * PUBLISHERS === at + from * PUBLISHERS) socket?.destroy();
      return;
    }
    const { bytes, packetIdOffset } = encodePublish(
      `fleet/${next % 1000}/device/${next}`,
      1,
      Buffer.from(`value ${next}`),
    );
    bytes[0] = (bytes[0] as number) | 1;
    bytes.writeUInt16BE(1 + (Math.floor(next / PUBLISHERS) % 65_000), packetIdOffset);
    next += PUBLISHERS;
    socket?.write(bytes);
  };
  const socket: net.Socket | null = await connect(port, `loader-${at}`, (type) => {
    if (type === Packet.connack) for (let sent = 0; sent < WINDOW; sent++) send();
    else if (type === Packet.puback) {
      acked++;
      send();
    }
  }).catch(() => null);
  if (socket === null) return 0;
  if (!socket.destroyed) await once(socket, 'close');
  return acked;
}

/** Leaves a session behind. */
async function leaveSession(port: number, number: number): Promise<void> {
  for (let there = false; !there; ) {
    let socket: net.Socket | null = null;
    socket = await connect(port, `device-${number}`, (type) => {
      there ||= type === Packet.connack;
      socket?.end(DISCONNECT);
    }).catch(() => null);
    if (socket !== null && !socket.destroyed) await once(socket, 'close');
    if (!there) await wasLost();
  }
}

async function metric(node: NodeProcess, name: string): Promise<number> {
  const { body } = await node.get('/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? Number.NaN);
}

const watchFolder = mkdtempSync(join(tmpdir(), 'quorate-loops-'));
/** How much of each node's notes was read. */
const notesRead = new Map<string, number>();

/** The longest stalls since the last call, and what of them was computing. */
function stalls(nodes: readonly NodeProcess[]): string {
  const texts = nodes.map(({ id }) => {
    let notes = '';
    try {
      notes = readFileSync(join(watchFolder, id), 'utf8');
    } catch {
      // None so far.
    }
    const lines = notes.slice(notesRead.get(id) ?? 0).split('\n');
    notesRead.set(id, notes.length);
    const found = lines.filter((line) => line !== '').map((line) => JSON.parse(line) as [number, number | null]);
    const wallMs = Math.max(0, ...found.map(([ms]) => ms));
    const cpuMs = Math.max(0, ...found.map(([, ms]) => ms ?? Number.NaN));
    return `${id} ${wallMs.toFixed(0)} ms (computing ${cpuMs.toFixed(0)})`;
  });
  return `longest stalls ${texts.join(', ')}`;
}

/** What a node does before it takes part in anything is told apart: it loads its modules, and its state. */
async function started(node: NodeProcess, from: number): Promise<void> {
  await waitFor(async () => (await node.get('/livez').catch(() => undefined)) !== undefined, {
    timeoutMs: LONG_MS,
    what: `${node.id} to be started`,
  });
  const seconds = (performance.now() - from) / 1000;
  say(`${node.id} has loaded its data after ${seconds.toFixed(1)} s; ${stalls([node])}`);
}

function rss(node: NodeProcess): string {
  const status = readFileSync(`/proc/${String(node.pid)}/status`, 'utf8');
  return `${(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0)} MiB`;
}

async function measure(): Promise<void> {
  const cluster = await startCluster({
    nodes: 3,
    readyTimeoutMs: 60_000,
    env: {
      NODE_OPTIONS: `--max-old-space-size=6144 --require ${fileURLToPath(new URL('event-loop-watch.cjs', import.meta.url))}`,
      LOOP_WATCH_FOLDER: watchFolder,
    },
  });
  try {
    const { nodes } = cluster;
    const [first] = nodes as [NodeProcess];
    say(`loading ${RETAINED} retained messages and ${SESSIONS} sessions`);
    stalls(nodes);
    let from = performance.now();
    await Promise.all(
      Array.from({ length: PUBLISHERS }, (_, at) => publish((nodes[at % 3] as NodeProcess).mqttPort, at)),
    );
    say(`retained: ${((RETAINED / (performance.now() - from)) * 1000).toFixed(0)}/s; ${stalls(nodes)}`);
    from = performance.now();
    let number = 0;
    const worker = async (): Promise<void> => {
      while (number < SESSIONS) {
        const mine = number++;
        await leaveSession((nodes[mine % 3] as NodeProcess).mqttPort, mine);
      }
    };
    await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, worker));
    say(`sessions: ${((SESSIONS / (performance.now() - from)) * 1000).toFixed(0)}/s; ${stalls(nodes)}`);
    say(`memory: ${nodes.map((node) => `${node.id} ${rss(node)}`).join(', ')}`);

    const leader = cluster.node(await cluster.leader());
    const other = nodes.find((node) => node !== leader) as NodeProcess;
    await other.kill();
    from = performance.now();
    await other.start();
    await started(other, from);
    await waitFor(async () => (await other.get('/readyz').catch(() => undefined))?.status === 200, {
      timeoutMs: LONG_MS,
      what: 'a restarted node to be ready',
    });
    say(`restart of ${other.id}: ready after ${((performance.now() - from) / 1000).toFixed(1)} s, ${rss(other)}`);
    say(stalls(nodes));

    await other.kill();
    other.wipe();
    from = performance.now();
    await other.start();
    await started(other, from);
    await cluster.waitVoters(
      nodes.map(({ id }) => id),
      LONG_MS,
    );
    say(`empty ${other.id}: voter again after ${((performance.now() - from) / 1000).toFixed(1)} s, ${rss(other)}`);
    say(stalls(nodes));
    const count = await metric(other, 'quorate_retained_messages');
    if (count !== RETAINED) throw new Error(`${count} retained messages instead of ${RETAINED}`);
    if (lostConnections > 0) say(`${lostConnections} connections were lost meanwhile`);
    say(`memory: ${nodes.map((node) => `${node.id} ${rss(node)}`).join(', ')}; ${first.id} serves`);
  } finally {
    await cluster.stopAll();
    cluster.dispose();
  }
}

// Nobody else says it: to the support of tests an error outside of a test is one of a suite, and here is none.
await measure().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
rmSync(watchFolder, { recursive: true, force: true });
