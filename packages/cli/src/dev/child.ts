import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, createWriteStream, openSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { formatLogLine } from './log-line.ts';
import type { NodePlan } from './plan.ts';

/** How a node ended. */
export interface Exit {
  /** `exit code 1` or `killed by SIGKILL`. */
  readonly how: string;
  /** The sentence that the node wrote to standard error, if any. */
  readonly sentence: string | undefined;
}

/** A node that runs as a child process. */
export interface Child {
  readonly plan: NodePlan;
  readonly pid: number | undefined;
  /** False from the moment it ended. */
  readonly running: () => boolean;
  readonly exited: Promise<Exit>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
}

const MAX_SENTENCE = 2_000;

/** Copies standard output to the log file and, for people, to this terminal. */
function tee(child: ChildProcess, plan: NodePlan): void {
  if (child.stdout === null) return;
  const file = createWriteStream(plan.logFile, { flags: 'a' });
  const lines = createInterface({ input: child.stdout });
  lines.on('line', (line) => {
    file.write(`${line}\n`);
    process.stdout.write(`${formatLogLine(plan.id, line)}\n`);
  });
  lines.once('close', () => file.end());
}

/**
 * Starts a node with this program's own Node.js and script.
 *
 * It has a process group of its own, so that Ctrl-C reaches this process only, which then stops it in order; and an
 * IPC channel, by whose end it notices that this process is gone.
 */
export function startChild(plan: NodePlan, verbose: boolean): Child {
  const script = process.argv[1] ?? '';
  // The log of this run only.
  const log = openSync(plan.logFile, 'w');
  const child = spawn(process.execPath, [...process.execArgv, script, ...plan.args], {
    stdio: ['ignore', verbose ? 'pipe' : log, 'pipe', 'ipc'],
    detached: true,
  });
  closeSync(log);
  if (verbose) tee(child, plan);
  let errors = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errors = (errors + chunk).slice(-MAX_SENTENCE);
    if (verbose) process.stderr.write(chunk);
  });
  const exited = new Promise<Exit>((done) => {
    child.once('error', (error) => {
      done({ how: error.message, sentence: undefined });
    });
    child.once('close', (code, signal) => {
      const how = signal === null ? `exit code ${String(code)}` : `killed by ${signal}`;
      const sentence = errors.split('\n').find((line) => line.startsWith('quorate: '));
      done({ how, sentence: sentence?.slice('quorate: '.length) });
    });
  });
  const running = (): boolean => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  return {
    plan,
    pid: child.pid,
    running,
    exited,
    kill: (signal) => {
      if (running()) child.kill(signal);
    },
  };
}
