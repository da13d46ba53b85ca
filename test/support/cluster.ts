import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Links } from './links.ts';
import { NodeProcess } from './node-process.ts';
import { freePorts } from './ports.ts';
import { onFailure } from './suite.ts';
import { Transfers, transferEveryMs } from './transfers.ts';
import { waitFor } from './wait.ts';

export { NodeProcess } from './node-process.ts';
export { waitFor } from './wait.ts';

/** Options of {@link startCluster}. */
export interface ClusterOptions {
  /** How many nodes, named n1, n2, ...; 3 by default. */
  readonly nodes?: number;
  /** The configuration file of every node. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Environment of every node, besides that of the test process. */
  readonly env?: Readonly<Record<string, string>>;
  /** The JavaScript file to run instead of this checkout's command: another release, or a stand-in. */
  readonly executable?: string;
  /** How long all nodes may take to become ready; 20 s by default. 0: do not wait. */
  readonly readyTimeoutMs?: number;
  /** Connects the nodes through {@link Links}, which a test can cut; without it they talk directly. */
  readonly links?: boolean;
  /** Called for each node before its first start: to lay its data directory on another disk, for example. */
  readonly prepare?: (node: NodeProcess) => void;
}

const READY_TIMEOUT_MS = 60_000;
/** When set, data directories and logs are left in place. */
const KEEP = process.env['QUORATE_TEST_KEEP'] !== undefined;

const running = new Set<TestCluster>();

type Ports = readonly [mqtt: number, http: number, peer: number];

/** How the nodes of one cluster are started; every node that is not among its first members waits to be joined. */
interface NodeMaker {
  /** @param folder of the node, below that of the cluster */
  readonly make: (id: string, ports: Ports, folder: string) => NodeProcess;
  /** With its own peer port as given. */
  readonly argsOf: (id: string, peerPort: number) => string[];
}

/** One member as GET /api/v1/cluster shows it. */
export interface Member {
  readonly id: string;
  readonly role: string;
  readonly voter: boolean;
  readonly state: string;
}

/** A cluster of real processes on loopback. */
export class TestCluster {
  /** Those it was started with, then those of {@link add}. */
  readonly nodes: NodeProcess[];
  private readonly folder: string;
  private readonly network: Links | null;
  private readonly maker: NodeMaker;
  private readonly doubles: NodeProcess[] = [];
  private readonly forget: () => void;
  private transfers: Transfers | undefined;

  constructor(folder: string, nodes: readonly NodeProcess[], maker: NodeMaker, network: Links | null = null) {
    this.folder = folder;
    this.nodes = [...nodes];
    this.maker = maker;
    this.network = network;
    this.forget = onFailure(() => this.describe());
    running.add(this);
  }

  /** The node with this id. */
  node(id: string): NodeProcess {
    const found = this.nodes.find((node) => node.id === id);
    if (found === undefined) throw new Error(`no node ${id}`);
    return found;
  }

  /** A node that is not among the first members and waits to be joined. It is not started. */
  async add(id: string): Promise<NodeProcess> {
    const node = this.maker.make(id, (await freePorts(3)) as [number, number, number], id);
    this.nodes.push(node);
    return node;
  }

  /** Another process under the name of a member, with a data directory and ports of its own, not started. */
  async double(id: string): Promise<NodeProcess> {
    const folder = `${id}-double-${String(this.doubles.length)}`;
    const node = this.maker.make(id, (await freePorts(3)) as [number, number, number], folder);
    this.doubles.push(node);
    return node;
  }

  /** Gives a node that is down another peer address, of which the settings of the others know nothing. */
  async move(node: NodeProcess): Promise<void> {
    const [peerPort] = (await freePorts(1)) as [number];
    node.reconfigure({ peerPort, args: this.maker.argsOf(node.id, peerPort) });
  }

  /** The members as this node, or the first one that answers, sees them; undefined when nobody answers. */
  async members(at?: NodeProcess): Promise<Member[] | undefined> {
    for (const node of at === undefined ? this.live() : [at]) {
      try {
        const { status, body } = await node.get('/api/v1/cluster');
        if (status === 200) return (JSON.parse(body) as { readonly nodes: Member[] }).nodes;
      } catch {
        // The next one may answer.
      }
    }
    return undefined;
  }

  /** Waits until these and no others have a vote, in the eyes of all of them, and each is ready. */
  async waitVoters(ids: readonly string[], timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    const wanted = [...ids].sort().join(',');
    const look = async (): Promise<boolean> => {
      const seen = await Promise.all(ids.map((id) => this.members(this.node(id))));
      return seen.every((members) => {
        const voters = members?.filter((each) => each.voter).map((each) => each.id);
        return voters?.sort().join(',') === wanted;
      });
    };
    await waitFor(look, { timeoutMs, what: `${wanted} to be the voters` });
    await this.waitReady(ids, timeoutMs);
  }

  /** The links between the nodes, of a cluster started with them. */
  get links(): Links {
    if (this.network === null) throw new Error('this cluster was started without links');
    return this.network;
  }

  /** Nodes whose process runs (paused ones too). */
  live(): NodeProcess[] {
    return this.nodes.filter((node) => node.isRunning());
  }

  /** Waits until GET /readyz is 200 on these nodes, all by default. Fails at once when one of them has ended. */
  async waitReady(ids?: readonly string[], timeoutMs = READY_TIMEOUT_MS): Promise<void> {
    const nodes = ids === undefined ? this.nodes : ids.map((id) => this.node(id));
    let dead: NodeProcess | undefined;
    const look = async (): Promise<boolean> => {
      dead = nodes.find((node) => !node.isRunning());
      if (dead !== undefined) return true;
      return (await Promise.all(nodes.map((node) => node.isReady()))).every(Boolean);
    };
    await waitFor(look, { timeoutMs, what: `${nodes.map((node) => node.id).join(', ')} to be ready` });
    if (dead !== undefined) throw new Error(`node ${dead.id} ${dead.ending} while it was to become ready`);
  }

  /**
   * The id of the leader: of all answers of live nodes, the one with the highest term. Waits until there is one.
   *
   * @param options.not a node that must not be the answer: the old leader, when a new one is waited for
   */
  async leader(options: { readonly not?: string; readonly timeoutMs?: number } = {}): Promise<string> {
    const { not, timeoutMs = 30_000 } = options;
    const look = async (): Promise<string | undefined> => {
      const answers = await Promise.all(this.live().map(askLeader));
      let best: { readonly id: string; readonly term: number } | undefined;
      for (const answer of answers) {
        if (answer !== undefined && (best === undefined || answer.term > best.term)) best = answer;
      }
      return best?.id === not ? undefined : best?.id;
    };
    return waitFor(look, { timeoutMs, what: `a leader${not === undefined ? '' : ` other than ${not}`}` });
  }

  /** From now on leadership moves every so many milliseconds, until {@link stopAll}. */
  changeLeaderEvery(everyMs: number): void {
    this.transfers = new Transfers(() => this.live(), everyMs);
  }

  /** State and last log lines of every node. */
  describe(): string {
    return this.nodes.map((node) => `--- node ${node.id}: ${node.ending}; log:\n${node.logTail()}`).join('\n');
  }

  /** Kills every node and removes data and logs. May be called more than once. */
  async stopAll(): Promise<void> {
    await Promise.all([...this.nodes, ...this.doubles].map((node) => node.kill('SIGKILL')));
    await this.network?.close();
    this.dispose();
  }

  /** What {@link stopAll} does, without waiting; for the exit of the test process. */
  dispose(): void {
    this.transfers?.stop();
    for (const node of [...this.nodes, ...this.doubles]) node.killNow();
    this.forget();
    running.delete(this);
    if (KEEP) process.stdout.write(`kept ${this.folder}\n`);
    else rmSync(this.folder, { recursive: true, force: true });
  }
}

async function askLeader(node: NodeProcess): Promise<{ readonly id: string; readonly term: number } | undefined> {
  try {
    const { status, body } = await node.get('/api/v1/leader');
    if (status !== 200) return undefined;
    return JSON.parse(body) as { id: string; term: number };
  } catch {
    return undefined;
  }
}

/**
 * Starts a cluster of real processes and waits until every node is ready.
 *
 * The processes end and their data goes when the test process exits, however it exits; call `stopAll` in an `after`
 * hook all the same. When a test fails, the last log lines of each node are printed.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<TestCluster> {
  const { nodes: count = 3, config, env, executable, readyTimeoutMs = READY_TIMEOUT_MS } = options;
  const ports = await freePorts(count * 3);
  const specs = Array.from({ length: count }, (_none, at) => {
    const [mqttPort, httpPort, peerPort] = ports.slice(at * 3, at * 3 + 3) as [number, number, number];
    return { id: `n${at + 1}`, mqttPort, httpPort, peerPort };
  });
  const folder = mkdtempSync(join(tmpdir(), 'quorate-test-'));
  const network =
    options.links === true ? await Links.open(new Map(specs.map((spec) => [spec.id, spec.peerPort]))) : null;
  const args: string[] = [];
  if (config !== undefined) {
    const file = join(folder, 'config.yaml');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(config, null, 2));
    args.push('--config', file);
  }
  // Bootstrap compares ids only: every node may have its own way to the others.
  const clusterOf = (id: string, peerPort: number): string =>
    specs
      .map((spec) => {
        const port = spec.id === id ? peerPort : (network?.port(id, spec.id) ?? spec.peerPort);
        return `${spec.id}=127.0.0.1:${String(port)}`;
      })
      .join(',');
  const argsOf = (id: string, peerPort: number): string[] => ['--cluster', clusterOf(id, peerPort), ...args];
  const common = { ...(env && { env }), ...(executable !== undefined && { executable }) };
  const maker: NodeMaker = {
    argsOf,
    make: (id, [mqttPort, httpPort, peerPort], name) =>
      new NodeProcess({
        ...{ id, mqttPort, httpPort, peerPort, ...common },
        ...{ args: argsOf(id, peerPort), folder: join(folder, name) },
      }),
  };
  const nodes = specs.map((spec) => maker.make(spec.id, [spec.mqttPort, spec.httpPort, spec.peerPort], spec.id));
  const cluster = new TestCluster(folder, nodes, maker, network);
  try {
    for (const node of nodes) options.prepare?.(node);
    await Promise.all(cluster.nodes.map((node) => node.start()));
    if (readyTimeoutMs > 0) await cluster.waitReady(undefined, readyTimeoutMs);
    const everyMs = transferEveryMs();
    if (everyMs !== undefined) cluster.changeLeaderEvery(everyMs);
  } catch (error) {
    const state = cluster.describe();
    await cluster.stopAll();
    throw new Error(`the cluster did not come up: ${(error as Error).message}\n${state}`, { cause: error });
  }
  return cluster;
}

function disposeAll(): void {
  for (const cluster of [...running]) cluster.dispose();
}

process.on('exit', disposeAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(1));
}
