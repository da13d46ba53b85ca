import type { Shape } from './network.ts';

/* The lines that are given to `ip -batch` and `tc -batch`. */

/** The address of the hub, where the run's own process is: no cut concerns it. */
export const HUB_ADDRESS = '10.77.255.254';
export const PREFIX_LENGTH = 16;
/** A MAC address that nobody has. Unicast, locally administered. */
export const NOBODY = '02:00:00:00:00:99';
/** Device names: of the bridge in the hub, of a host's end of its cable, of its way to the relay. */
export const BRIDGE = 'br0';
export const CABLE = 'eth0';
export const TUNNEL = 'tun0';

const MAX_HOSTS_OF_KIND = 250;

/** What is fixed for each host. */
export interface Place {
  readonly name: string;
  readonly address: string;
  readonly mac: string;
}

/** Nodes are 10.77.0.x, hosts of clients 10.77.1.x; x counts from 1. */
export function placeOf(name: string, kind: 'node' | 'client', at: number): Place {
  if (at >= MAX_HOSTS_OF_KIND)
    throw new Error(`${name} is host ${String(at + 1)} of its kind: at most 250 are possible`);
  const third = kind === 'node' ? 0 : 1;
  const hex = (at + 1).toString(16).padStart(2, '0');
  return { name, address: `10.77.${String(third)}.${String(at + 1)}`, mac: `02:00:00:77:0${String(third)}:${hex}` };
}

/** In the sender's namespace: what it sends to this host arrives. */
export function openLine(to: Place): string {
  return `neigh replace ${to.address} lladdr ${to.mac} dev ${CABLE} nud permanent`;
}

/**
 * In the sender's namespace: what it sends to this host vanishes. The entry is permanent, so the kernel looks for nobody and
 * tells no socket; a packet for a MAC address that nobody has is dropped by all who see it.
 */
export function cutLine(to: Place): string {
  return `neigh replace ${to.address} lladdr ${NOBODY} dev ${CABLE} nud permanent`;
}

/** The way through the relay, and the way without it. */
export function throughRelayLine(to: Place, from: Place): string {
  return `route replace ${to.address}/32 dev ${TUNNEL} src ${from.address}`;
}

export function pastRelayLine(to: Place): string {
  return `route del ${to.address}/32 dev ${TUNNEL}`;
}

/** Of the 16 bands that `prio` can have the first is for what is not shaped. */
export const MAX_NETEM_LINKS = 15;

/** What `tc -batch` is told in the sender's namespace, for shapes towards these hosts; replaces all before. */
export function netemLines(shaped: readonly (readonly [to: Place, shape: Shape])[]): string[] {
  if (shaped.length > MAX_NETEM_LINKS) {
    throw new Error(
      `${String(shaped.length)} shaped links from one host: at most ${String(MAX_NETEM_LINKS)} are possible`,
    );
  }
  if (shaped.length === 0) return [];
  const lines = [`qdisc add dev ${CABLE} root handle 1: prio bands 16 priomap${' 0'.repeat(16)}`];
  for (const [at, [to, shape]] of shaped.entries()) {
    // Class 1:1 is the first band; handles and classes are hexadecimal.
    const band = (at + 2).toString(16);
    lines.push(
      `qdisc add dev ${CABLE} parent 1:${band} handle ${String(10 + at)}: netem ${netemArguments(shape)}`,
      `filter add dev ${CABLE} parent 1: protocol ip prio 1 u32 match ip dst ${to.address}/32 flowid 1:${band}`,
    );
  }
  return lines;
}

/** netem's jitter goes both ways: half of ours around the middle. */
function netemArguments(shape: Shape): string {
  const { lossPct, duplicatePct, reorderPct, delayMs, jitterMs } = shape;
  const parts = ['limit 10000'];
  const half = jitterMs / 2;
  // Reordering is relative to a delay: without one there is nobody to overtake.
  const middle = delayMs + half > 0 || reorderPct === 0 ? delayMs + half : 1;
  if (middle > 0) parts.push(`delay ${micros(middle)}${half > 0 ? ` ${micros(half)}` : ''}`);
  if (reorderPct > 0) parts.push(`reorder ${String(reorderPct)}%`);
  if (lossPct > 0) parts.push(`loss ${String(lossPct)}%`);
  if (duplicatePct > 0) parts.push(`duplicate ${String(duplicatePct)}%`);
  return parts.join(' ');
}

function micros(ms: number): string {
  return `${String(Math.round(ms * 1000))}us`;
}
