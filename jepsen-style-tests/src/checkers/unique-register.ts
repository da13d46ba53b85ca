import type { RegisterOperation } from './linearizability.ts';

/** A value that was written once, and everything that was done with it. */
interface Zone<T extends RegisterOperation> {
  readonly write: T | null;
  /** The operation that ended first, and that end; the one that began last, and that begin. */
  ended: T | null;
  endMs: number;
  began: T | null;
  beginMs: number;
}

/** Why a history is not linearizable. */
export interface Contradiction<T extends RegisterOperation> {
  /** `from nowhere`: read and never written. `too early`: read before it was written. `stale`: the order of two values fails. */
  readonly kind: 'from nowhere' | 'too early' | 'stale';
  /** In the order in which they matter. `stale`: the older value, what replaced it, and then the older one again. */
  readonly operations: readonly T[];
}

function zonesOf<T extends RegisterOperation>(
  operations: readonly T[],
): Map<string | null, Zone<T>> | Contradiction<T> {
  const zones = new Map<string | null, Zone<T>>();
  const never = Number.NEGATIVE_INFINITY;
  zones.set(null, { write: null, ended: null, endMs: never, began: null, beginMs: never });
  for (const operation of operations) {
    if (operation.kind !== 'write') continue;
    if (zones.has(operation.value)) throw new Error(`${String(operation.value)} was written twice`);
    const { endMs, beginMs } = operation;
    zones.set(operation.value, { write: operation, ended: operation, endMs, began: operation, beginMs });
  }
  for (const operation of operations) {
    if (operation.kind !== 'read') continue;
    const zone = zones.get(operation.value);
    if (zone === undefined) return { kind: 'from nowhere', operations: [operation] };
    if (zone.write !== null && operation.endMs < zone.write.beginMs) {
      return { kind: 'too early', operations: [operation, zone.write] };
    }
    if (operation.endMs < zone.endMs) Object.assign(zone, { endMs: operation.endMs, ended: operation });
    if (operation.beginMs > zone.beginMs) Object.assign(zone, { beginMs: operation.beginMs, began: operation });
  }
  return zones;
}

function proofOf<T extends RegisterOperation>(older: Zone<T>, newer: Zone<T>): Contradiction<T> {
  const operations = [older.ended, newer.began, newer.ended, older.began].filter((operation) => operation !== null);
  return { kind: 'stale', operations: [...new Set(operations)] };
}

/**
 * The same question as `checkLinearizable` for registers whose written values are all different, where it can be answered in
 * O(n log n) (Gibbons and Korach, Testing Shared Memories, 1997): all operations with one value are one zone, and it is a
 * contradiction if a value was there for certain both before and after another one was.
 *
 * @returns null when the history is linearizable
 * @throws when a value was written twice
 */
export function contradictionOf<T extends RegisterOperation>(operations: readonly T[]): Contradiction<T> | null {
  const zones = zonesOf(operations);
  if (!(zones instanceof Map)) return zones;
  /** For certain the value from `endMs` to `beginMs`. */
  const forward: Zone<T>[] = [];
  /** The value at some moment from `beginMs` to `endMs`. */
  const backward: Zone<T>[] = [];
  for (const zone of zones.values()) {
    if (zone.endMs < zone.beginMs) forward.push(zone);
    else if (zone.endMs < Number.POSITIVE_INFINITY && zone.write !== null) backward.push(zone);
  }
  forward.sort((a, b) => a.endMs - b.endMs);
  for (let at = 1; at < forward.length; at++) {
    const before = forward[at - 1] as Zone<T>;
    const here = forward[at] as Zone<T>;
    if (here.endMs < before.beginMs) return proofOf(before, here);
  }
  // They do not overlap now, so the one that could hold a moment is the last one that begins before it.
  backward.sort((a, b) => a.beginMs - b.beginMs);
  let at = -1;
  for (const inner of backward) {
    while (at + 1 < forward.length && (forward[at + 1] as Zone<T>).endMs < inner.beginMs) at++;
    const outer = forward[at];
    if (outer !== undefined && inner.endMs < outer.beginMs) return proofOf(outer, inner);
  }
  return null;
}
