/** One operation on a register. Times only matter by their order. */
export interface RegisterOperation {
  readonly kind: 'write' | 'read';
  /** Written or read; null: the register is empty, as it is in the beginning. */
  readonly value: string | null;
  readonly beginMs: number;
  /** Infinity: it may take effect at any later time, or never. Only for writes. */
  readonly endMs: number;
}

/** What was found, or that the bounds did not suffice to find it. */
export type Verdict = 'linearizable' | 'not linearizable' | 'undecided';

/** Operations that may be open at a time: configurations are sets of them, in the bits of a number. */
const MAX_OPEN = 30;
const MAX_CONFIGURATIONS = 200_000;

interface Event {
  readonly atMs: number;
  /** Of those at the same time ends come last, since operations that touch count as concurrent, and of these the optional ones. */
  readonly order: 0 | 1 | 2;
  readonly operation: RegisterOperation;
}

function eventsOf(operations: readonly RegisterOperation[]): Event[] {
  const lastReadMs = new Map<string | null, number>();
  for (const { kind, value, endMs } of operations) {
    if (kind === 'read') lastReadMs.set(value, Math.max(endMs, lastReadMs.get(value) ?? 0));
  }
  const events: Event[] = [];
  for (const operation of operations) {
    let { endMs } = operation;
    const optional = endMs === Number.POSITIVE_INFINITY;
    if (optional) {
      // Behind the last read of its value it makes no difference any more whether it happens: then it need not.
      endMs = lastReadMs.get(operation.value) ?? Number.NEGATIVE_INFINITY;
      if (endMs < operation.beginMs) continue;
    }
    const end = { atMs: endMs, order: optional ? 2 : 1, operation } as const;
    events.push({ atMs: operation.beginMs, order: 0, operation }, end);
  }
  return events.sort((a, b) => a.atMs - b.atMs || a.order - b.order);
}

/**
 * All ways in which the operations so far can have happened: what a register holds, and which of the open operations have
 * taken effect, as bits. Two histories that come to the same are one (the memory of Lowe's algorithm). A read that can take
 * effect does so at once: that changes nothing for others. A write does so only when something that ends depends on it.
 */
class Configurations {
  /** Open operations by bit. */
  private readonly open: (RegisterOperation | null)[] = [];
  private states = new Map<string | null, Set<number>>([[null, new Set([0])]]);

  begin(operation: RegisterOperation): boolean {
    let bit = this.open.indexOf(null);
    if (bit < 0) bit = this.open.length;
    if (bit >= MAX_OPEN) return false;
    this.open[bit] = operation;
    const here = operation.kind === 'read' ? this.states.get(operation.value) : undefined;
    if (here !== undefined) this.states.set(operation.value, new Set([...here].map((set) => set | (1 << bit))));
    return true;
  }

  /** It has returned: only those stay in which it took effect, unless it is one that need not. False: too many to look at. */
  end(operation: RegisterOperation): boolean {
    const bit = this.open.indexOf(operation);
    const flag = 1 << bit;
    const optional = operation.endMs === Number.POSITIVE_INFINITY;
    if (!optional && !this.expand(flag)) return false;
    const next = new Map<string | null, Set<number>>();
    for (const [value, sets] of this.states) {
      for (const set of sets) if (optional || (set & flag) !== 0) add(next, value, set & ~flag);
    }
    this.states = next;
    this.open[bit] = null;
    return true;
  }

  get none(): boolean {
    return this.states.size === 0;
  }

  /** Lets open writes take effect, in all orders, until the operation with this bit has. */
  private expand(flag: number): boolean {
    const work: [string | null, number][] = [];
    let count = 0;
    for (const [value, sets] of this.states) {
      count += sets.size;
      for (const set of sets) if ((set & flag) === 0) work.push([value, set]);
    }
    for (let here = work.pop(); here !== undefined; here = work.pop()) {
      for (const [bit, operation] of this.open.entries()) {
        if (operation?.kind !== 'write' || (here[1] & (1 << bit)) !== 0) continue;
        const set = here[1] | (1 << bit) | this.readsOf(operation.value);
        if (!add(this.states, operation.value, set)) continue;
        if (++count > MAX_CONFIGURATIONS) return false;
        if ((set & flag) === 0) work.push([operation.value, set]);
      }
    }
    return true;
  }

  /** The bits of open reads of a value. */
  private readsOf(value: string | null): number {
    let bits = 0;
    for (const [bit, operation] of this.open.entries()) {
      if (operation?.kind === 'read' && operation.value === value) bits |= 1 << bit;
    }
    return bits;
  }
}

function add(states: Map<string | null, Set<number>>, value: string | null, set: number): boolean {
  let sets = states.get(value);
  if (sets === undefined) states.set(value, (sets = new Set()));
  if (sets.has(set)) return false;
  sets.add(set);
  return true;
}

/**
 * Whether operations on one register, empty at first, can have happened one after the other, each between its begin and its
 * end (Herlihy and Wing). The search of Wing and Gong with the memory of Lowe, from event to event, so that what has returned
 * is forgotten. Bounded: more than 30 operations open at a time, or more than 200,000 configurations, are `undecided`.
 */
export function checkLinearizable(operations: readonly RegisterOperation[]): Verdict {
  const configurations = new Configurations();
  for (const { order, operation } of eventsOf(operations)) {
    if (!(order === 0 ? configurations.begin(operation) : configurations.end(operation))) return 'undecided';
    if (configurations.none) return 'not linearizable';
  }
  return 'linearizable';
}
