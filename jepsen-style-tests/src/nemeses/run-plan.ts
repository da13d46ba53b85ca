import { setTimeout as delay } from 'node:timers/promises';
import type { NemesisEvent } from '../history/operation.ts';
import type { Begun, Nemesis, NemesisContext } from './nemesis.ts';
import type { Plan, PlannedFault } from './plan.ts';
import { seededRandom } from './random.ts';

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

interface Step {
  readonly atMs: number;
  readonly phase: 'begin' | 'end';
  readonly planned: PlannedFault;
}

/** Does what the plan says. When it resolves everything is whole again. */
export async function runPlan(options: RunPlanOptions): Promise<PlanResult> {
  const run = new PlanRun(options);
  for (const step of stepsOf(options.plan)) {
    if (!(await waitFor(step.atMs, options))) break;
    await run.take(step);
  }
  return run.heal();
}

/** In the order of time; of two at the same time ends come first. */
export function stepsOf(plan: Plan): Step[] {
  return plan.faults
    .flatMap((planned): Step[] => [
      { atMs: planned.beginMs, phase: 'begin', planned },
      { atMs: planned.endMs, phase: 'end', planned },
    ])
    .sort((a, b) => a.atMs - b.atMs || (a.phase === b.phase ? 0 : a.phase === 'end' ? -1 : 1));
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

class PlanRun {
  private readonly options: RunPlanOptions;
  private readonly active = new Map<number, { readonly planned: PlannedFault; readonly begun: Begun }>();
  private readonly problems: string[] = [];
  private begun = 0;

  constructor(options: RunPlanOptions) {
    this.options = options;
  }

  async take({ phase, planned }: Step): Promise<void> {
    if (phase === 'end') return this.end(planned);
    const { nemeses, context, plan } = this.options;
    const nemesis = nemeses.find((each) => each.name === planned.nemesis);
    if (nemesis === undefined) throw new Error(`no fault is called ${planned.nemesis}`);
    try {
      const begun = await nemesis.begin(context, seededRandom(plan.seed).fork(`fault ${String(planned.fault)}`));
      if (begun === null) {
        context.note(`fault ${String(planned.fault)}, ${planned.nemesis}: there was nothing to do it to`);
        return;
      }
      this.begun++;
      this.active.set(planned.fault, { planned, begun });
      this.write(planned, 'begin', begun);
    } catch (error) {
      this.problem(planned, 'did not begin', error);
    }
  }

  async heal(): Promise<PlanResult> {
    for (const { planned } of [...this.active.values()]) await this.end(planned);
    const { links, cluster } = this.options.context;
    await links.clear();
    for (const node of cluster.nodes) {
      node.resume();
      if (!node.running) await node.start();
    }
    return { healedAtMs: this.options.nowMs(), begun: this.begun, problems: this.problems };
  }

  private async end(planned: PlannedFault): Promise<void> {
    const active = this.active.get(planned.fault);
    if (active === undefined) return;
    this.active.delete(planned.fault);
    try {
      await active.begun.end();
    } catch (error) {
      this.problem(planned, 'did not end as it should', error);
    }
    this.write(planned, 'end', active.begun);
  }

  private write({ fault, nemesis }: PlannedFault, phase: 'begin' | 'end', { detail, nodes }: Begun): void {
    const atMs = this.options.nowMs();
    this.options.write({ kind: 'nemesis', atMs, fault, name: nemesis, phase, detail, nodes });
  }

  private problem({ fault, nemesis }: PlannedFault, what: string, error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error);
    this.problems.push(`fault ${String(fault)}, ${nemesis}, ${what}: ${reason}`);
  }
}
