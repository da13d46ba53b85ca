import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { encodeConnect, encodePublish, Framer, Packet } from '../../packages/bench/src/codec.ts';
import { type NodeProcess, startCluster } from '../support/cluster.ts';
import { asProgram } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';

/*
 * How a cluster carries a large state: start, memory, a snapshot to an empty node, and the longest time for which an event
 * loop stood still meanwhile. Not a test: it takes minutes and says what it measured.
 *   make large-state RETAINED=1000000 SESSIONS=100000
 */

const RETAINED = Number(process.env['RETAINED'] ?? 1_000_000);
const SESSIONS = Number(process.env['SESSIONS'] ?? 100_000);
const PUBLISHERS = 16;
const WINDOW = 512;
const CONNECTS_AT_ONCE = 200;
const LONG_MS = 600_000;

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

/** Publishes its share of the retained messages, with a window. */
async function publish(port: number, at: number): Promise<void> {
  let next = at;
  let acked = 0;
  const mine = Math.ceil((RETAINED - at) / PUBLISHERS);
  let done: () => void = () => {};
  let broken: (error: Error) => void = () => {};
  const finished = new Promise<void>((resolve, reject) => {
    done = resolve;
    broken = reject;
  });
  const send = (): void => {
    if (next >= RETAINED) return;
    const { bytes, packetIdOffset } = encodePublish(
      `fleet/${next % 1000}/device/${next}`,
      1,
      Buffer.from(`value ${next}`),
    );
    bytes[0] = (bytes[0] as number) | 1;
    bytes.writeUInt16BE(1 + (Math.floor(next / PUBLISHERS) % 65_000), packetIdOffset);
    next += PUBLISHERS;
    socket.write(bytes);
  };
  const socket = await connect(port, `loader-${at}`, (type) => {
    if (type === Packet.connack) for (let sent = 0; sent < WINDOW; sent++) send();
    else if (type === Packet.puback) {
      acked++;
      if (acked === mine) done();
      else send();
    }
  });
  socket.on('close', () => {
    if (acked < mine) broken(new Error(`publisher ${at} was closed after ${acked} of ${mine}`));
  });
  await finished;
  socket.destroy();
}

/** Leaves a session behind. */
async function leaveSession(port: number, number: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    connect(port, `device-${number}`, (type) => {
      if (type === Packet.connack) resolve();
    }).then((socket) => {
      socket.on('close', resolve);
      void Promise.resolve().then(async () => {
        await once(socket, 'data');
        socket.end(Buffer.from([0xe0, 0]));
      });
    }, reject);
  });
}

async function metric(node: NodeProcess, name: string): Promise<number> {
  const { body } = await node.get('/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? Number.NaN);
}

/** Asks, and so begins a new measurement. */
async function stalls(nodes: readonly NodeProcess[]): Promise<string> {
  const figures = await Promise.all(nodes.map((node) => metric(node, 'quorate_nodejs_eventloop_lag_max_seconds')));
  return nodes.map(({ id }, at) => `${id} ${((figures[at] ?? 0) * 1000).toFixed(0)} ms`).join(', ');
}

function rss(node: NodeProcess): string {
  const status = readFileSync(`/proc/${String(node.pid)}/status`, 'utf8');
  return `${(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024).toFixed(0)} MiB`;
}

const cluster = await startCluster({
  nodes: 3,
  readyTimeoutMs: 60_000,
  env: { NODE_OPTIONS: '--max-old-space-size=6144' },
});
try {
  const { nodes } = cluster;
  const [first] = nodes as [NodeProcess];
  say(`loading ${RETAINED} retained messages and ${SESSIONS} sessions`);
  await stalls(nodes);
  let from = performance.now();
  await Promise.all(
    Array.from({ length: PUBLISHERS }, (_, at) => publish((nodes[at % 3] as NodeProcess).mqttPort, at)),
  );
  say(
    `retained: ${((RETAINED / (performance.now() - from)) * 1000).toFixed(0)}/s; longest stalls ${await stalls(nodes)}`,
  );
  from = performance.now();
  let number = 0;
  const worker = async (): Promise<void> => {
    while (number < SESSIONS) {
      const mine = number++;
      await leaveSession((nodes[mine % 3] as NodeProcess).mqttPort, mine);
    }
  };
  await Promise.all(Array.from({ length: CONNECTS_AT_ONCE }, worker));
  say(
    `sessions: ${((SESSIONS / (performance.now() - from)) * 1000).toFixed(0)}/s; longest stalls ${await stalls(nodes)}`,
  );
  say(`memory: ${nodes.map((node) => `${node.id} ${rss(node)}`).join(', ')}`);

  const leader = cluster.node(await cluster.leader());
  const other = nodes.find((node) => node !== leader) as NodeProcess;
  await other.kill();
  from = performance.now();
  await other.start();
  await waitFor(async () => (await other.get('/readyz').catch(() => undefined))?.status === 200, {
    timeoutMs: LONG_MS,
    what: 'a restarted node to be ready',
  });
  say(`restart of ${other.id}: ready after ${((performance.now() - from) / 1000).toFixed(1)} s, ${rss(other)}`);
  say(`longest stalls ${await stalls(nodes)}`);

  await other.kill();
  other.wipe();
  from = performance.now();
  await other.start();
  await cluster.waitVoters(
    nodes.map(({ id }) => id),
    LONG_MS,
  );
  say(`empty ${other.id}: voter again after ${((performance.now() - from) / 1000).toFixed(1)} s, ${rss(other)}`);
  say(`longest stalls ${await stalls(nodes)}`);
  const count = await metric(other, 'quorate_retained_messages');
  if (count !== RETAINED) throw new Error(`${count} retained messages instead of ${RETAINED}`);
  say(`memory: ${nodes.map((node) => `${node.id} ${rss(node)}`).join(', ')}; ${first.id} serves`);
} finally {
  await cluster.stopAll();
  cluster.dispose();
}
