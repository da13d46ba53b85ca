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
  #route: Route | null = null;
  #dialling = 0;
  #ended = false;
  connected = 0;
  /** CONNECTs that did not end in a session, by the code of their CONNACK, or `closed`. */
  readonly refused = new Map<string, number>();

  constructor(kind: string, clean: boolean) {
    this.#kind = kind;
    this.#clean = clean;
    for (let client = 0; client < CLIENTS; client++) this.#waiting.push(client);
  }

  begin(route: Route): void {
    this.#route = route;
    this.#dial();
  }

  set route(route: Route) {
    this.#route = route;
  }

  end(): void {
    this.#ended = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #count(what: string): void {
    if (!this.#ended) this.refused.set(what, (this.refused.get(what) ?? 0) + 1);
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
    const node = (this.#route as Route)(client);
    const socket = net.connect(node.mqttPort, '127.0.0.1');
    this.#sockets.add(socket);
    let isConnected = false;
    socket.on('error', () => {});
    socket.once('connect', () => socket.write(encodeConnect(`${this.#kind}-${client}`, this.#clean, 0)));
    socket.once('data', (answer: Buffer) => {
      isConnected = answer[0] === CONNACK && answer[3] === 0;
      if (isConnected) this.connected++;
      else this.#count(answer[0] === CONNACK ? String(answer[3]) : 'no CONNACK');
      this.#dialling--;
      this.#dial();
    });
    socket.once('close', () => {
      this.#sockets.delete(socket);
      if (isConnected) this.connected--;
      else if (socket.bytesRead === 0) {
        this.#count('closed');
        this.#dialling--;
      }
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

/** What the log has cost so far, as the nodes that are there say. */
interface Cost {
  readonly atMs: number;
  readonly entries: number;
  /** Batches and commands of all nodes; a batch is what a node proposes at once. */
  readonly batches: number;
  readonly commands: number;
  /** Bytes that the first of the nodes wrote to its log. */
  readonly logBytes: number;
}

async function metric(node: NodeProcess, name: string): Promise<number> {
  const { body } = await node.get('/metrics');
  const line = body.split('\n').find((each) => each.startsWith(`quorate_${name} `)) ?? '';
  return Number(line.slice(line.lastIndexOf(' ') + 1));
}

async function sum(nodes: readonly NodeProcess[], name: string): Promise<number> {
  const all = await Promise.all(nodes.map((node) => metric(node, name)));
  return all.reduce((total, each) => total + each, 0);
}

async function costs(nodes: readonly NodeProcess[]): Promise<Cost> {
  const [first] = nodes as [NodeProcess];
  const { body } = await first.get('/api/v1/cluster');
  return {
    entries: (JSON.parse(body) as { readonly commitIndex: number }).commitIndex,
    batches: await sum(nodes, 'log_batch_commands_count'),
    commands: await sum(nodes, 'log_batch_commands_sum'),
    logBytes: await metric(first, 'log_write_bytes_total'),
    atMs: performance.now(),
  };
}

/** Does something that a whole fleet takes part in, and says what it cost. */
async function step(what: string, nodes: readonly NodeProcess[], fleet: Fleet | null, act: () => Promise<void>) {
  const before = await costs(nodes);
  const begunMs = performance.now();
  await act();
  const tookMs = Math.round(performance.now() - begunMs);
  const after = await costs(nodes);
  const of = (key: keyof Cost): string => String(after[key] - before[key]).padStart(6);
  const perClient = ((after.logBytes - before.logBytes) / CLIENTS).toFixed(0);
  const figures = `${of('entries')} entries ${of('batches')} batches ${of('commands')} commands`;
  const refused = [...(fleet?.refused ?? [])].map(([code, count]) => `${String(count)} times ${code}`).join(', ');
  fleet?.refused.clear();
  const rest = refused === '' ? '' : `, refused ${refused}`;
  console.log(
    `${what.padEnd(48)} ${String(tookMs).padStart(6)} ms ${figures} ${perClient.padStart(5)} B of log a client${rest}`,
  );
}

async function all(fleet: Fleet): Promise<void> {
  await waitFor(() => fleet.connected === CLIENTS, {
    ...{ what: `${String(CLIENTS)} clients`, timeoutMs: TIMEOUT_MS, intervalMs: 20 },
  });
}

const limits = { maxConnections: 2 * CLIENTS };
const cluster = await startCluster({ config: { limits } });
try {
  console.log(`${String(CLIENTS)} clients`);
  const [n1, n2, n3] = cluster.nodes as [NodeProcess, NodeProcess, NodeProcess];
  await step('idle, three seconds', [n2, n1, n3], null, async () => {
    const idleMs = performance.now();
    await waitFor(() => performance.now() - idleMs > 3_000, { what: 'some idle seconds' });
  });
  for (const [kind, clean] of [
    ['clean', true],
    ['kept', false],
  ] as const) {
    const fleet = new Fleet(kind, clean);
    await step(`${kind} sessions, all connect to n1`, [n2, n1, n3], fleet, () => {
      fleet.begin(() => n1);
      return all(fleet);
    });
    await step(`${kind} sessions, n1 is killed, all come to n2 and n3`, [n2, n3], fleet, async () => {
      fleet.route = (client) => (client % 2 === 0 ? n2 : n3);
      await n1.kill();
      await waitFor(() => fleet.connected < CLIENTS, { what: 'the end of connections', intervalMs: 1 });
      await all(fleet);
    });
    await step(`${kind} sessions, all break off`, [n2, n3], fleet, async () => {
      const before = await sum([n2, n3], 'log_batch_commands_sum');
      fleet.end();
      // Each end is a command.
      await waitFor(async () => (await sum([n2, n3], 'log_batch_commands_sum')) - before >= CLIENTS, {
        ...{ what: 'the ends of all connections in the log', timeoutMs: TIMEOUT_MS },
      });
      await waitFor(async () => (await metric(n2, 'sessions')) === (clean ? 0 : CLIENTS), {
        ...{ what: 'the sessions to end', timeoutMs: TIMEOUT_MS },
      });
    });
    await n1.start();
    await cluster.waitReady();
  }
} finally {
  await cluster.stopAll();
}
