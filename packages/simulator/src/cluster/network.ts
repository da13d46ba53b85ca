import type { Hello } from '@quorate/protocol';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';
import { type Direction, type Link, newLink, restart, wayOf, waysOf } from './link.ts';

export interface NetworkProfile {
  /** One way, at least; seldom up to `slowestMs`. */
  readonly fastestMs: number;
  readonly slowestMs: number;
}

/** Why a handshake was refused. */
export interface Refused {
  readonly code: string;
  readonly reason: string;
}

/** One end of the connections between two nodes, as the network calls it. */
export interface Endpoint {
  readonly id: string;
  /** The process runs and would take a connection. */
  readonly alive: () => boolean;
  /** It has the other among its peers, at the address where that is, and dials it. */
  readonly dials: (peer: string) => boolean;
  readonly hello: () => Hello;
  /** Takes a handshake, or says why not. */
  readonly admit: (hello: Hello) => Refused | null;
  readonly onRejected: (peer: string, refused: Refused) => void;
  readonly onOpen: (peer: string, hello: Hello) => void;
  readonly onClosed: (peer: string) => void;
  /** May come before `onOpen`: the other end may hear that both connections are up before this one does. */
  readonly onFrame: (peer: string, frame: unknown, bulk: boolean) => void;
}

const FIN = Symbol('fin');
/** PeerTransport gives up a peer that is silent for so long. */
const SILENCE_MS = 5_000;
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 1_000;
const MAX_BULK_BYTES = 1024 * 1024;
/** Of a bulk connection. */
const BULK_BYTES_PER_MS = 4_000;

/** The answer to both handshakes has come: the connection is up for the one who gets it. */
class Opened {
  readonly hello: Hello;

  constructor(hello: Hello) {
    this.hello = hello;
  }
}

/**
 * The connections between nodes: like TCP each direction is a stream in order that can be slow, stall for a while and then go on, or
 * break, with everything under way lost. Directions can be blocked one by one, so partitions may be partial and one-way. Bulk has
 * streams of its own, which are made when they are first used and end with the main ones.
 */
export class Network {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #endpoints = new Map<string, Endpoint>();
  /** By the one and the other, in both orders. */
  readonly #links = new Map<string, Map<string, Link>>();
  #profile: NetworkProfile;

  constructor(world: World, rng: Rng, ids: readonly string[], profile: NetworkProfile) {
    this.#world = world;
    this.#rng = rng;
    this.#profile = profile;
    for (const id of ids) this.#links.set(id, new Map());
    for (const [at, a] of ids.entries()) {
      for (const b of ids.slice(at + 1)) {
        const link = newLink(a, b);
        this.#links.get(a)?.set(b, link);
        this.#links.get(b)?.set(a, link);
      }
    }
  }

  get profile(): NetworkProfile {
    return this.#profile;
  }

  setProfile(profile: NetworkProfile): void {
    this.#profile = profile;
  }

  /** A process starts (again) and takes connections. */
  attach(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.id, endpoint);
    for (const link of this.#linksOf(endpoint.id)) this.#reconnectSoon(link);
  }

  /** A process ends: its peers see their connections close, unless they are cut off. */
  detach(id: string): void {
    this.#endpoints.delete(id);
    for (const link of this.#linksOf(id)) this.#closeBy(link, id);
  }

  /** `from` has `to` among its peers from now on. */
  dial(from: string, to: string): void {
    const link = this.#link(from, to);
    if (link.up.size < 2) this.#reconnectSoon(link);
  }

  /** `from` closes its connections with `to`. */
  close(from: string, to: string): void {
    const link = this.#link(from, to);
    this.#closeBy(link, from);
    this.#reconnectSoon(link);
  }

  /** False when `from` has no connection to `to`. */
  send(from: string, to: string, frame: unknown): boolean {
    const link = this.#link(from, to);
    if (!link.open.has(from)) return false;
    this.#put(link, wayOf(link, from, false), frame);
    return true;
  }

  /** As `send`, on a connection of its own: false as long as there is none, or when it is full. */
  sendBulk(from: string, to: string, frame: Uint8Array): boolean {
    const link = this.#link(from, to);
    if (!link.open.has(from)) return false;
    const way = wayOf(link, from, true);
    if (!way.opened) {
      this.#openBulk(link, way);
      return false;
    }
    if (way.bytes > MAX_BULK_BYTES) return false;
    this.#put(link, way, frame);
    return true;
  }

  block(from: string, to: string): void {
    const link = this.#link(from, to);
    for (const way of waysOf(link, from)) {
      if (way.blocked) continue;
      way.blocked = true;
      way.blockedSinceMs = this.#world.nowMs;
      if (!way.bulk) this.#watchSilence(link, way);
    }
  }

  unblock(from: string, to: string): void {
    const link = this.#link(from, to);
    for (const way of waysOf(link, from)) {
      if (!way.blocked) continue;
      way.blocked = false;
      for (const frame of way.held.splice(0)) this.#transmit(link, way, frame);
    }
    if (link.up.size < 2) this.#reconnectSoon(link);
  }

  isBlocked(from: string, to: string): boolean {
    return wayOf(this.#link(from, to), from, false).blocked;
  }

  /** A reset: both ends see the connection close, and what is under way is lost. */
  reset(a: string, b: string): void {
    const link = this.#link(a, b);
    restart(link, this.#world.nowMs);
    for (const id of [link.a, link.b]) this.#closed(link, id);
    this.#reconnectSoon(link);
  }

  /** The bulk connections alone break: what is under way on them is lost, and nobody is told. */
  resetBulk(a: string, b: string): void {
    const link = this.#link(a, b);
    for (const from of [a, b]) loseBulk(wayOf(link, from, true));
  }

  #link(a: string, b: string): Link {
    const link = this.#links.get(a)?.get(b);
    if (link === undefined) throw new Error(`no link between ${a} and ${b}`);
    return link;
  }

  #linksOf(id: string): Link[] {
    return [...(this.#links.get(id)?.values() ?? [])];
  }

  #openBulk(link: Link, way: Direction): void {
    if (way.opening || way.blocked) return;
    way.opening = true;
    const { generation } = way;
    const { fastestMs, slowestMs } = this.#profile;
    this.#world.after(2 * this.#rng.skewed(fastestMs, slowestMs), () => {
      if (generation !== way.generation) return;
      way.opening = false;
      way.opened = link.open.has(way.from) && link.up.has(way.to) && !way.blocked;
      if (way.opened) this.#world.count('bulk connects');
    });
  }

  #put(link: Link, way: Direction, frame: unknown): void {
    if (way.bulk) way.bytes += (frame as Uint8Array).length;
    if (way.blocked) way.held.push(frame);
    else this.#transmit(link, way, frame);
  }

  #latencyMs(): number {
    return this.#rng.skewed(this.#profile.fastestMs, this.#profile.slowestMs);
  }

  #transmit(link: Link, way: Direction, frame: unknown): void {
    const { generation } = way;
    const loadMs = way.bulk ? (frame as Uint8Array).length / BULK_BYTES_PER_MS : 0;
    let arrivesMs = this.#world.nowMs + this.#latencyMs();
    // The answer to a handshake travels on another socket than what is sent when that is done.
    if (!(frame instanceof Opened)) {
      arrivesMs = Math.max(way.lastArrivalMs + loadMs, arrivesMs + loadMs);
      way.lastArrivalMs = arrivesMs;
    }
    this.#world.at(arrivesMs, () => {
      if (generation !== way.generation) return;
      // What was under way when the direction was cut goes no further.
      if (way.blocked) way.held.push(frame);
      else this.#arrive(link, way, frame);
    });
  }

  #arrive(link: Link, way: Direction, frame: unknown): void {
    const { to, from } = way;
    if (way.bulk) way.bytes -= (frame as Uint8Array).length;
    if (!link.up.has(to)) return;
    const endpoint = this.#endpoints.get(to);
    if (frame === FIN) {
      this.#closed(link, to);
      this.#reconnectSoon(link);
    } else if (frame instanceof Opened) {
      link.open.add(to);
      endpoint?.onOpen(from, frame.hello);
    } else endpoint?.onFrame(from, frame, way.bulk);
  }

  /** `id` closes its side; the other sees it when the news gets through, or after a long silence. */
  #closeBy(link: Link, id: string): void {
    if (!link.up.has(id)) return;
    const way = wayOf(link, id, false);
    this.#closed(link, id);
    this.#put(link, way, FIN);
    if (way.blocked) this.#watchSilence(link, way);
  }

  #closed(link: Link, id: string): void {
    for (const from of [link.a, link.b]) loseBulk(wayOf(link, from, true));
    if (!link.up.delete(id) || !link.open.delete(id)) return;
    const peer = id === link.a ? link.b : link.a;
    this.#world.note(id, 'peer-closed', peer);
    this.#endpoints.get(id)?.onClosed(peer);
  }

  /** The receiver of a blocked direction gives up after a long silence. */
  #watchSilence(link: Link, way: Direction): void {
    const { generation } = way;
    const since = this.#world.nowMs;
    this.#world.after(SILENCE_MS, () => {
      if (generation !== way.generation || !way.blocked || way.blockedSinceMs > since) return;
      if (!link.up.has(way.to)) return;
      this.#world.count('peer silence timeout');
      this.#closeBy(link, way.to);
      this.#reconnectSoon(link);
    });
  }

  #reconnectSoon(link: Link): void {
    if (link.attempting) return;
    link.attempting = true;
    this.#world.after(this.#rng.between(RECONNECT_MIN_MS, RECONNECT_MAX_MS), () => {
      link.attempting = false;
      this.#tryConnect(link);
    });
  }

  #tryConnect(link: Link): void {
    if (link.up.size === 2) return;
    const a = this.#endpoints.get(link.a);
    const b = this.#endpoints.get(link.b);
    // Whoever is missing attaches later, and whatever is blocked is unblocked: both try again then.
    if (a === undefined || b === undefined || link.ab.blocked || link.ba.blocked) return;
    const [caller, callee] = a.dials(b.id) ? [a, b] : [b, a];
    // Nobody dials: whoever does later begins anew.
    if (!caller.dials(callee.id)) return;
    if (!caller.alive() || !callee.alive()) return this.#reconnectSoon(link);
    const hellos = { [caller.id]: caller.hello(), [callee.id]: callee.hello() };
    const refused = greet(caller, callee);
    if (refused !== null) {
      this.#world.count('handshakes refused');
      return this.#reconnectSoon(link);
    }
    // The new connection displaces what is left of the old one.
    for (const id of [link.a, link.b]) this.#closed(link, id);
    restart(link, this.#world.nowMs);
    link.up.add(link.a);
    link.up.add(link.b);
    this.#world.count('peer connects');
    for (const way of [link.ab, link.ba]) this.#transmit(link, way, new Opened(hellos[way.from] as Hello));
  }
}

/** Both handshakes: the one who is called dials back. */
function greet(caller: Endpoint, callee: Endpoint): Refused | null {
  for (const [from, to] of [
    [caller, callee],
    [callee, caller],
  ] as const) {
    const refused = to.admit(from.hello());
    if (refused === null) continue;
    from.onRejected(to.id, refused);
    to.onRejected(from.id, refused);
    return refused;
  }
  return null;
}

function loseBulk(way: Direction): void {
  way.generation++;
  way.opened = false;
  way.opening = false;
  way.bytes = 0;
  way.held.length = 0;
}
