import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Network } from '../network/network.ts';
import type { Cluster, ClusterSettings, Features, NodeHandle } from './cluster.ts';
import { type DiskKind, mountDisk, unmountDisk } from './disks.ts';
import { type Answer, askJson, field, getJson } from './http.ts';
import { majorityLeader } from './leader.ts';
import { probe } from './probe.ts';
import { ManagedProcess } from './process.ts';
import { waitUntil } from './wait.ts';

/** The command of this checkout. */
export const OWN_BUILD = fileURLToPath(new URL('../../../packages/cli/bin/quorate.js', import.meta.url));

/** A change of the cluster waits for majorities and elections. */
const CHANGE_TIMEOUT_MS = 60_000;
const VOTER_TIMEOUT_MS = 120_000;
/** A change of settings is one command in the log; a node that stands still is not waited for. */
const SETTINGS_TIMEOUT_MS = 3_000;
/** After these a change may have happened or may yet happen. */
const UNKNOWN_CODES = ['LEADERSHIP_LOST', 'TIMEOUT', 'INTERNAL'];
const SETTLE_TIMEOUT_MS = 20_000;
const SETTINGS_PATH = '/api/v1/settings';
const SHARED_SUBSCRIPTIONS = 'sharedSubscriptionAvailable';

const MIB = 1024 * 1024;
/** On a small disk of the run's own: the defaults are for large ones. */
const SMALL_DISK = { lowBytes: 16 * MIB, criticalBytes: 6 * MIB, ballastBytes: 4 * MIB, checkIntervalMs: 100 };

export interface QuorateOptions {
  readonly network: Network;
  /** Hosts of the first members; a node is named as its host. */
  readonly members: readonly string[];
  /** Hosts for nodes that join later. */
  readonly spares?: readonly string[];
  /** Data directories, configuration and logs go below it. */
  readonly folder: string;
  /** JavaScript files of the command; that of this checkout by default. */
  readonly builds?: readonly string[];
  /** More of the configuration file, such as `{ serving: { leaseMs: 500 } }`. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Environment of a node's process, at each of its starts. */
  readonly environment?: (id: string) => Readonly<Record<string, string>>;
  readonly disk?: { readonly kind: DiskKind; readonly sizeMib: number };
  /** The first node's ports are this one and the next two, and so on. */
  readonly basePort?: number;
}

interface Place {
  readonly name: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
}

/** A cluster of Quorate nodes. */
export class QuorateCluster implements Cluster {
  readonly builds: readonly string[];
  private readonly options: QuorateOptions;
  private readonly places: readonly Place[];
  private readonly processes = new Map<string, ManagedProcess>();
  private readonly ended: ManagedProcess[] = [];
  private readonly buildOf = new Map<string, string>();
  private hasSharedSubscriptions = false;

  constructor(options: QuorateOptions) {
    this.options = options;
    this.builds = options.builds ?? [OWN_BUILD];
    const { basePort = 21_800 } = options;
    this.places = [...options.members, ...(options.spares ?? [])].map((name, at) => {
      const first = basePort + 3 * at;
      return { name, mqttPort: first, httpPort: first + 1, peerPort: first + 2 };
    });
  }

  get description(): string {
    const { members, spares = [], disk, config = {} } = this.options;
    const on = disk === undefined || disk.kind === 'own' ? '' : `, data on ${disk.kind} of ${String(disk.sizeMib)} MiB`;
    const builds = this.builds.some((build) => build !== OWN_BUILD) ? `, builds ${this.builds.join(' and ')}` : '';
    const more = Object.keys(config).length > 0 ? `, settings ${JSON.stringify(config)}` : '';
    return `Quorate, ${String(members.length)} nodes and ${String(spares.length)} spare hosts${on}${builds}${more}`;
  }

  get features(): Features {
    return {
      qos2: true,
      retained: true,
      sessionsOnAnyNode: true,
      sharedSubscriptions: this.hasSharedSubscriptions,
      wills: true,
      messageExpiry: true,
      membership: true,
      leadershipTransfer: true,
    };
  }

  get nodes(): readonly NodeHandle[] {
    return [...this.processes.values()];
  }

  get unexplainedEnds(): readonly string[] {
    return [...this.processes.values(), ...this.ended].flatMap((node) => node.unexplainedEnds);
  }

  /** Starts the first members. */
  async start(): Promise<void> {
    await Promise.all(this.options.members.map((name) => this.prepare(name, false)));
    // In the order in which they were named.
    const named = this.options.members.map((name) => [name, this.node(name)] as const);
    this.processes.clear();
    for (const [name, node] of named) this.processes.set(name, node);
    await Promise.all([...this.processes.values()].map((node) => node.start()));
  }

  async ready(timeoutMs: number): Promise<void> {
    let late: string[] = [];
    const look = async (): Promise<boolean> => {
      const all = [...this.processes.values()];
      for (const node of all) if (!node.running && node.unexplainedEnds.length > 0) throw new Error(node.lastWords());
      const running = all.filter((node) => node.running);
      if (running.length === 0) throw new Error('no node runs');
      const answers = await Promise.all(running.map((node) => getJson(this.url(node.id, '/readyz'))));
      late = running.filter((_node, at) => answers[at]?.status !== 200).map((node) => node.id);
      return late.length === 0;
    };
    await waitUntil(look, { what: 'all nodes to be ready', timeoutMs }).catch((error: Error) => {
      throw new Error(`${error.message}: not ready are ${late.join(', ')}`);
    });
    const [first] = [...this.processes.values()].filter((node) => node.running);
    if (first === undefined) return;
    const answer = await probe(first.host.address, first.mqttPort, 5);
    this.hasSharedSubscriptions = answer !== null && answer.properties[SHARED_SUBSCRIPTIONS] !== false;
  }

  async leader(): Promise<{ readonly id: string; readonly term: number } | null> {
    const answers = await Promise.all([...this.processes.keys()].map((id) => getJson(this.url(id, '/api/v1/leader'))));
    return majorityLeader(answers.map(leaderIn), answers.length);
  }

  async transferLeadership(to: string): Promise<void> {
    const what = `hand leadership to ${to}`;
    if ((await this.change('POST', '/api/v1/leader', { to }, what)) === 'done') return;
    await waitUntil(async () => (await this.leader())?.id === to, {
      what: `${to} to lead`,
      timeoutMs: SETTLE_TIMEOUT_MS,
    });
  }

  async addNode(replaces?: string): Promise<NodeHandle> {
    const free = this.places.find((place) => !this.processes.has(place.name));
    if (free === undefined) throw new Error('no host is left for another node: name spare ones');
    const node = await this.prepare(free.name, true);
    await node.start();
    const peer = `${node.host.address}:${String(free.peerPort)}`;
    const body = { id: free.name, peer, ...(replaces !== undefined && { replaces }) };
    const asked = [...this.processes.keys()].filter((id) => id !== free.name && id !== replaces);
    await waitUntil(async () => (await getJson(this.url(free.name, '/livez'))) !== null, {
      what: `${free.name} to answer`,
      timeoutMs: CHANGE_TIMEOUT_MS,
    });
    try {
      await this.change('POST', '/api/v1/members', body, `join ${free.name}`, asked);
      await waitUntil(() => this.isMember(free.name, asked, replaces), {
        what: `${free.name} to become a voter`,
        timeoutMs: VOTER_TIMEOUT_MS,
      });
    } catch (error) {
      await this.forget(node);
      throw error;
    }
    if (replaces !== undefined) await this.forget(this.node(replaces));
    return node;
  }

  async removeNode(id: string): Promise<void> {
    const node = this.node(id);
    const others = [...this.processes.keys()].filter((each) => each !== id);
    if ((await this.change('DELETE', `/api/v1/members/${id}`, undefined, `remove ${id}`, others)) === 'unknown') {
      const gone = async (): Promise<boolean> => {
        const seen = await this.votersAt(others);
        return seen.length > 0 && seen.every((voters) => !voters.includes(id));
      };
      await waitUntil(gone, { what: `${id} to be no voter any more`, timeoutMs: SETTLE_TIMEOUT_MS });
    }
    await this.forget(node);
  }

  async isWhole(): Promise<boolean> {
    const ids = [...this.processes.keys()];
    const wanted = [...ids].sort().join(',');
    const seen = await Promise.all(ids.map((id) => getJson(this.url(id, '/api/v1/cluster'))));
    const ready = await Promise.all(ids.map((id) => getJson(this.url(id, '/readyz'))));
    return seen.every((each) => votersIn(each) === wanted) && ready.every((each) => each?.status === 200);
  }

  async isReady(id: string): Promise<boolean> {
    return (await getJson(this.url(id, '/readyz')))?.status === 200;
  }

  async settingsOf(id: string): Promise<ClusterSettings | null> {
    const answer = await getJson(this.url(id, SETTINGS_PATH));
    return answer?.status === 200 ? (answer.body as ClusterSettings) : null;
  }

  async changeSettings(id: string, change: ClusterSettings): Promise<'done' | 'refused' | 'unknown'> {
    let answer: Answer;
    try {
      answer = await askJson(this.url(id, SETTINGS_PATH), { method: 'PUT', body: change }, SETTINGS_TIMEOUT_MS);
    } catch {
      return 'unknown';
    }
    if (answer.status < 300) return 'done';
    const code = String(field(answer.body, 'code'));
    if (answer.status === 400) throw new Error(`${id} takes no ${JSON.stringify(change)}: ${code}`);
    return UNKNOWN_CODES.includes(code) ? 'unknown' : 'refused';
  }

  setBuild(id: string, build: string): void {
    if (!this.builds.includes(build)) throw new Error(`no build ${build}: there are ${this.builds.join(', ')}`);
    this.buildOf.set(this.node(id).id, build);
  }

  excuse(id: string, why: string): void {
    this.node(id).excuse = why;
  }

  async close(): Promise<void> {
    const all = [...this.processes.values(), ...this.ended];
    const faults = this.unexplainedEnds;
    for (const node of all) node.resume();
    await Promise.all(all.map((node) => node.kill()));
    const { disk } = this.options;
    if (disk !== undefined && disk.kind !== 'own') {
      await Promise.all(all.map((node) => unmountDisk(node.dataDir).catch(() => {})));
    }
    if (faults.length > 0) throw new Error(faults.join('\n'));
  }

  private node(id: string): ManagedProcess {
    const node = this.processes.get(id);
    if (node === undefined) throw new Error(`no node ${id}: there are ${[...this.processes.keys()].join(', ')}`);
    return node;
  }

  private place(id: string): Place {
    const place = this.places.find((each) => each.name === id);
    if (place === undefined) throw new Error(`no host ${id}`);
    return place;
  }

  private url(id: string, path: string): string {
    const host = this.options.network.hosts.get(id);
    return `http://${host?.address ?? id}:${String(this.place(id).httpPort)}${path}`;
  }

  /** A handle with configuration and disk. A node that joins is not named in the list of those that found the cluster. */
  private async prepare(name: string, joins: boolean): Promise<ManagedProcess> {
    const { network, folder, disk, environment } = this.options;
    const host = network.hosts.get(name);
    if (host === undefined) throw new Error(`the network has no host ${name}`);
    const own = join(folder, name);
    const dataDir = join(own, 'data');
    mkdirSync(own, { recursive: true });
    const file = join(own, 'config.json');
    // JSON is YAML.
    writeFileSync(file, JSON.stringify(await this.configOf(name, dataDir, joins), null, 2));
    const node = new ManagedProcess({
      id: name,
      host,
      mqttPort: this.place(name).mqttPort,
      dataDir,
      logFile: join(own, 'log'),
      command: () => [
        process.execPath,
        this.buildOf.get(name) ?? (this.builds[0] as string),
        'start',
        '--config',
        file,
      ],
      environment: () => environment?.(name) ?? {},
    });
    if (disk !== undefined) await mountDisk(disk.kind, dataDir, join(own, 'disk.img'), disk.sizeMib);
    this.processes.set(name, node);
    return node;
  }

  private async configOf(name: string, dataDir: string, joins: boolean): Promise<object> {
    const { network, members, disk, config = {} } = this.options;
    const { mqttPort, httpPort, peerPort } = this.place(name);
    const address = network.hosts.get(name)?.address ?? '';
    const proxied = network.via !== undefined;
    const cluster: Record<string, string> = {};
    for (const id of members) {
      if (id === name && joins) continue;
      const port = id === name && proxied ? this.portOfNobody(id) : this.place(id).peerPort;
      const via = id === name ? undefined : await network.via?.(name, id, port);
      cluster[id] = `${via?.host ?? network.hosts.get(id)?.address ?? ''}:${String(via?.port ?? port)}`;
    }
    return {
      nodeId: name,
      dataDir,
      mqtt: `${address}:${String(mqttPort)}`,
      http: `${address}:${String(httpPort)}`,
      peer: `${address}:${String(peerPort)}`,
      cluster,
      ...(proxied && !joins && { advertise: { peer: cluster[name] } }),
      // It listens beyond loopback, on a network that nobody else reaches.
      ...{ allowAnonymous: true, insecureHttp: true, insecurePeers: true },
      ...(disk !== undefined && disk.kind !== 'own' && { disk: SMALL_DISK }),
      ...config,
    };
  }

  /**
   * Nodes tell each other in the log where they are, and dial that first. With proxies that must lead nowhere, or they would
   * reach each other past the proxies, and no cut would concern them: what is left are the addresses of their settings.
   */
  private portOfNobody(id: string): number {
    return 1 + this.places.findIndex(({ name }) => name === id);
  }

  /**
   * Asks the nodes in turn until one does it.
   *
   * @returns `unknown` when it may have happened or may yet happen
   * @throws when it certainly did not
   */
  private async change(
    method: 'POST' | 'DELETE',
    path: string,
    body: unknown,
    what: string,
    asked: readonly string[] = [...this.processes.keys()],
  ): Promise<'done' | 'unknown'> {
    let last = 'nobody answered';
    for (const id of asked) {
      if (!this.node(id).running) continue;
      let answer: Answer;
      try {
        answer = await askJson(this.url(id, path), { method, body }, CHANGE_TIMEOUT_MS);
      } catch {
        return 'unknown';
      }
      if (answer.status < 300) return 'done';
      const code = String(field(answer.body, 'code'));
      if (UNKNOWN_CODES.includes(code)) return 'unknown';
      last = `${id}: ${code}, ${String(field(answer.body, 'reason'))}`;
    }
    throw new Error(`cannot ${what}: ${last}`);
  }

  private async isMember(id: string, asked: readonly string[], replaced: string | undefined): Promise<boolean> {
    const seen = await this.votersAt(asked);
    return seen.some((voters) => voters.includes(id) && (replaced === undefined || !voters.includes(replaced)));
  }

  /** The voters in the eyes of each of these nodes that answers. */
  private async votersAt(asked: readonly string[]): Promise<string[][]> {
    const answers = await Promise.all(asked.map((each) => getJson(this.url(each, '/api/v1/cluster'))));
    return answers.flatMap((answer) => {
      const voters = votersIn(answer);
      return voters === null ? [] : [voters.split(',')];
    });
  }

  private async forget(node: ManagedProcess): Promise<void> {
    node.resume();
    await node.kill();
    await node.wipe();
    const { disk } = this.options;
    if (disk !== undefined && disk.kind !== 'own') await unmountDisk(node.dataDir);
    this.processes.delete(node.id);
    this.ended.push(node);
  }
}

function leaderIn(answer: Answer | null): { readonly id: string; readonly term: number } | null {
  if (answer?.status !== 200) return null;
  const [id, term] = [field(answer.body, 'id'), field(answer.body, 'term')];
  return typeof id === 'string' && typeof term === 'number' ? { id, term } : null;
}

/** Ids of the members with a vote, sorted and joined; null without an answer. */
function votersIn(answer: Answer | null): string | null {
  const nodes = field(answer?.body, 'nodes');
  if (answer?.status !== 200 || !Array.isArray(nodes)) return null;
  const voters = nodes.filter((each) => field(each, 'voter') === true).map((each) => String(field(each, 'id')));
  return voters.sort().join(',');
}
