import type { Configuration } from '@quorate/consensus';
import {
  type Clock,
  type Identity,
  loadConfig,
  memoryStores,
  type NodeConfig,
  type PeerHandlers,
  Replica,
  recover,
  type SelfDescription,
  type Transport,
} from '@quorate/node/runtime';
import { MemoryDisk } from '@quorate/storage';
import { FakeClient, FakeSocket } from '../../../support/log-bus-client.ts';
import { Scheduler } from '../../../support/scheduler.ts';
import { assert } from '../../../support/suite.ts';
import { settle } from '../raft/support.ts';

/* Nodes of the product in one process: disks in memory, a network that delivers in the next turn, one clock. */

const TICK_MS = 10;
const TURNS_PER_TICK = 5;
const RECENT_LOG_BYTES = 256;

/** What a data directory keeps of who it is. */
export interface DurableIdentity {
  directoryId: string;
  incarnation: number;
  clusterId: string | null;
  founding: Uint8Array | null;
  readonly doubts: string[];
  hasSetAside: boolean;
}

interface Process {
  alive: boolean;
  readonly handlers: PeerHandlers;
  readonly describe: () => SelfDescription;
  readonly replica: Replica;
  readonly dialled: Set<string>;
  readonly connected: Map<string, number>;
  listening: boolean;
}

/** A machine: its disk outlives its processes. */
export class TestNode {
  readonly id: string;
  disk = new MemoryDisk();
  identity: DurableIdentity;
  process: Process | null = null;
  readonly fatal: unknown[] = [];
  readonly log: string[] = [];
  /** How many snapshots were installed, by all processes. */
  get installed(): number {
    return this.log.filter((line) => line.includes('is installed')).length;
  }

  constructor(id: string, directoryId: string) {
    this.id = id;
    this.identity = fresh(directoryId);
  }

  get replica(): Replica {
    const { process } = this;
    assert.ok(process, `${this.id} does not run`);
    return process.replica;
  }
}

function fresh(directoryId: string): DurableIdentity {
  return { directoryId, incarnation: 1000, clusterId: null, founding: null, doubts: [], hasSetAside: false };
}

export type Values = Parameters<typeof loadConfig>[0]['values'];

/** Several nodes; those of `ids` are in everybody's `--cluster`. */
export class TestCluster {
  readonly nodes = new Map<string, TestNode>();
  readonly scheduler = new Scheduler(1);
  readonly #ids: readonly string[];
  readonly #values: object;
  /** Pairs that can not reach each other, as `a b` with a before b. */
  readonly #cuts = new Set<string>();
  readonly #tickers = new Set<() => void>();
  #deferred: (() => void)[] = [];
  #directories = 0;
  #epochs = 0;
  nowMs = 0;

  constructor(ids: readonly string[], values: object = {}) {
    this.#ids = ids;
    this.#values = values;
    for (const id of ids) this.add(id);
  }

  add(id: string): TestNode {
    const node = new TestNode(id, this.newDirectoryId());
    this.nodes.set(id, node);
    return node;
  }

  newDirectoryId(): string {
    return (++this.#directories).toString(16).padStart(32, '0');
  }

  node(id: string): TestNode {
    const node = this.nodes.get(id);
    assert.ok(node, `there is no node ${id}`);
    return node;
  }

  replica(id: string): Replica {
    return this.node(id).replica;
  }

  /** The node that leads, of those that run. */
  get leader(): TestNode | null {
    const leaders = this.#running().filter(({ replica }) => replica.status.role === 'leader');
    leaders.sort((a, b) => b.replica.status.term - a.replica.status.term);
    return leaders[0] ?? null;
  }

  #running(): TestNode[] {
    return [...this.nodes.values()].filter(({ process }) => process !== null);
  }

  configurationOf(id: string): Configuration {
    return this.replica(id).driver.status().configuration;
  }

  config(id: string): NodeConfig {
    const addresses = Object.fromEntries(this.#ids.map((each) => [each, addressOf(each)]));
    const config = loadConfig({
      values: {
        nodeId: id,
        dataDir: '/nowhere',
        mqtt: '127.0.0.1:1',
        http: '127.0.0.1:2',
        peer: addressOf(id),
        cluster: addresses,
        sysIntervalSec: 0,
        ...this.#values,
      },
    });
    // Less than a configuration may have: what is not recent is not there any more once the log is compacted.
    return { ...config, raft: { ...config.raft, recentLogBytes: RECENT_LOG_BYTES } };
  }

  async start(id: string, options: { readonly standIn?: boolean } = {}): Promise<TestNode> {
    const node = this.node(id);
    assert.is(node.process, null, `${id} runs already`);
    const { identity } = node;
    identity.incarnation++;
    const alive = { is: true };
    const { founding, doubts } = identity;
    const stores =
      options.standIn === true ? memoryStores() : memoryStores(node.disk, () => identity.clusterId, founding, doubts);
    const recovered = await recover(stores);
    const config = this.config(id);
    const late: { process: Process | null } = { process: null };
    const made: { handlers?: PeerHandlers; describe?: () => SelfDescription } = {};
    const say = (_fields: object, message: string): void => void node.log.push(message);
    const replica = new Replica({
      config,
      version: '0.0.0',
      logger: { debug: () => {}, info: say, warn: say, error: say },
      observer: { batchApplied: () => {}, logWritten: () => {}, checkpointWritten: () => {}, leaderChanged: () => {} },
      clock: this.#clock(alive),
      seed: [...this.nodes.keys()].indexOf(id) + identity.incarnation,
      newId: () => `${id}-${String(identity.incarnation)}`,
      identity: identityOf(node),
      recovered,
      standIn: options.standIn === true,
      createTransport: (handlers, describe) => {
        Object.assign(made, { handlers, describe });
        return this.#transport(node, () => late.process);
      },
      onFatal: (error) => node.fatal.push(error),
    });
    assert.ok(made.handlers !== undefined && made.describe !== undefined);
    const process: Process = {
      get alive() {
        return alive.is;
      },
      set alive(is: boolean) {
        alive.is = is;
      },
      handlers: made.handlers,
      describe: made.describe,
      replica,
      dialled: new Set(),
      connected: new Map(),
      listening: false,
    };
    late.process = process;
    node.process = process;
    await replica.start();
    return node;
  }

  async startAll(): Promise<void> {
    for (const id of this.#ids) await this.start(id);
  }

  /** The process ends without a word; what was not synced is lost. */
  crash(id: string): void {
    const node = this.node(id);
    const { process } = node;
    assert.ok(process, `${id} does not run`);
    process.alive = false;
    node.process = null;
    this.#close(node, process);
    node.disk.crash();
  }

  /** An orderly end, without handing anything over. */
  async stop(id: string): Promise<void> {
    const node = this.node(id);
    const { process } = node;
    assert.ok(process, `${id} does not run`);
    let stopped = false;
    const stopping = process.replica.stop().then(() => {
      stopped = true;
    });
    await this.until(() => stopped, 5_000, `${id} has stopped`);
    await stopping;
    process.alive = false;
    node.process = null;
  }

  async stopAll(): Promise<void> {
    for (const { id } of this.#running()) await this.stop(id);
  }

  /** The data directory is lost: the same node with another one, formatted by a clock that says `incarnation`. */
  wipe(id: string, incarnation = this.node(id).identity.incarnation + 1000): void {
    const node = this.node(id);
    assert.is(node.process, null, `${id} runs`);
    node.disk = new MemoryDisk();
    node.identity = { ...fresh(this.newDirectoryId()), incarnation };
  }

  /** Nobody reaches `id` any more, and it reaches nobody. */
  isolate(id: string): void {
    for (const other of this.nodes.keys()) if (other !== id) this.cut(id, other);
  }

  heal(): void {
    this.#cuts.clear();
  }

  cut(a: string, b: string): void {
    this.#cuts.add(pair(a, b));
    const [one, other] = [this.node(a), this.node(b)];
    if (one.process?.connected.has(b) === true) this.#disconnect(one, other);
  }

  async run(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= TICK_MS) await this.#step();
  }

  async until(reached: () => boolean, limitMs: number, what: string): Promise<void> {
    for (let left = limitMs; !reached(); left -= TICK_MS) {
      if (left <= 0) assert.unreachable(`within ${String(limitMs)} ms: ${what}\n${this.describe()}`);
      await this.#step();
    }
  }

  /** For messages: where everybody stands. */
  describe(): string {
    return this.#running()
      .map(({ id, replica, fatal, log }) => {
        const { role, term, leader, configuration, commitIndex } = replica.driver.status();
        const at = { role, term, leader, commitIndex, applied: replica.broker.machine.state.appliedIndex };
        const { serving, registered } = replica.broker;
        const { followers } = replica.driver.status();
        const facts = JSON.stringify({ ...at, serving, registered, configuration, followers });
        return `${id} ${facts} ${fatal.map(String).join()}\n  ${log.slice(-5).join('\n  ')}`;
      })
      .join('\n');
  }

  serving(...ids: string[]): boolean {
    return ids.every((id) => this.node(id).process?.replica.broker.serving === true);
  }

  /** An MQTT 5 client of a node. */
  client(id: string): FakeClient {
    const socket = new FakeSocket(
      `client of ${id}`,
      this.scheduler,
      () => 0,
      () => {},
    );
    socket.connection = this.replica(id).broker.accept(socket);
    return new FakeClient(socket, 5);
  }

  async #step(): Promise<void> {
    this.nowMs += TICK_MS;
    this.#connectAll();
    for (const ticker of [...this.#tickers]) ticker();
    this.scheduler.run(TICK_MS);
    for (let turn = 0; turn < TURNS_PER_TICK; turn++) {
      for (const task of this.#deferred.splice(0)) task();
      await settle();
    }
  }

  #clock(alive: { readonly is: boolean }): Clock {
    return {
      nowMs: () => this.nowMs,
      defer: (task) => {
        this.#deferred.push(() => {
          if (alive.is) task();
        });
      },
      every: (_intervalMs, task) => {
        const ticker = (): void => {
          if (alive.is) task();
        };
        this.#tickers.add(ticker);
        return () => this.#tickers.delete(ticker);
      },
    };
  }

  #transport(node: TestNode, process: () => Process | null): Transport {
    const deliver = (to: string, task: (handlers: PeerHandlers) => void): boolean => {
      const own = process();
      const epoch = own?.connected.get(to);
      if (own === null || epoch === undefined) {
        own?.handlers.onUnreachable(to);
        return false;
      }
      this.#deferred.push(() => {
        const peer = this.node(to).process;
        if (peer?.connected.get(node.id) === epoch) task(peer.handlers);
      });
      return true;
    };
    return {
      start: async () => {
        (process() as Process).listening = true;
      },
      stop: async () => this.#close(node, process() as Process),
      sendRaft: (to, message) => deliver(to, (handlers) => handlers.onRaft(node.id, message)),
      send: (to, channel, payload) => {
        const bytes = Buffer.from(payload);
        return deliver(to, (handlers) => handlers.onNodeMessage(node.id, channel, bytes));
      },
      sendBulk: (to, channel, payload) => {
        if (process()?.connected.has(to) !== true) return false;
        const bytes = Array.isArray(payload) ? Buffer.concat(payload) : Buffer.from(payload as Uint8Array);
        return deliver(to, (handlers) => handlers.onNodeMessage(node.id, channel, bytes));
      },
      setPeer: (id, addresses) => {
        if (addresses.some(({ host, port }) => `${host}:${String(port)}` === addressOf(id))) process()?.dialled.add(id);
      },
      removePeer: (id) => {
        const own = process();
        own?.dialled.delete(id);
        if (own?.connected.has(id) === true) this.#disconnect(node, this.node(id));
      },
      flush: () => {},
      connectedPeers: () => [...(process()?.connected.keys() ?? [])],
    };
  }

  #connectAll(): void {
    const nodes = this.#running();
    for (const one of nodes) for (const other of nodes) if (one.id < other.id) this.#connect(one, other);
  }

  /** As the transport does: when one dials the other, and that one knows it or lets strangers in. */
  #connect(one: TestNode, other: TestNode): void {
    const [a, b] = [one.process, other.process];
    if (a === null || b === null || !a.listening || !b.listening || a.connected.has(other.id)) return;
    if (this.#cuts.has(pair(one.id, other.id))) return;
    const [ofOne, ofOther] = [a.describe(), b.describe()];
    const named = [ofOne.clusterId, ofOther.clusterId].filter((clusterId) => clusterId !== '');
    if (named.length === 2 && named[0] !== named[1]) return;
    const knows = a.dialled.has(other.id) ? 1 : 0;
    const known = b.dialled.has(one.id) ? 1 : 0;
    if (knows + known === 0 || (knows + known === 1 && named.length === 0)) return;
    const epoch = ++this.#epochs;
    a.connected.set(other.id, epoch);
    b.connected.set(one.id, epoch);
    a.handlers.onConnected(other.id, helloOf(other, ofOther));
    b.handlers.onConnected(one.id, helloOf(one, ofOne));
  }

  #disconnect(one: TestNode, other: TestNode): void {
    one.process?.connected.delete(other.id);
    other.process?.connected.delete(one.id);
    if (one.process?.alive === true) one.process.handlers.onDisconnected(other.id);
    if (other.process?.alive === true) other.process.handlers.onDisconnected(one.id);
  }

  #close(node: TestNode, process: Process): void {
    process.listening = false;
    for (const id of [...process.connected.keys()]) {
      process.connected.delete(id);
      const other = this.node(id);
      other.process?.connected.delete(node.id);
      other.process?.handlers.onDisconnected(node.id);
    }
  }
}

function pair(a: string, b: string): string {
  return [a, b].sort().join(' ');
}

function addressOf(id: string): string {
  return `127.0.0.1:${String(7000 + Number(id.slice(1)))}`;
}

type Hello = Parameters<PeerHandlers['onConnected']>[1];

function helloOf({ id }: TestNode, description: SelfDescription): Hello {
  const addresses = { httpAddress: '', mqttAddress: '', peerAddress: addressOf(id) };
  const rest = { protocolVersion: 1, bootstrapMembers: '', nodeId: id, session: '', purpose: 0 as const };
  return { ...rest, ...addresses, ...description };
}

function identityOf(node: TestNode): Identity {
  const { identity } = node;
  return {
    get incarnation() {
      return identity.incarnation;
    },
    directoryId: identity.directoryId,
    get clusterId() {
      return identity.clusterId;
    },
    nextIncarnation: async (atLeast = 0) => {
      identity.incarnation = Math.max(identity.incarnation + 1, atLeast);
      return identity.incarnation;
    },
    setClusterId: async (clusterId) => {
      if (identity.clusterId !== null && identity.clusterId !== clusterId) throw new Error('of another cluster');
      identity.clusterId = clusterId;
    },
    setFounding: async (configuration) => {
      if (identity.founding !== null) throw new Error('founded before');
      identity.founding = configuration;
    },
    doubt: async (reason) => void identity.doubts.push(reason),
    get hasSetAside() {
      return identity.hasSetAside;
    },
    dropSetAside: async () => {
      identity.hasSetAside = false;
    },
  };
}
