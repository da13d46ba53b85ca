import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  BRIDGE,
  CABLE,
  cutLine,
  HUB_ADDRESS,
  netemLines,
  openLine,
  type Place,
  PREFIX_LENGTH,
  placeOf,
} from './commands.ts';
import { HostShell } from './host-shell.ts';
import { insideOf } from './inside.ts';
import type { Host, Network, Shape } from './network.ts';
import { detectShaping, type Shaping } from './possible.ts';
import { RelayedLinks } from './relayed-links.ts';

const run = promisify(execFile);

const HUB: Place = { name: 'the hub', address: HUB_ADDRESS, mac: '02:00:00:77:ff:fe' };

type Link = readonly [from: string, to: string];

interface NamespaceHost extends Host {
  readonly place: Place;
  readonly shell: HostShell;
}

/**
 * Hosts that are network namespaces on one bridge. Nodes have addresses 10.77.0.x, clients 10.77.1.x. The process that opens
 * it is the hub, on the same bridge, and reaches every host whatever is cut. To be opened inside of `runInside`.
 */
export class NamespaceNetwork implements Network {
  readonly description: string;
  readonly hosts: ReadonlyMap<string, Host>;
  private readonly all: ReadonlyMap<string, NamespaceHost>;
  private readonly shaping: Shaping;
  private readonly relayed: RelayedLinks;
  private cuts = new Set<string>();
  /** Hosts with shapes of netem. */
  private shapedHosts = new Set<string>();

  private constructor(all: ReadonlyMap<string, NamespaceHost>, shaping: Shaping, seed: number) {
    this.all = all;
    this.hosts = all;
    this.shaping = shaping;
    this.relayed = new RelayedLinks(all, seed);
    const kind = insideOf() ?? 'root namespaces';
    this.description = `namespaces ${kind === 'root namespaces' ? 'of root' : 'of a user'}, shapes by ${shaping.way ?? 'nobody'}`;
  }

  /** Makes the hosts. */
  static async open(nodes: readonly string[], clients: readonly string[], seed: number): Promise<NamespaceNetwork> {
    const places = [
      ...nodes.map((name, at) => placeOf(name, 'node', at)),
      ...clients.map((name, at) => placeOf(name, 'client', at)),
    ];
    if (new Set(places.map((each) => each.name)).size < places.length) throw new Error('two hosts have the same name');
    const hub = [
      'link set lo up',
      `link add ${BRIDGE} address ${HUB.mac} type bridge`,
      `address add ${HUB.address}/${String(PREFIX_LENGTH)} dev ${BRIDGE}`,
      `link set ${BRIDGE} up`,
    ];
    await ipInHub(hub);
    const shaping = await detectShaping();
    const shells = await Promise.all(places.map(() => HostShell.open()));
    const hosts = new Map<string, NamespaceHost>();
    for (const [at, place] of places.entries()) {
      const shell = shells[at] as HostShell;
      const commandPrefix = ['nsenter', `--net=/proc/${String(shell.pid)}/ns/net`, '--'];
      hosts.set(place.name, { name: place.name, address: place.address, commandPrefix, place, shell });
    }
    const cables = [...hosts.values()].flatMap(({ place, shell }, at) => [
      `link add cable${String(at)} type veth peer name ${CABLE} address ${place.mac} netns ${String(shell.pid)}`,
      `link set cable${String(at)} master ${BRIDGE} up`,
      `neigh replace ${place.address} lladdr ${place.mac} dev ${BRIDGE} nud permanent`,
    ]);
    await ipInHub(cables);
    await Promise.all([...hosts.values()].map((host) => setUp(host, [...places, HUB])));
    return new NamespaceNetwork(hosts, shaping, seed);
  }

  get shapingUnavailable(): string | null {
    return this.shaping.way === null ? this.shaping.why : null;
  }

  async setCuts(cuts: readonly Link[]): Promise<void> {
    const wanted = new Set(cuts.map(([from, to]) => this.key(from, to)));
    const changes = new Map<string, string[]>();
    const change = (key: string, line: (to: Place) => string): void => {
      const [from, to] = key.split('>') as [string, string];
      changes.set(from, [...(changes.get(from) ?? []), line(this.host(to).place)]);
    };
    for (const key of wanted) if (!this.cuts.has(key)) change(key, cutLine);
    for (const key of this.cuts) if (!wanted.has(key)) change(key, openLine);
    this.cuts = wanted;
    this.relayed.setCuts(wanted);
    await Promise.all([...changes].map(([from, lines]) => this.host(from).shell.batch('ip', lines)));
  }

  async setShapes(shapes: readonly (readonly [from: string, to: string, shape: Shape])[]): Promise<void> {
    for (const [from, to] of shapes) this.key(from, to);
    if (shapes.length === 0 && this.shaping.way === null) return;
    if (this.shaping.way === null) throw new Error(`links can not be shaped: ${this.shaping.why}`);
    if (this.shaping.way === 'relay') return this.relayed.setShapes(shapes);
    const concerned = new Set([...this.shapedHosts, ...shapes.map(([from]) => from)]);
    this.shapedHosts = new Set(shapes.map(([from]) => from));
    const set = async (name: string): Promise<void> => {
      const { shell } = this.host(name);
      // There may be none; what remains is what the kernel gives every device.
      await shell.run(`tc qdisc del dev ${CABLE} root 2>/dev/null || :`);
      const own = shapes
        .filter(([from]) => from === name)
        .map(([, to, shape]) => [this.host(to).place, shape] as const);
      await shell.batch('tc', netemLines(own));
    };
    await Promise.all([...concerned].map(set));
  }

  async close(): Promise<void> {
    await this.relayed.close();
    await Promise.all([...this.all.values()].map((host) => host.shell.close()));
    await ipInHub([`link del ${BRIDGE}`]);
  }

  private host(name: string): NamespaceHost {
    const host = this.all.get(name);
    if (host === undefined) throw new Error(`no host ${name}: there are ${[...this.all.keys()].join(', ')}`);
    return host;
  }

  private key(from: string, to: string): string {
    this.host(from);
    this.host(to);
    if (from === to) throw new Error(`${from} has no link to itself`);
    return `${from}>${to}`;
  }
}

/** Lines for `ip -batch` in the namespace of this process. */
async function ipInHub(lines: readonly string[]): Promise<void> {
  const running = run('ip', ['-batch', '-']);
  running.child.stdin?.end(`${lines.join('\n')}\n`);
  await running;
}

/** Neighbours are known for good: no cut way can then break the other way by keeping an ARP answer from coming. */
async function setUp({ place, shell }: NamespaceHost, places: readonly Place[]): Promise<void> {
  // What comes through the relay comes from addresses that are elsewhere by the routes; IPv6 would only talk of itself.
  await shell.run(
    'for each in all default eth0; do echo 0 > /proc/sys/net/ipv4/conf/$each/rp_filter; done\n' +
      'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || :',
  );
  await shell.batch('ip', [
    'link set lo up',
    `address add ${place.address}/${String(PREFIX_LENGTH)} dev ${CABLE}`,
    `link set ${CABLE} up`,
    ...places.filter((each) => each !== place).map(openLine),
  ]);
}
