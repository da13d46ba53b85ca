import net from 'node:net';
import { encodeConnect } from '../../packages/bench/src/codec.ts';
import { type NodeProcess, startCluster } from '../support/cluster.ts';
import { asProgram } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';

/*
 * What a whole fleet at once costs: all clients connect to one node; it dies, and they all come back on the others. Not a test:
 * it says what it measured. Each step is given in time and in entries of the log, which go to every disk.
 *   make mass-events CLIENTS=10000
 */

const CLIENTS = Number(process.env['CLIENTS'] ?? 10_000);
const TIMEOUT_MS = 300_000;
/** Before a client tries again where it was refused or let down. */
const AGAIN_MS = 250;
/** CONNECTs in the hands of one node's kernel: more than its backlog are only sent again by TCP, a second later. */
const DIALLING = 400;
const CONNACK = 0x20;

asProgram();

/** Where a client may go. */
type Route = (client: number) => NodeProcess;

/** Clients that want to be connected, and come back when they are not. */
class Fleet {
  readonly #kind: string;
  readonly #clean: boolean;
  readonly #waiting: number[] = [];
  readonly #sockets = new Set<net.Socket>();
  #route: Route;
  #dialling = 0;
  #ended = false;
  connected = 0;
  refused = 0;

  constructor(kind: string, clean: boolean, route: Route) {
    this.#kind = kind;
    this.#clean = clean;
    this.#route = route;
    for (let client = 0; client < CLIENTS; client++) this.#waiting.push(client);
    this.#dial();
  }

  set route(route: Route) {
    this.#route = route;
  }

  end(): void {
    this.#ended = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #dial(): void {
    while (!this.#ended && this.#dialling < DIALLING) {
      const client = this.#waiting.shift();
      if (client === undefined) return;
      this.#dialling++;
      this.#connect(client);
    }
  }

  #connect(client: number): void {
    const socket = net.connect(this.#route(client).mqttPort, '127.0.0.1');
    this.#sockets.add(socket);
    let isConnected = false;
    socket.on('error', () => {});
    socket.once('connect', () => socket.write(encodeConnect(`${this.#kind}-${client}`, this.#clean, 0)));
    socket.once('data', (answer: Buffer) => {
      isConnected = answer[0] === CONNACK && answer[3] === 0;
      if (isConnected) this.connected++;
      else this.refused++;
      this.#dialling--;
      this.#dial();
    });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (isConnected) this.connected--;
      else if (socket.bytesRead === 0) this.#dialling--;
      if (this.#ended) return;
      setTimeout(
        () => {
          this.#waiting.push(client);
          this.#dial();
        },
        isConnected ? 0 : AGAIN_MS,
      );
    });
  }
}

async function commitIndex(node: NodeProcess): Promise<number> {
  const { body } = await node.get('/api/v1/cluster');
  return (JSON.parse(body) as { readonly commitIndex: number }).commitIndex;
}

/** How long it takes until all are connected, and by how much the log has grown meanwhile. */
async function measured(what: string, fleet: Fleet, node: NodeProcess, from: number, begunMs: number): Promise<void> {
  await waitFor(() => fleet.connected === CLIENTS, {
    what: `${CLIENTS} clients`,
    timeoutMs: TIMEOUT_MS,
    intervalMs: 20,
  });
  const tookMs = performance.now() - begunMs;
  const entries = (await commitIndex(node)) - from;
  console.log(
    `${what.padEnd(52)} ${String(Math.round(tookMs)).padStart(7)} ms  ${String(entries).padStart(6)} entries  ${fleet.refused} refused on the way`,
  );
}

const limits = { maxConnections: 2 * CLIENTS };
const cluster = await startCluster({ config: { limits } });
try {
  console.log(`${CLIENTS} clients`);
  const [n1, n2, n3] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
  const idle = await commitIndex(n2);
  const idleMs = performance.now();
  await waitFor(() => performance.now() - idleMs > 3_000, { what: 'some idle seconds' });
  console.log(`idle: ${(((await commitIndex(n2)) - idle) / 3).toFixed(1)} entries a second`);
  for (const [kind, clean] of [
    ['clean', true],
    ['kept', false],
  ] as const) {
    let from = await commitIndex(n2);
    let begunMs = performance.now();
    const fleet = new Fleet(kind, clean, () => n1);
    await measured(`${kind} sessions, all connect to n1`, fleet, n2, from, begunMs);
    fleet.route = (client) => (client % 2 === 0 ? n2 : n3);
    from = await commitIndex(n2);
    begunMs = performance.now();
    await n1.kill();
    await waitFor(() => fleet.connected < CLIENTS, { what: 'the end of connections' });
    await measured(`${kind} sessions, n1 is killed, all come to n2 and n3`, fleet, n2, from, begunMs);
    from = await commitIndex(n2);
    begunMs = performance.now();
    fleet.end();
    await waitFor(async () => (await sessions(n2)) === (clean ? 0 : CLIENTS), {
      what: 'the sessions to end',
      timeoutMs: TIMEOUT_MS,
    });
    const tookMs = Math.round(performance.now() - begunMs);
    const entries = (await commitIndex(n2)) - from;
    console.log(
      `${`${kind} sessions, all break off`.padEnd(52)} ${String(tookMs).padStart(7)} ms  ${String(entries).padStart(6)} entries`,
    );
    await n1.start();
    await cluster.waitReady();
  }
} finally {
  await cluster.stopAll();
}

async function sessions(node: NodeProcess): Promise<number> {
  const { body } = await node.get('/metrics');
  return Number(/^quorate_sessions (\d+)/m.exec(body)?.[1]);
}
