import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../../../packages/cli/bin/quorate.js', import.meta.url));
const FAKE = fileURLToPath(new URL('./fake-quorate.ts', import.meta.url));
const EXEC_ARGS = ['--conditions=source', '--import', 'tsx'];

/** A command that runs, and what it has written so far. */
export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';
  readonly #watchers = new Set<() => void>();

  constructor(script: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.child = spawn(process.execPath, [...EXEC_ARGS, script, ...args], {
      cwd: options.cwd ?? process.cwd(),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stdout?.setEncoding('utf8').on('data', (chunk: string) => {
      this.stdout += chunk;
      this.#changed();
    });
    this.child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
      this.stderr += chunk;
      this.#changed();
    });
    this.ended = new Promise((done) => {
      this.child.once('close', (code) => {
        this.#changed();
        done(code);
      });
    });
  }

  #changed(): void {
    for (const watcher of this.#watchers) watcher();
  }

  /** Resolves with the match as soon as the output has it; rejects when the command ends before. */
  until(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((done, fail) => {
      const look = (): void => {
        const found = pattern.exec(this.stdout + this.stderr);
        const over = this.child.exitCode !== null || this.child.signalCode !== null;
        if (found === null && !over) return;
        this.#watchers.delete(look);
        if (found !== null) done(found);
        else fail(new Error(`ended without ${String(pattern)}:\n${this.stdout}${this.stderr}`));
      };
      this.#watchers.add(look);
      look();
    });
  }
}

/** The real `quorate`, from the sources. */
export function quorate(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Command {
  return new Command(BIN, args, options);
}

/** `quorate` whose nodes only pretend. */
export function fakeQuorate(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Command {
  return new Command(FAKE, args, options);
}

/** Runs the real `quorate` to its end. */
export async function run(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }) {
  const command = quorate(args, options);
  const code = await command.ended;
  return { code, stdout: command.stdout, stderr: command.stderr };
}
