import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { seededRandom } from '../random.ts';
import { HUB_ADDRESS, type Place, pastRelayLine, TUNNEL, throughRelayLine } from './commands.ts';
import type { HostShell } from './host-shell.ts';
import type { Shape } from './network.ts';
import { Relay } from './relay.ts';

/*
 * Shapes where the kernel has no netem. What a host sends to a shaped destination is routed to a TUN device, from which socat
 * carries each packet as a datagram to the hub; the relay there does to it what the shape says, and sends it to the socat of
 * its destination. Only shaped ways take it.
 */

const HUB_PORT = 7700;
const HOST_PORT = 7701;
/** A packet and the headers of the datagram that carries it fit into 1500 bytes. */
const TUNNEL_MTU = 1400;
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
const ATTACH_ROUNDS = 500;

interface RelayedHost {
  readonly place: Place;
  readonly commandPrefix: readonly string[];
  readonly shell: HostShell;
}

export class RelayedLinks {
  private readonly hosts: ReadonlyMap<string, RelayedHost>;
  private readonly relay: Relay;
  private readonly carriers = new Map<string, ChildProcess>();
  private socket: Socket | null = null;
  private routes = new Set<string>();

  constructor(hosts: ReadonlyMap<string, RelayedHost>, seed: number) {
    this.hosts = hosts;
    this.relay = new Relay(seededRandom(seed), (packet, to) => {
      // A datagram that does not get away is a packet that is lost.
      this.socket?.send(packet, HOST_PORT, to, () => {});
    });
  }

  /** By `from>to`, in names. */
  setCuts(cuts: ReadonlySet<string>): void {
    this.relay.cuts = new Set([...cuts].map((key) => this.inAddresses(key)));
  }

  async setShapes(shapes: readonly (readonly [from: string, to: string, shape: Shape])[]): Promise<void> {
    const wanted = new Map(shapes.map(([from, to, shape]) => [`${from}>${to}`, shape]));
    if (wanted.size > 0) await this.open(new Set(shapes.flatMap(([from, to]) => [from, to])));
    this.relay.shapes = new Map([...wanted].map(([key, shape]) => [this.inAddresses(key), shape]));
    const changes = new Map<string, string[]>();
    const change = (key: string, line: (to: Place, from: Place) => string): void => {
      const [from, to] = key.split('>') as [string, string];
      const text = line(this.host(to).place, this.host(from).place);
      changes.set(from, [...(changes.get(from) ?? []), text]);
    };
    for (const key of wanted.keys()) if (!this.routes.has(key)) change(key, throughRelayLine);
    for (const key of this.routes) if (!wanted.has(key)) change(key, pastRelayLine);
    this.routes = new Set(wanted.keys());
    await Promise.all([...changes].map(([from, lines]) => this.host(from).shell.batch('ip', lines)));
  }

  async close(): Promise<void> {
    this.relay.close();
    const ends = [...this.carriers.values()].map(async (child) => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    });
    await Promise.all(ends);
    const { socket } = this;
    this.socket = null;
    if (socket !== null) await new Promise<void>((done) => socket.close(done));
  }

  private async open(names: ReadonlySet<string>): Promise<void> {
    if (this.socket === null) {
      const socket = createSocket('udp4');
      socket.on('message', (packet, { address }) => this.relay.take(packet, address));
      socket.bind(HUB_PORT, HUB_ADDRESS);
      await once(socket, 'listening');
      socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
      this.socket = socket;
    }
    await Promise.all([...names].filter((name) => !this.carriers.has(name)).map((name) => this.carry(name)));
  }

  private async carry(name: string): Promise<void> {
    const { place, commandPrefix, shell } = this.host(name);
    await shell.batch('ip', [`tuntap add dev ${TUNNEL} mode tun`, `link set ${TUNNEL} mtu ${String(TUNNEL_MTU)} up`]);
    const ends = [
      `TUN,tun-name=${TUNNEL},iff-no-pi,iff-up`,
      `UDP:${HUB_ADDRESS}:${String(HUB_PORT)},bind=${place.address}:${String(HOST_PORT)}`,
    ];
    const [command = '', ...args] = [...commandPrefix, 'socat', ...ends];
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    this.carriers.set(name, child);
    await once(child, 'spawn');
    // The device has a carrier once socat has it.
    await shell.run(
      `left=${String(ATTACH_ROUNDS)}; until ip link show ${TUNNEL} | grep -q LOWER_UP; do ` +
        'left=$((left - 1)); [ $left -gt 0 ] || { echo "socat did not take the device" >&2; break; }; sleep 0.01; done; ' +
        '[ $left -gt 0 ]',
    );
  }

  private host(name: string): RelayedHost {
    const host = this.hosts.get(name);
    if (host === undefined) throw new Error(`no host ${name}`);
    return host;
  }

  private inAddresses(key: string): string {
    return key
      .split('>')
      .map((name) => this.host(name).place.address)
      .join('>');
  }
}
