/** A direction of a connection: a stream in order, held up while it is blocked. */
export interface Direction {
  readonly from: string;
  readonly to: string;
  readonly bulk: boolean;
  blocked: boolean;
  /** Since when nothing gets through. */
  blockedSinceMs: number;
  lastArrivalMs: number;
  /** Frames that wait for the direction to be unblocked, oldest first. */
  readonly held: unknown[];
  /** Goes up with every connection; what belongs to an earlier one never arrives. */
  generation: number;
  /** Of bulk: it is there, it is being made, and the bytes on it. */
  opened: boolean;
  opening: boolean;
  bytes: number;
}

/** What joins two nodes. */
export interface Link {
  readonly a: string;
  readonly b: string;
  readonly ab: Direction;
  readonly ba: Direction;
  readonly bulkAb: Direction;
  readonly bulkBa: Direction;
  /** Ends that have not closed the connection, and those among them that know that it is there. */
  readonly up: Set<string>;
  readonly open: Set<string>;
  attempting: boolean;
}

export function newLink(a: string, b: string): Link {
  const [ab, ba] = [direction(a, b, false), direction(b, a, false)];
  const [bulkAb, bulkBa] = [direction(a, b, true), direction(b, a, true)];
  return { a, b, ab, ba, bulkAb, bulkBa, up: new Set(), open: new Set(), attempting: false };
}

/** The direction that begins at `from`. */
export function wayOf(link: Link, from: string, bulk: boolean): Direction {
  if (bulk) return from === link.a ? link.bulkAb : link.bulkBa;
  return from === link.a ? link.ab : link.ba;
}

/** Both directions that begin at `from`, the main one first. */
export function waysOf(link: Link, from: string): Direction[] {
  return [wayOf(link, from, false), wayOf(link, from, true)];
}

/** What is under way is lost. */
export function restart(link: Link, nowMs: number): void {
  for (const way of [link.ab, link.ba, link.bulkAb, link.bulkBa]) {
    way.generation++;
    way.held.length = 0;
    way.lastArrivalMs = nowMs;
    way.opened = false;
    way.opening = false;
    way.bytes = 0;
  }
}

function direction(from: string, to: string, bulk: boolean): Direction {
  const flow = { blocked: false, blockedSinceMs: 0, lastArrivalMs: 0, held: [], generation: 0 };
  return { from, to, bulk, ...flow, opened: false, opening: false, bytes: 0 };
}
