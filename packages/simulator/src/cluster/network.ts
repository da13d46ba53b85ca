import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';

export interface NetworkProfile {
  /** One way, at least; seldom up to `slowestMs`. */
  readonly fastestMs: number;
  readonly slowestMs: number;
}

/** One end of a connection between two nodes, as the network calls it. */
export interface Endpoint {
  readonly id: string;
  /** The process runs and would take a connection. */
  readonly alive: () => boolean;
  readonly onOpen: (peer: string) => void;
  readonly onClosed: (peer: string) => void;
  readonly onFrame: (peer: string, frame: unknown) => void;
}

/** A direction of a connection: a stream in order, held up while it is blocked. */
interface Direction {
  readonly from: string;
  readonly to: string;
  blocked: boolean;
  /** Since when nothing gets through. */
  blockedSinceMs: number;
  lastArrivalMs: number;
  /** Frames that wait for the direction to be unblocked, oldest first. */
  readonly held: unknown[];
}

interface Link {
  readonly a: string;
  readonly b: string;
  readonly ab: Direction;
  readonly ba: Direction;
  /** Goes up with every connection; what belongs to an earlier one never arrives. */
  generation: number;
  /** Which ends believe that they are connected. */
  readonly open: Set<string>;
  attempting: boolean;
}

const FIN = Symbol('fin');
/** PeerTransport gives up a peer that is silent for so long. */
const SILENCE_MS = 5_000;
const RECONNECT_MIN_MS = 50;
const RECONNECT_MAX_MS = 1_000;

/**
 * The connections between nodes: like TCP each direction is a stream in order that can be slow, stall for a while and then go on, or
 * break, with everything under way lost. Directions can be blocked one by one, so partitions may be partial and one-way.
 */
export class Network {
  readonly #world: World;
  readonly #rng: Rng;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #links = new Map<string, Link>();
  #profile: NetworkProfile;

  constructor(world: World, rng: Rng, ids: readonly string[], profile: NetworkProfile) {
    this.#world = world;
    this.#rng = rng;
    this.#profile = profile;
    for (const [at, a] of ids.entries()) {
      for (const b of ids.slice(at + 1)) {
        const ab = direction(a, b);
        const ba = direction(b, a);
        const link: Link = { a, b, ab, ba, generation: 0, open: new Set(), attempting: false };
        this.#links.set(`${a}>${b}`, link);
        this.#links.set(`${b}>${a}`, link);
      }
    }
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

  isOpen(from: string, to: string): boolean {
    return this.#link(from, to).open.has(from);
  }

  /** False when `from` has no connection to `to`. */
  send(from: string, to: string, frame: unknown): boolean {
    const link = this.#link(from, to);
    if (!link.open.has(from)) return false;
    this.#put(link, from === link.a ? link.ab : link.ba, frame);
    return true;
  }

  block(from: string, to: string): void {
    const link = this.#link(from, to);
    const way = from === link.a ? link.ab : link.ba;
    if (way.blocked) return;
    way.blocked = true;
    way.blockedSinceMs = this.#world.nowMs;
    this.#watchSilence(link, way);
  }

  unblock(from: string, to: string): void {
    const link = this.#link(from, to);
    const way = from === link.a ? link.ab : link.ba;
    if (!way.blocked) return;
    way.blocked = false;
    for (const frame of way.held.splice(0)) this.#transmit(link, way, frame);
    if (link.open.size < 2) this.#reconnectSoon(link);
  }

  isBlocked(from: string, to: string): boolean {
    const link = this.#link(from, to);
    return (from === link.a ? link.ab : link.ba).blocked;
  }

  /** A reset: both ends see the connection close, and what is under way is lost. */
  reset(a: string, b: string): void {
    const link = this.#link(a, b);
    link.generation++;
    this.#drop(link);
    for (const id of [link.a, link.b]) this.#closed(link, id);
    this.#reconnectSoon(link);
  }

  #link(a: string, b: string): Link {
    const link = this.#links.get(`${a}>${b}`);
    if (link === undefined) throw new Error(`no link between ${a} and ${b}`);
    return link;
  }

  #linksOf(id: string): Link[] {
    return [...this.#links].filter(([key]) => key.startsWith(`${id}>`)).map(([, link]) => link);
  }

  #put(link: Link, way: Direction, frame: unknown): void {
    if (way.blocked) way.held.push(frame);
    else this.#transmit(link, way, frame);
  }

  #transmit(link: Link, way: Direction, frame: unknown): void {
    const { generation } = link;
    const arrivesMs = this.#world.nowMs + this.#rng.skewed(this.#profile.fastestMs, this.#profile.slowestMs);
    way.lastArrivalMs = Math.max(way.lastArrivalMs, arrivesMs);
    this.#world.at(way.lastArrivalMs, () => {
      if (generation !== link.generation) return;
      // What was under way when the direction was cut goes no further.
      if (way.blocked) way.held.push(frame);
      else this.#arrive(link, way, frame);
    });
  }

  #arrive(link: Link, way: Direction, frame: unknown): void {
    if (!link.open.has(way.to)) return;
    if (frame === FIN) {
      this.#closed(link, way.to);
      this.#reconnectSoon(link);
    } else this.#endpoints.get(way.to)?.onFrame(way.from, frame);
  }

  /** `id` closes its side; the other sees it when the news gets through, or after a long silence. */
  #closeBy(link: Link, id: string): void {
    if (!link.open.has(id)) return;
    const way = id === link.a ? link.ab : link.ba;
    this.#closed(link, id);
    this.#put(link, way, FIN);
    if (way.blocked) this.#watchSilence(link, way);
  }

  #closed(link: Link, id: string): void {
    if (!link.open.delete(id)) return;
    const peer = id === link.a ? link.b : link.a;
    this.#world.note(id, 'peer-closed', peer);
    this.#endpoints.get(id)?.onClosed(peer);
  }

  #drop(link: Link): void {
    link.ab.held.length = 0;
    link.ba.held.length = 0;
  }

  /** The receiver of a blocked direction gives up after a long silence. */
  #watchSilence(link: Link, way: Direction): void {
    const { generation } = link;
    const since = this.#world.nowMs;
    this.#world.after(SILENCE_MS, () => {
      if (generation !== link.generation || !way.blocked || way.blockedSinceMs > since) return;
      if (!link.open.has(way.to)) return;
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
    if (link.open.size === 2) return;
    const a = this.#endpoints.get(link.a);
    const b = this.#endpoints.get(link.b);
    // Whoever is missing attaches later, and whatever is blocked is unblocked: both try again then.
    if (a === undefined || b === undefined || link.ab.blocked || link.ba.blocked) return;
    if (!a.alive() || !b.alive()) return this.#reconnectSoon(link);
    // The new connection displaces what is left of the old one.
    for (const id of [link.a, link.b]) this.#closed(link, id);
    link.generation++;
    this.#drop(link);
    link.ab.lastArrivalMs = this.#world.nowMs;
    link.ba.lastArrivalMs = this.#world.nowMs;
    link.open.add(link.a);
    link.open.add(link.b);
    this.#world.count('peer connects');
    a.onOpen(link.b);
    b.onOpen(link.a);
  }
}

function direction(from: string, to: string): Direction {
  return { from, to, blocked: false, blockedSinceMs: 0, lastArrivalMs: 0, held: [] };
}
