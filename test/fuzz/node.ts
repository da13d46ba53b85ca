import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import type { MqttClient } from 'mqtt';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { collect, connect, disconnect, publish, type Received, subscribe } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { AnswerCheck } from './answers.ts';
import { Dice } from './dice.ts';
import { FuzzFailure, kindOf, messageOf, minimise } from './failure.ts';
import { formatStep, inputsOf, makeScript, parseStep, type Step } from './script.ts';

/*
 * Scripts of several clients against three node processes, over TCP. After each script the well-behaved client has all
 * its messages, in order, every hostile connection answers or is closed, and the processes are well: no error in their
 * log, no connection left, no memory gone.
 */

const MIB = 1024 * 1024;
const SCRIPT_INPUTS = 4_000;
const MAX_CONNECTIONS = 32;
/** The real clock is not to be waited for as much as the virtual one. */
const MAX_WAIT_MS = 3;
const MINIMISE_ATTEMPTS = 40;
/** How long a connection may take to answer, or the server to close it. */
const PATIENCE_MS = 60_000;
/** Of each node, beyond what it had after the first scripts. */
const RSS_GROWTH_BYTES = 200 * MIB;
const WARM_UP_SCRIPTS = 10;
const LOOK_EVERY_SCRIPTS = 10;
const CONTROL_TOPIC = 'control';
const PINGREQ = Buffer.from([0xc0, 0]);

/** Small, so that the limits are reached. */
const LIMITS = {
  maxPacketSizeBytes: 64 * 1024,
  receiveMaximum: 20,
  maxInflightMessages: 50,
  maxOutgoingBufferBytes: 128 * 1024,
  maxQueuedMessages: 1_000,
  maxQueuedBytes: 4 * MIB,
  maxSubscriptionsPerClient: 50,
  maxTopicLevels: 16,
  connectTimeoutMs: 5_000,
};
/** Longer than any machine is too busy for a majority: without one, a node lets its clients go, and rightly so. */
const GRACE_PERIOD_MS = 60_000;

/** One TCP connection of a script. The first thing wrong with what came is kept. */
class HostileSocket {
  readonly answers = new AnswerCheck();
  readonly #socket: Socket;
  isClosed = false;
  /** Ended from our side: nothing more is expected of it. */
  isOver = false;
  failure: Error | null = null;
  #changed: () => void = () => {};

  constructor(port: number, isPolite: boolean) {
    this.#socket = createConnection({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (chunk) => {
      if (this.failure !== null) return;
      try {
        for (const reply of this.answers.received(chunk)) if (isPolite) this.send(reply);
      } catch (error) {
        this.failure = error as Error;
      }
      this.#changed();
    });
    // A reset is a close too.
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.isClosed = true;
      this.#changed();
    });
  }

  send(bytes: Buffer): void {
    if (this.isClosed || this.isOver || bytes.length === 0) return;
    this.answers.sent(Buffer.from(bytes));
    this.#socket.write(bytes);
  }

  end(how: 'end' | 'reset' | 'vanish'): void {
    this.isOver = true;
    if (how === 'end') this.#socket.end();
    else if (how === 'reset') this.#socket.resetAndDestroy();
  }

  deafen(): void {
    this.#socket.pause();
  }

  hear(): void {
    this.#socket.resume();
  }

  /** At the end: it still answers, or the server has closed it. One that was left within a packet is just closed. */
  async finish(): Promise<void> {
    this.hear();
    if (!this.isOver && !this.isClosed && this.answers.isBetweenPackets) {
      const before = this.answers.pingresps;
      this.send(PINGREQ);
      const isDone = (): boolean => this.isClosed || this.failure !== null || this.answers.pingresps > before;
      await this.#until(isDone);
      if (!isDone()) throw new Error(`a connection neither answers nor is closed within ${PATIENCE_MS} ms`);
    }
    if (this.failure !== null) throw this.failure;
    this.#socket.destroy();
  }

  async #until(isDone: () => boolean): Promise<void> {
    if (isDone()) return;
    const timer = new AbortController();
    const changed = new Promise<void>((done) => {
      this.#changed = () => {
        if (isDone()) done();
      };
    });
    await Promise.race([changed, delay(PATIENCE_MS, undefined, { signal: timer.signal }).catch(() => {})]);
    timer.abort();
  }
}

/** Reads what a node's log has got since the last look; a line of level error or fatal, or that is none, is a failure. */
class LogWatch {
  readonly #path: string;
  #position = 0;
  #rest = '';

  constructor(node: NodeProcess) {
    this.#path = join(node.dataDir, '..', 'log');
  }

  /** @throws with the first line that should not be there */
  look(): void {
    const file = openSync(this.#path, 'r');
    try {
      const chunk = Buffer.alloc(MIB);
      for (let read = 1; read > 0; this.#position += read) {
        read = readSync(file, chunk, 0, chunk.length, this.#position);
        const lines = (this.#rest + chunk.toString('latin1', 0, read)).split('\n');
        this.#rest = lines.pop() ?? '';
        for (const line of lines) {
          if (!/^\{"level":"(?:trace|debug|info|warn)"/.test(line))
            throw new Error(`in the log: ${line.slice(0, 2_000)}`);
        }
      }
    } finally {
      closeSync(file);
    }
  }
}

export interface NodeCounts {
  scripts: number;
  inputs: number;
  connections: number;
  readonly goodbyes: Map<number, number>;
  /** Messages of the well-behaved client. */
  control: number;
  /** The most of any node, resident. */
  rssBytes: number;
}

/** Three nodes, a well-behaved client on the two that are not attacked less than the third, and what is watched. */
export class NodeTarget {
  readonly #cluster: TestCluster;
  readonly #publisher: MqttClient;
  readonly #subscriber: MqttClient;
  readonly #inbox: Received[];
  readonly #logs: LogWatch[];
  /** Reason codes that the well-behaved client was sent. */
  readonly #goodbyes: string[] = [];
  #published = 0;
  #acknowledged: Promise<void>[] = [];
  #baselineBytes: number[] = [];
  #connections = 0;
  #scripts = 0;

  private constructor(cluster: TestCluster, publisher: MqttClient, subscriber: MqttClient) {
    this.#cluster = cluster;
    this.#publisher = publisher;
    this.#subscriber = subscriber;
    this.#inbox = collect(subscriber);
    this.#logs = cluster.nodes.map((node) => new LogWatch(node));
    for (const client of [publisher, subscriber]) {
      client.on('disconnect', ({ reasonCode }) => {
        this.#goodbyes.push(`0x${(reasonCode ?? 0).toString(16)}`);
      });
    }
  }

  static async start(): Promise<NodeTarget> {
    const cluster = await startCluster({
      config: { limits: LIMITS, serving: { gracePeriodMs: GRACE_PERIOD_MS }, raft: { recentLogBytes: 8 * MIB } },
      readyTimeoutMs: 2 * PATIENCE_MS,
    });
    const [first, second] = cluster.nodes as [NodeProcess, NodeProcess];
    const publisher = await connect(first.mqttPort, { clientId: 'control-publisher' });
    const target = new NodeTarget(
      cluster,
      publisher,
      await connect(second.mqttPort, { clientId: 'control-subscriber' }),
    );
    await subscribe(target.#subscriber, CONTROL_TOPIC, 1);
    target.#connections = await target.#connectionCount();
    return target;
  }

  async stop(): Promise<void> {
    await Promise.all([this.#publisher, this.#subscriber].map((client) => disconnect(client, true)));
    await this.#cluster.stopAll();
  }

  /** Runs a script. Throws when something is wrong then; the nodes may be of no use any more. */
  async run(steps: readonly Step[], counts?: NodeCounts): Promise<void> {
    const sockets = new Map<number, HostileSocket>();
    let sent = 0;
    try {
      for (const step of steps) {
        if (await this.#perform(step, sockets)) sent++;
      }
      await Promise.all([...sockets.values()].map((socket) => socket.finish()));
      await this.#checkControl();
      this.#checkProcesses();
    } finally {
      for (const socket of sockets.values()) {
        socket.end('reset');
      }
    }
    if (++this.#scripts % LOOK_EVERY_SCRIPTS === 0) await this.look(counts);
    if (counts === undefined) return;
    counts.scripts++;
    counts.inputs += sent;
    counts.connections += sockets.size;
    counts.control = this.#published;
    for (const { answers } of sockets.values()) {
      const { goodbye } = answers;
      if (goodbye !== null) counts.goodbyes.set(goodbye, (counts.goodbyes.get(goodbye) ?? 0) + 1);
    }
  }

  /** True for an input that reached a connection which was still open. */
  async #perform(step: Step, sockets: Map<number, HostileSocket>): Promise<boolean> {
    switch (step.kind) {
      case 'open': {
        const node = this.#cluster.nodes[step.node] as NodeProcess;
        sockets.set(step.at, new HostileSocket(node.mqttPort, step.isPolite));
        return false;
      }
      case 'wait':
        await (step.ms === 0 ? turn() : delay(Math.min(step.ms, MAX_WAIT_MS)));
        return false;
      case 'control':
        // Within the server's Receive Maximum, as it should be.
        if (this.#acknowledged.length >= LIMITS.receiveMaximum / 2) await this.#checkAcknowledged();
        this.#acknowledged.push(publish(this.#publisher, CONTROL_TOPIC, String(++this.#published), { qos: 1 }));
        return false;
      case 'leader':
        return false;
      default:
        break;
    }
    const socket = sockets.get(step.at);
    if (socket === undefined || socket.isClosed || socket.isOver) return false;
    if (step.kind === 'deafen') socket.deafen();
    else if (step.kind === 'hear') socket.hear();
    else if (step.kind === 'send') {
      for (const [at, piece] of step.pieces.entries()) {
        // Pieces are to leave one by one.
        if (at > 0) await turn();
        socket.send(piece);
      }
      return true;
    } else socket.end(step.kind);
    return false;
  }

  async #checkAcknowledged(): Promise<void> {
    const acknowledged = this.#acknowledged;
    this.#acknowledged = [];
    const late = new AbortController();
    const none = delay(PATIENCE_MS, true, { signal: late.signal }).catch(() => false);
    const isLate = await Promise.race([Promise.all(acknowledged).then(() => false), none]);
    late.abort();
    const state = this.#publisher.connected ? 'and is still connected' : `and was closed, ${this.#goodbyes.join()}`;
    if (isLate) throw new Error(`the well-behaved client gets no acknowledgement ${state}`);
  }

  async #checkControl(): Promise<void> {
    await this.#checkAcknowledged();
    const what = 'messages of the well-behaved client';
    await waitFor(() => this.#inbox.length >= this.#published, { what, timeoutMs: PATIENCE_MS });
    for (const [at, message] of this.#inbox.entries()) {
      if (message.payload.toString() !== String(at + 1)) {
        throw new Error(`the well-behaved client got ${message.payload.toString()} in place of ${at + 1}`);
      }
    }
    if (!this.#publisher.connected || !this.#subscriber.connected) {
      throw new Error(`the well-behaved client was closed, ${this.#goodbyes.join()}`);
    }
  }

  #checkProcesses(): void {
    for (const node of this.#cluster.nodes) {
      if (!node.isRunning()) throw new Error(`node ${node.id} ${node.ending}\n${node.logTail(10)}`);
    }
    for (const log of this.#logs) log.look();
  }

  /** Looks at memory and at the connections that the nodes believe to have. */
  async look(counts?: NodeCounts): Promise<void> {
    await waitFor(async () => (await this.#connectionCount()) === this.#connections, {
      what: `${this.#connections} connections, as before`,
      timeoutMs: PATIENCE_MS,
    });
    const rss = this.#cluster.nodes.map(rssBytes);
    if (counts !== undefined) counts.rssBytes = Math.max(counts.rssBytes, ...rss);
    if (this.#scripts === WARM_UP_SCRIPTS) this.#baselineBytes = rss;
    for (const [at, bytes] of rss.entries()) {
      const grown = bytes - (this.#baselineBytes[at] ?? bytes);
      if (grown > RSS_GROWTH_BYTES) throw new Error(`node n${at + 1} uses ${Math.round(grown / MIB)} MiB more memory`);
    }
  }

  async #connectionCount(): Promise<number> {
    const counts = this.#cluster.nodes.map(async (node) => {
      const { body } = await node.get('/metrics');
      return Number(/^quorate_connections (\d+)$/m.exec(body)?.[1]);
    });
    return (await Promise.all(counts)).reduce((sum, each) => sum + each, 0);
  }
}

function rssBytes(node: NodeProcess): number {
  const status = readFileSync(`/proc/${String(node.pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/** Runs scripts of a seed until so many inputs were sent; `progress` is told the number of each before it. */
export async function runNode(
  seed: number,
  inputs: number,
  progress: (number: number, inputs: number) => void,
): Promise<NodeCounts> {
  const counts: NodeCounts = { scripts: 0, inputs: 0, connections: 0, goodbyes: new Map(), control: 0, rssBytes: 0 };
  const target = await NodeTarget.start();
  try {
    for (let number = 0; counts.inputs < inputs; number++) {
      progress(number, counts.inputs);
      const steps = makeScript(new Dice(seed, number), {
        inputs: Math.min(SCRIPT_INPUTS, inputs - counts.inputs + 100),
        maxConnections: MAX_CONNECTIONS,
      });
      try {
        await target.run(steps, counts);
      } catch (error) {
        throw await nodeFailure(steps, error);
      }
    }
    await target.look(counts);
  } finally {
    await target.stop();
  }
  return counts;
}

/** Whether the script fails in this way on nodes that are new; not, when these do not even come up. */
async function failsAgain(steps: readonly Step[], kind: string): Promise<boolean> {
  let target: NodeTarget | null = null;
  try {
    target = await NodeTarget.start();
    await target.run(steps);
    return false;
  } catch (again) {
    return kindOf(again) === kind;
  } finally {
    await target?.stop();
  }
}

async function nodeFailure(steps: readonly Step[], error: unknown): Promise<FuzzFailure> {
  console.log(`\nfound: ${messageOf(error)}; looking for a smaller script`);
  const fails = (some: readonly Step[]): Promise<boolean> => failsAgain(some, kindOf(error));
  const isRepeated = await fails(steps);
  const least = isRepeated ? await minimise(steps, fails, MINIMISE_ATTEMPTS) : steps;
  const left = isRepeated ? `${inputsOf(least)} of ${inputsOf(steps)} inputs are left` : 'not seen again by itself';
  return new FuzzFailure(`${messageOf(error)} (${left})`, ['node', ...least.map(formatStep)], error);
}

/** Does again what {@link FuzzFailure.lines} say; throws if it still fails. */
export async function replayNode(lines: readonly string[]): Promise<void> {
  const target = await NodeTarget.start();
  try {
    await target.run(lines.map(parseStep));
  } finally {
    await target.stop();
  }
}
