import { suite as uvuSuite } from 'uvu';
import * as uvuAssert from 'uvu/assert';
import { seedReport } from './seed.ts';

/*
 * A thin wrapper over uvu 0.5.6 that closes its holes. In plain uvu a `before` hook that throws passes, an
 * `after.each` that throws hides the failure of the test before it, a forgotten `run()` runs nothing and passes, and
 * nothing has a time limit. Here every one of these fails the file with a non-zero exit code.
 *
 * The last line a file prints is `# tests=<declared> passed=<passed>`; the runner adds these up.
 *
 * QUORATE_TEST_ONLY, one part of a name a line: only the tests whose name holds one of them are declared.
 */

/** A test body or hook. */
export type Body = () => unknown;

/** Options of one test or hook. */
export interface BodyOptions {
  /** How long the body may take in milliseconds; 60 s by default. */
  readonly timeoutMs?: number;
}

/** Says what the state of something was when a test failed; undefined when there is nothing to say. */
export type Diagnostic = () => string | undefined;

interface Hook {
  (body: Body, options?: BodyOptions): void;
  /** Around every single test instead of once around the suite. */
  readonly each: (body: Body, options?: BodyOptions) => void;
}

/** Declares a test of the suite. */
export interface Suite {
  (name: string, body: Body, options?: BodyOptions): void;
  readonly before: Hook;
  readonly after: Hook;
  /** Queues the suite; to be called once, after the last declaration. */
  readonly run: () => void;
}

interface Step {
  readonly body: Body;
  readonly timeoutMs: number;
}

interface SuiteState {
  readonly name: string;
  readonly before: Step[];
  readonly beforeEach: Step[];
  readonly afterEach: Step[];
  readonly after: Step[];
  declared: number;
  ran: number;
  passed: number;
  queued: boolean;
  finished: boolean;
}

const ONLY = process.env['QUORATE_TEST_ONLY']?.split('\n').filter((part) => part !== '');
const DEFAULT_TIMEOUT_MS = 60_000;
const EXIT_GRACE_MS = 5_000;

const suites: SuiteState[] = [];
const faults: string[] = [];
const diagnostics = new Set<Diagnostic>();
let running: { readonly title: string; readonly fail: (error: Error) => void } | undefined;
let program = false;
let exitTimer: NodeJS.Timeout | undefined;
let hung = false;

function toError(value: unknown): Error {
  return value instanceof Error ? value : new Error(`thrown value is not an Error: ${String(value)}`);
}

/** For uvu, which takes `details` of any error for the text of a failed comparison, and breaks on anything else. */
function forUvu(error: Error): Error {
  const { details } = error as Error & { readonly details?: unknown };
  if (details === undefined || typeof details === 'string') return error;
  const plain = new Error(error.message, { cause: error });
  plain.name = error.name;
  if (error.stack !== undefined) plain.stack = error.stack;
  return plain;
}

/**
 * Registers text to be printed right after a test or hook fails, before the hooks after it clean up.
 *
 * @returns takes the registration back
 */
export function onFailure(diagnostic: Diagnostic): () => void {
  diagnostics.add(diagnostic);
  return () => diagnostics.delete(diagnostic);
}

function diagnose(title: string, error: unknown): void {
  // uvu prints none, and a failed property of fast-check says what it found in nothing else.
  for (let cause = toError(error).cause; cause instanceof Error; { cause } = cause) {
    process.stdout.write(`\n[${title}: cause]\n${cause.stack ?? cause.message}\n`);
  }
  for (const diagnostic of diagnostics) {
    const text = diagnostic();
    if (text !== undefined) process.stdout.write(`\n[${title} failed]\n${text}\n`);
  }
}

function addFault(where: string, error: Error): void {
  faults.push(`${where}: ${error.stack ?? error.message}`);
}

/** Runs one body under its time limit; an uncaught error anywhere in the process ends it early. */
async function runStep(title: string, step: Step): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const outer = running;
  const broken = new Promise<never>((_resolve, reject) => {
    running = { title, fail: reject };
    timer = setTimeout(() => {
      reject(new Error(`${title}: no end after ${String(step.timeoutMs)} ms`));
    }, step.timeoutMs);
  });
  try {
    await Promise.race([step.body(), broken]);
  } catch (error) {
    throw toError(error);
  } finally {
    clearTimeout(timer);
    running = outer;
  }
}

/** One test with the hooks around it. The after hooks always run; the first error wins, later ones are faults. */
async function runTest(state: SuiteState, title: string, test: Step): Promise<void> {
  let first: Error | undefined;
  const keep = (error: unknown): void => {
    if (first === undefined) first = toError(error);
    else addFault(title, toError(error));
  };
  state.ran++;
  try {
    for (const hook of state.beforeEach) await runStep(`${title}, before each`, hook);
    await runStep(title, test);
  } catch (error) {
    keep(error);
    diagnose(title, error);
  }
  for (const hook of state.afterEach) await runStep(`${title}, after each`, hook).catch(keep);
  if (first !== undefined) throw forUvu(first);
  state.passed++;
}

/**
 * Starts a suite of tests.
 *
 * @param name printed before the results; unique within a file
 */
export function suite(name: string): Suite {
  const inner = uvuSuite(name);
  const state: SuiteState = {
    name,
    before: [],
    beforeEach: [],
    afterEach: [],
    after: [],
    declared: 0,
    ran: 0,
    passed: 0,
    queued: false,
    finished: false,
  };
  suites.push(state);

  const step = (body: Body, options?: BodyOptions): Step => {
    if (state.queued) throw new Error(`suite ${name}: declaration after run()`);
    return { body, timeoutMs: options?.timeoutMs ?? DEFAULT_TIMEOUT_MS };
  };
  const into = (list: Step[]) => (body: Body, options?: BodyOptions) => {
    list.push(step(body, options));
  };
  const declare = (title: string, body: Body, options?: BodyOptions): void => {
    const test = step(body, options);
    if (ONLY?.some((part) => title.includes(part)) === false) return;
    state.declared++;
    inner(title, () => runTest(state, `${name} > ${title}`, test));
  };
  const run = (): void => {
    if (state.queued) throw new Error(`suite ${name}: run() called twice`);
    state.queued = true;
    inner.before(() => runBefore(state));
    inner.after(() => runAfter(state));
    inner.run();
  };
  return Object.assign(declare, {
    before: Object.assign(into(state.before), { each: into(state.beforeEach) }),
    after: Object.assign(into(state.after), { each: into(state.afterEach) }),
    run,
  });
}

async function runBefore(state: SuiteState): Promise<void> {
  for (const hook of state.before) {
    try {
      await runStep(`${state.name}, before`, hook);
    } catch (error) {
      addFault(`${state.name}, before`, toError(error));
      diagnose(`${state.name}, before`, error);
      // uvu swallows this; it only keeps the tests from running.
      throw error;
    }
  }
}

async function runAfter(state: SuiteState): Promise<void> {
  for (const hook of state.after) {
    await runStep(`${state.name}, after`, hook).catch((error: unknown) => {
      addFault(`${state.name}, after`, toError(error));
    });
  }
  state.finished = true;
  if (suites.every((each) => each.finished || !each.queued)) watchExit();
}

/** After the last test the process must end by itself. The timer does not keep it alive. */
function watchExit(): void {
  clearTimeout(exitTimer);
  exitTimer = setTimeout(() => {
    if (!suites.every((each) => each.finished || !each.queued)) return;
    hung = true;
    const open = process.getActiveResourcesInfo().join(', ');
    faults.push(`still alive ${String(EXIT_GRACE_MS)} ms after the last test; open: ${open}`);
    process.exit(1);
  }, EXIT_GRACE_MS);
  exitTimer.unref();
}

function onUncaught(kind: string): (value: unknown) => void {
  return (value) => {
    const error = toError(value);
    if (program) {
      // It has no suite whose end would tell.
      console.error(`${kind}:`, error);
      process.exitCode = 1;
    }
    addFault(`${kind} during ${running?.title ?? 'no test'}`, error);
    running?.fail(error);
  };
}

/** This process is a program that only uses what tests use: it declares no suite, and its exit code is its own. */
export function asProgram(): void {
  program = true;
}

function report(): void {
  if (program) return;
  if (suites.length === 0) faults.push('no suite was declared');
  for (const each of suites) {
    if (!each.queued) faults.push(`suite ${each.name}: run() was never called`);
    else if (each.declared === 0) faults.push(`suite ${each.name}: has no tests`);
    else if (!each.finished && !hung) faults.push(`suite ${each.name}: the process ended before the suite did`);
    else if (each.ran !== each.declared) {
      faults.push(`suite ${each.name}: ran ${String(each.ran)} of ${String(each.declared)} tests`);
    }
  }
  const declared = suites.reduce((sum, each) => sum + each.declared, 0);
  const passed = suites.reduce((sum, each) => sum + each.passed, 0);
  if (faults.length > 0 || passed !== declared) process.exitCode = 1;
  const failed = process.exitCode !== undefined && process.exitCode !== 0;
  let text = '';
  for (const fault of faults) text += `\nFAULT ${fault}\n`;
  const seeds = failed ? seedReport() : undefined;
  if (seeds !== undefined) text += `\n${seeds}\n`;
  process.stdout.write(`${text}# tests=${String(declared)} passed=${String(passed)}\n`);
}

process.on('unhandledRejection', onUncaught('unhandled rejection'));
process.on('uncaughtException', onUncaught('uncaught exception'));
process.on('exit', report);

async function rejects(promise: Rejecting, expected?: RegExp | string): Promise<void> {
  let error: Error & { readonly code?: unknown };
  try {
    await (typeof promise === 'function' ? promise() : promise);
  } catch (thrown) {
    error = toError(thrown);
    if (expected === undefined) return;
    if (typeof expected === 'string') uvuAssert.is(error.code, expected, `code of: ${error.stack ?? error.message}`);
    else uvuAssert.match(error.message, expected);
    return;
  }
  uvuAssert.unreachable('expected the promise to be rejected, but it was fulfilled');
}

type Rejecting = PromiseLike<unknown> | (() => PromiseLike<unknown>);

/** uvu/assert and {@link Assert.rejects}. */
export type Assert = typeof uvuAssert & {
  /**
   * Demands that a promise is rejected.
   *
   * @param promise the promise, or a function that makes it
   * @param expected a pattern for the message, or the exact value of the error's `code`
   */
  readonly rejects: (promise: Rejecting, expected?: RegExp | string) => Promise<void>;
};

export const assert: Assert = { ...uvuAssert, rejects };

/** A figure that a run should show also when it passes: the runner repeats such lines. */
export function note(line: string): void {
  console.log(`\n> ${line}`);
}
