import type { Minimised } from './minimise.ts';
import type { SimulationResult } from './simulation.ts';

/** Lines of the trace that are shown before a failure. */
const TRACE_LINES = 80;
/** Lines of a minimised failure that say what happened to nodes. */
const EVENT_LINES = 120;
const EVENTS =
  / (?:fault|world|operator) |(?: start| crash| wipe| set aside| stands in| fatal| pause| resume| drain| clock jumps) | leads term |snapshot|taken back|let in|gets its vote|given up| founded /;

/** Adds up what many seeds did. */
export class Totals {
  seeds = 0;
  virtualMs = 0;
  events = 0;
  readonly counts = new Map<string, number>();
  readonly failed: SimulationResult[] = [];

  add(result: SimulationResult): void {
    this.seeds++;
    this.virtualMs += result.virtualMs;
    this.events += result.events;
    for (const [kind, count] of result.counts) this.counts.set(kind, (this.counts.get(kind) ?? 0) + count);
    if (result.violation !== null) this.failed.push(result);
  }
}

/** What was done, in lines for a person. */
export function summary(totals: Totals, realSeconds: number, faultKinds: readonly string[]): string {
  const { seeds, virtualMs, events, counts, failed } = totals;
  const list = (kinds: readonly string[]): string =>
    kinds.map((kind) => `    ${String(counts.get(kind) ?? 0).padStart(9)}  ${kind}`).join('\n');
  const others = [...counts.keys()].filter((kind) => !faultKinds.includes(kind)).sort();
  const invariants = new Map<string, number>();
  for (const { violation } of failed) {
    if (violation !== null) invariants.set(violation.invariant, (invariants.get(violation.invariant) ?? 0) + 1);
  }
  return [
    `${seeds} seeds, ${(virtualMs / 3_600_000).toFixed(2)} virtual hours in ${realSeconds.toFixed(1)} s: ` +
      `${(seeds / realSeconds).toFixed(1)} seeds/s, ${(virtualMs / 1000 / realSeconds).toFixed(0)} virtual seconds per second, ` +
      `${Math.round(events / realSeconds)} events/s`,
    '  faults',
    list(faultKinds),
    '  other',
    list(others),
    failed.length === 0
      ? `  every promise kept`
      : `  ${failed.length} seeds failed: ${[...invariants].map(([name, count]) => `${name} ${count}`).join(', ')}`,
  ].join('\n');
}

/** One failure: what, when, and how to see it again. */
export function describeFailure(result: SimulationResult, seconds: number, leftOut: readonly number[] = []): string {
  const { seed, violation } = result;
  if (violation === null) return `seed ${seed}: every promise kept`;
  const less = leftOut.length === 0 ? '' : ` --leave-out ${leftOut.join()}`;
  return [
    `seed ${seed}: ${violation.invariant} at ${(violation.atMs / 1000).toFixed(6)} s`,
    `  ${violation.message}`,
    `  replay: node packages/simulator/dist/main.js --replay ${seed} --seconds ${seconds}${less}`,
  ].join('\n');
}

/** What is left of a failure when the faults that it does not need are left out. */
export function describeMinimised({ result, leftOut, runs }: Minimised, seconds: number): string {
  const { faults, trace, violation } = result;
  const events = trace.filter((line) => EVENTS.test(line));
  return [
    `with ${faults.length} faults instead of ${faults.length + leftOut.length} (${runs} runs), ${violation?.invariant ?? 'nothing'} still:`,
    ...faults.map(({ number, name, atMs }) => `  ${(atMs / 1000).toFixed(3).padStart(9)} s  #${number} ${name}`),
    'faults and nodes:',
    ...events.slice(-EVENT_LINES),
    describeFailure(result, seconds, leftOut),
  ].join('\n');
}

/** The newest lines of a trace. */
export function traceOf(result: SimulationResult, all: boolean): string {
  return (all ? result.trace : result.trace.slice(-TRACE_LINES)).join('\n');
}
