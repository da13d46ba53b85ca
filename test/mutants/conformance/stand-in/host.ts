import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { FileRun, runDeclared, uncaught } from './suite.ts';

/** Runs the tests of files out of one copy after the other, each loaded anew. The program of a process of its own. */

/** What the host is to do next. */
export interface HostRequest {
  readonly copy: string;
  /** Of test/conformance, without `.test.ts`. */
  readonly file: string;
  readonly only: readonly string[];
}

interface SuiteModule {
  readonly runDeclared: typeof runDeclared;
  readonly uncaught: typeof uncaught;
}

let current: SuiteModule | null = null;
let broken: string | null = null;

function onUncaught(value: unknown): void {
  const error = value instanceof Error ? value : new Error(String(value));
  // Of a node, not of a test: a process of its own would have ended.
  if (error.stack?.includes('/packages/') === true) broken ??= `a node broke down: ${error.message}`;
  current?.uncaught(error);
}

async function run({ copy, file, only }: HostRequest): Promise<FileRun> {
  const load = (path: string): Promise<unknown> => import(pathToFileURL(join(copy, path)).href);
  current = (await load('test/support/suite.js')) as SuiteModule;
  broken = null;
  await load(`test/conformance/${file}.test.js`);
  const { results, fault } = await current.runDeclared(only);
  return { results, fault: fault ?? broken };
}

process.setMaxListeners(0);
process.on('uncaughtException', onUncaught);
process.on('unhandledRejection', onUncaught);
process.on('message', (request) => {
  const failed = (error: unknown): FileRun => ({ results: [], fault: String(error) });
  void run(request as HostRequest)
    .catch(failed)
    .then((answer) => process.send?.(answer));
});
