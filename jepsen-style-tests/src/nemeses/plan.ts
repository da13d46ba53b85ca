import { type Random, seededRandom } from '../random.ts';
import type { Touches } from './nemesis.ts';

/** A fault of a plan. Times are milliseconds since the run began. */
export interface PlannedFault {
  /** From 1, in the order of their beginning. */
  readonly fault: number;
  readonly nemesis: string;
  readonly touches: Touches;
  readonly beginMs: number;
  readonly endMs: number;
}

/** When which fault begins and ends; the same for the same options. Whom it hits is decided when it begins, from `seed` too. */
export interface Plan {
  readonly seed: number;
  readonly faults: readonly PlannedFault[];
  /** From now on nothing is broken: all faults end before it. */
  readonly healMs: number;
  readonly durationMs: number;
}

export interface PlanOptions {
  /** An unsigned 32-bit integer. */
  readonly seed: number;
  readonly durationMs: number;
  /** How long before its end everything is whole again; a third of it by default, at most 30 s. */
  readonly recoveryMs?: number;
  /** Kinds of faults that can be done here. */
  readonly nemeses: readonly Kind[];
  /** How long faults last; 3 to 12 s by default. */
  readonly faultMs?: readonly [least: number, most: number];
  /** How long nothing is broken between them; 4 to 8 s by default. In these stretches recovery is measured. */
  readonly quietMs?: readonly [least: number, most: number];
  /** Of one hundred faults, how many get a second one beside them; 35 by default. */
  readonly pairPct?: number;
}

interface Kind {
  readonly name: string;
  readonly touches: Touches;
  readonly lengthMs?: readonly [least: number, most: number];
}

/*
 * What never goes on at the same time. Links that are cut, links that are bad, clocks and settings go together with everything
 * but themselves; of all that touches nodes there is one at a time: two of them could take a majority of disks, or one would undo
 * what the other does. A change of members waits for a majority, which a cut may take away for as long as it lasts; a damaged
 * node is only sound again when the others have been able to take it in.
 */
const NODES: readonly Touches[] = ['processes', 'space', 'data', 'members'];
const WAITS_FOR_LINKS: readonly Touches[] = ['data', 'members'];

/** Whether faults that touch these exclude each other. */
export function excludes(one: Touches, other: Touches): boolean {
  if (one === other || (NODES.includes(one) && NODES.includes(other))) return true;
  return (one === 'links' && WAITS_FOR_LINKS.includes(other)) || (other === 'links' && WAITS_FOR_LINKS.includes(one));
}

/** Draws kinds so that each comes once before any comes again. */
class Bag {
  private readonly all: readonly Kind[];
  private readonly random: Random;
  private left: Kind[] = [];

  constructor(all: readonly Kind[], random: Random) {
    this.all = all;
    this.random = random;
  }

  take(suits: (kind: Kind) => boolean = () => true): Kind | null {
    if (this.left.length === 0) this.left = this.random.shuffled(this.all);
    const at = this.left.findIndex(suits);
    return at < 0 ? null : (this.left.splice(at, 1)[0] as Kind);
  }
}

/** Makes a plan. @throws when the time is too short for a single fault, or no kind is given */
export function makePlan(options: PlanOptions): Plan {
  const { seed, durationMs, nemeses, faultMs = [3_000, 12_000], quietMs = [4_000, 8_000], pairPct = 35 } = options;
  const recoveryMs = options.recoveryMs ?? Math.min(30_000, Math.floor(durationMs / 3));
  const healMs = durationMs - recoveryMs;
  if (nemeses.length === 0) throw new Error('a plan needs at least one kind of fault');
  const random = seededRandom(seed);
  const bag = new Bag(nemeses, random);
  const found: Omit<PlannedFault, 'fault'>[] = [];
  const add = (kind: Kind, beginMs: number, endMs: number): void => {
    found.push({ nemesis: kind.name, touches: kind.touches, beginMs, endMs });
  };
  for (let nowMs = random.between(...quietMs); ; ) {
    const leftMs = healMs - nowMs;
    const first = bag.take((kind) => (kind.lengthMs ?? faultMs)[0] <= leftMs);
    if (first === null) break;
    const endMs = nowMs + drawLength(first, faultMs, leftMs, random);
    add(first, nowMs, endMs);
    let lastMs = endMs;
    if (random.chance(pairPct)) {
      const beginMs = nowMs + random.below(Math.max(1, Math.floor((endMs - nowMs) / 2)));
      const suits = (kind: Kind): boolean =>
        !excludes(kind.touches, first.touches) && (kind.lengthMs ?? faultMs)[0] <= healMs - beginMs;
      const second = bag.take(suits);
      if (second !== null) {
        const secondEndMs = beginMs + drawLength(second, faultMs, healMs - beginMs, random);
        add(second, beginMs, secondEndMs);
        lastMs = Math.max(lastMs, secondEndMs);
      }
    }
    nowMs = lastMs + random.between(...quietMs);
  }
  if (found.length === 0) throw new Error(`${String(durationMs)} ms are too short for a fault and a recovery`);
  found.sort((a, b) => a.beginMs - b.beginMs);
  return { seed, faults: found.map((each, at) => ({ fault: at + 1, ...each })), healMs, durationMs };
}

function drawLength(kind: Kind, faultMs: readonly [number, number], leftMs: number, random: Random): number {
  const [least, most] = kind.lengthMs ?? faultMs;
  return Math.min(random.between(least, most), leftMs);
}

/** The plan for people, a line each. */
export function describePlan(plan: Plan): string {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`.padStart(8);
  const lines = plan.faults.map(
    ({ fault, nemesis, beginMs, endMs }) =>
      `${String(fault).padStart(3)}  ${seconds(beginMs)} to ${seconds(endMs)}  ${nemesis}`,
  );
  const { seed, healMs, durationMs } = plan;
  const last = `everything whole from ${seconds(healMs).trim()}, end at ${seconds(durationMs).trim()}`;
  return [`plan of seed ${String(seed)}:`, ...lines, `     ${last}`].join('\n');
}
