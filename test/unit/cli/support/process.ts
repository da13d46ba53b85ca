import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const BIN = fileURLToPath(new URL('../../../../packages/cli/bin/quorate.js', import.meta.url));
const FAKE = fileURLToPath(new URL('./fake-quorate.ts', import.meta.url));
const FROM_SOURCES = ['--conditions=source', '--import', 'tsx'];

/**
 * Arguments of Node.js for the real `quorate`: from the build, which starts in a third of the time, where `make` has just
 * made one, else from the sources.
 */
export const QUORATE: readonly string[] = [...(process.env['QUORATE_TEST_BUILT'] === '1' ? [] : FROM_SOURCES), BIN];

/** A command that runs, and what it has written so far. */
export class Command {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';
  readonly #watchers = new Set<() => void>();

  constructor(args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
    this.child = spawn(process.execPath, args, {
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

/** The real `quorate`. */
export function quorate(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Command {
  return new Command([...QUORATE, ...args], options);
}

/** `quorate` whose nodes only pretend. */
export function fakeQuorate(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Command {
  return new Command([...FROM_SOURCES, FAKE, ...args], options);
}

/** Runs the real `quorate` to its end. */
export async function run(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }) {
  const command = quorate(args, options);
  const code = await command.ended;
  return { code, stdout: command.stdout, stderr: command.stderr };
}
