import { execFile } from 'node:child_process';
import { QUORATE } from './node-process.ts';

/** How a run of `quorate` ended. */
export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const TIMEOUT_MS = 60_000;

/** Runs `quorate` with these arguments to its end, as an operator does. */
export async function quorate(...args: readonly string[]): Promise<CommandResult> {
  return new Promise((done) => {
    const child = execFile(process.execPath, [QUORATE, ...args], { timeout: TIMEOUT_MS }, (_error, stdout, stderr) => {
      done({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}
