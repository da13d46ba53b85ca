import * as uvuAssert from 'uvu/assert';
import type { Assert, Body, BodyOptions, Diagnostic, Suite } from '../../../support/suite.ts';

/*
 * Takes the place of test/support/suite.ts in a copy: the tests are run when they are asked for, and the process goes on
 * behind them. The host of many mutants runs those of one after the other.
 */

interface Step {
  readonly body: Body;
  readonly timeoutMs: number;
}

interface Tests {
  readonly tests: Map<string, Step>;
  readonly before: Step[];
  readonly beforeEach: Step[];
  readonly afterEach: Step[];
  readonly after: Step[];
}

/** What became of one test. */
export interface TestResult {
  readonly name: string;
  /** Why it failed; null when it passed. */
  readonly error: string | null;
}

/** How the tests of one file ended. */
export interface FileRun {
  readonly results: readonly TestResult[];
  /** Why the run says nothing about the tests: the cluster did not come up, or did not last; else null. */
  readonly fault: string | null;
}

const DEFAULT_TIMEOUT_MS = 30_000;
/** All nodes start on a machine that may have much else to do. */
const HOOK_TIMEOUT_MS = 90_000;

const suites: Tests[] = [];
let fail: ((error: Error) => void) | null = null;

/** An error that nobody caught: that of the test that runs. */
export function uncaught(error: Error): void {
  fail?.(error);
}

async function runStep({ body, timeoutMs }: Step): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const broken = new Promise<never>((_resolve, reject) => {
    fail = reject;
    timer = setTimeout(() => reject(new Error(`no end after ${String(timeoutMs)} ms`)), timeoutMs);
  });
  try {
    await Promise.race([body(), broken]);
  } finally {
    clearTimeout(timer);
    fail = null;
  }
}

async function messageOf(steps: readonly Step[]): Promise<string | null> {
  let first: string | null = null;
  for (const step of steps) {
    try {
      await runStep(step);
    } catch (error) {
      first ??= error instanceof Error ? error.message || error.name : String(error);
    }
  }
  return first;
}

/** Runs the tests that were declared; of many only those whose name holds a part. */
export async function runDeclared(only: readonly string[]): Promise<FileRun> {
  const results: TestResult[] = [];
  let fault: string | null = null;
  // Out of one copy several files may come, one after the other.
  for (const each of suites.splice(0)) {
    fault ??= await messageOf(each.before);
    for (const [name, step] of fault === null ? each.tests : []) {
      if (only.length > 0 && !only.some((part) => name.includes(part))) continue;
      const error = await messageOf([...each.beforeEach, step]);
      const after = await messageOf(each.afterEach);
      results.push({ name, error: error ?? after });
    }
    const end = await messageOf(each.after);
    fault ??= end;
  }
  return { results, fault };
}

export function suite(_name: string): Suite {
  const own: Tests = { tests: new Map(), before: [], beforeEach: [], afterEach: [], after: [] };
  suites.push(own);
  const into = (list: Step[], atLeastMs: number) => (body: Body, options?: BodyOptions) => {
    list.push({ body, timeoutMs: Math.max(options?.timeoutMs ?? DEFAULT_TIMEOUT_MS, atLeastMs) });
  };
  const declare = (name: string, body: Body, options?: BodyOptions): void => {
    own.tests.set(name, { body, timeoutMs: options?.timeoutMs ?? DEFAULT_TIMEOUT_MS });
  };
  return Object.assign(declare, {
    before: Object.assign(into(own.before, HOOK_TIMEOUT_MS), { each: into(own.beforeEach, 0) }),
    after: Object.assign(into(own.after, HOOK_TIMEOUT_MS), { each: into(own.afterEach, 0) }),
    run: () => {},
  });
}

async function rejects(
  promise: PromiseLike<unknown> | (() => PromiseLike<unknown>),
  expected?: RegExp | string,
): Promise<void> {
  try {
    await (typeof promise === 'function' ? promise() : promise);
  } catch (error) {
    if (expected instanceof RegExp) uvuAssert.match((error as Error).message, expected);
    else if (expected !== undefined) uvuAssert.is((error as NodeJS.ErrnoException).code, expected);
    return;
  }
  uvuAssert.unreachable('expected the promise to be rejected, but it was fulfilled');
}

export const assert: Assert = { ...uvuAssert, rejects };

export function onFailure(_diagnostic: Diagnostic): () => void {
  return () => {};
}

export function note(_line: string): void {}

export function asProgram(): void {}
