import { setTimeout as delay } from 'node:timers/promises';
import type { NemesisEvent } from '../history/operation.ts';
import { seededRandom } from '../random.ts';
import type { Begun, Nemesis, NemesisContext } from './nemesis.ts';
import { excludes, type Plan, type PlannedFault } from './plan.ts';

/** Less than this is no delay. */
const SLACK_MS = 100;
/** So much of the time to recover may a late fault take. */
const LATE_PART = 0.1;

export interface RunPlanOptions {
  readonly plan: Plan;
  readonly nemeses: readonly Nemesis[];
  readonly context: NemesisContext;
  /** Milliseconds since the run began, on the machine's monotonic clock. */
  readonly nowMs: () => number;
  readonly write: (event: NemesisEvent) => void;
  /** Ends the faults of the moment and begins no more. */
  readonly signal?: AbortSignal;
}

/** What came of a plan. */
export interface PlanResult {
  /** When everything was whole again: all faults ended, all processes running. */
  readonly healedAtMs: number;
  /** Faults that began. */
  readonly begun: number;
  /** What went wrong with the faults themselves, which is no finding about the broker but one about the run. */
  readonly problems: readonly string[];
}

/**
 * Does what the plan says. When it resolves everything is whole again.
 *
 * Some faults take longer to begin or to end than was planned. Then all that follows moves by as much, so that faults and the
 * quiet between them keep their lengths; what would no longer end before the plan's time of healing is left out.
 */
export async function runPlan(options: RunPlanOptions): Promise<PlanResult> {
  const run = new PlanRun(options);
  const waiting = [...options.plan.faults];
  for (;;) {
    while (waiting[0] !== undefined && run.isLeftOut(waiting[0])) waiting.shift();
    const next = waiting[0];
    const end = run.nextEnd();
    if (next === undefined && end === null) break;
    if (end !== null && (next === undefined || end.dueMs <= run.dueMs(next) || run.isBlocked(next))) {
      if (!(await waitFor(end.dueMs, options))) break;
      await run.end(end);
    } else if (next !== undefined) {
      if (!(await waitFor(run.dueMs(next), options))) break;
      waiting.shift();
      await run.begin(next);
    }
  }
  return run.heal();
}

/** False when the run is to end. */
async function waitFor(atMs: number, { nowMs, signal }: RunPlanOptions): Promise<boolean> {
  if (signal?.aborted === true) return false;
  const leftMs = atMs - nowMs();
  if (leftMs <= 0) return true;
  try {
    await delay(leftMs, undefined, signal === undefined ? {} : { signal });
    return true;
  } catch {
    return false;
  }
}

interface Active {
  readonly planned: PlannedFault;
  readonly begun: Begun;
  readonly dueMs: number;
}

class PlanRun {
  private readonly options: RunPlanOptions;
  private readonly active = new Set<Active>();
  private readonly problems: string[] = [];
  private begun = 0;
  /** By how much the run is behind its plan. */
  private slipMs = 0;

  constructor(options: RunPlanOptions) {
    this.options = options;
  }

  /** When a fault is to begin, as things stand. */
  dueMs(planned: PlannedFault): number {
    return planned.beginMs + this.slipMs;
  }

  /** Whether it would end after everything is to be whole; says so. */
  isLeftOut({ fault, nemesis, endMs }: PlannedFault): boolean {
    const { plan, context } = this.options;
    if (endMs + this.slipMs <= plan.healMs + LATE_PART * (plan.durationMs - plan.healMs)) return false;
    const late = (this.slipMs / 1000).toFixed(1);
    context.note(`fault ${String(fault)}, ${nemesis}, is left out: the plan is ${late} s late`);
    return true;
  }

  /** Whether one that goes on, since it is late, excludes this one. */
  isBlocked(planned: PlannedFault): boolean {
    return [...this.active].some((each) => excludes(each.planned.touches, planned.touches));
  }

  /** The fault that ends next. */
  nextEnd(): Active | null {
    let first: Active | null = null;
    for (const each of this.active) if (first === null || each.dueMs < first.dueMs) first = each;
    return first;
  }

  async begin(planned: PlannedFault): Promise<void> {
    const { nemeses, context, plan, nowMs } = this.options;
    const { fault, nemesis: name, beginMs, endMs } = planned;
    this.slipTo(nowMs() - beginMs);
    if (this.isLeftOut(planned)) return;
    const nemesis = nemeses.find((each) => each.name === name);
    if (nemesis === undefined) throw new Error(`no fault is called ${name}`);
    try {
      const begun = await nemesis.begin(context, seededRandom(plan.seed).fork(`fault ${String(fault)}`));
      if (begun === null) {
        context.note(`fault ${String(fault)}, ${name}: there was nothing to do it to`);
        return;
      }
      this.begun++;
      this.active.add({ planned, begun, dueMs: nowMs() + endMs - beginMs });
      this.write(planned, 'begin', begun);
    } catch (error) {
      this.problem(planned, 'did not begin', error);
    }
  }

  async end(active: Active): Promise<void> {
    const { planned, begun } = active;
    this.active.delete(active);
    try {
      await begun.end();
    } catch (error) {
      this.problem(planned, 'did not end as it should', error);
    }
    this.write(planned, 'end', begun);
    this.slipTo(this.options.nowMs() - planned.endMs);
  }

  async heal(): Promise<PlanResult> {
    for (const each of [...this.active]) await this.end(each);
    const { links, cluster } = this.options.context;
    await links.clear();
    for (const node of cluster.nodes) {
      node.resume();
      if (!node.running) await node.start();
    }
    return { healedAtMs: this.options.nowMs(), begun: this.begun, problems: this.problems };
  }

  private slipTo(ms: number): void {
    // Timers are never exact; that is no delay.
    if (ms > this.slipMs + SLACK_MS) this.slipMs = ms;
  }

  private write({ fault, nemesis }: PlannedFault, phase: 'begin' | 'end', { detail, nodes, out }: Begun): void {
    const atMs = this.options.nowMs();
    this.options.write({ kind: 'nemesis', atMs, fault, name: nemesis, phase, detail, nodes, ...(out && { out }) });
  }

  private problem({ fault, nemesis }: PlannedFault, what: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.problems.push(`fault ${String(fault)}, ${nemesis}, ${what}: ${reason}`);
  }
}
