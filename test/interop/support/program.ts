import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { onFailure } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';

const running = new Set<Program>();

/** Another program that a test runs, seen line by line. */
export class Program {
  /** Lines of stdout. */
  readonly lines: string[] = [];
  readonly name: string;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<number | null>;
  readonly #forget: () => void;
  #errors = '';

  constructor(command: string, args: readonly string[]) {
    this.name = `${command} ${args.join(' ')}`;
    this.#child = spawn(command, args);
    this.#ended = once(this.#child, 'close').then(([code]) => code as number | null);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.lines.push(line));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-10_000);
    });
    // It may end before it has read everything.
    this.#child.stdin.on('error', () => {});
    this.#forget = onFailure(() => `--- ${this.name}\n${this.lines.slice(-40).join('\n')}\n${this.#errors}`);
    running.add(this);
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  /** Waits for a line that is so, from `from` on; returns it. */
  async line(what: string, isWanted: (line: string) => boolean, from = 0): Promise<string> {
    return waitFor(() => this.lines.slice(from).find(isWanted), {
      what: `${what} from ${this.name}`,
      timeoutMs: 20_000,
    });
  }

  get errors(): string {
    return this.#errors;
  }

  /** The exit code, once it has ended by itself. */
  async ended(): Promise<number | null> {
    const code = await this.#ended;
    running.delete(this);
    this.#forget();
    return code;
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    this.#child.kill(signal);
    await this.ended();
  }
}

/** For an `after` hook: a test that failed has not ended what it started. */
export async function killPrograms(): Promise<void> {
  await Promise.all([...running].map((program) => program.kill()));
}

process.on('exit', () => {
  for (const program of running) void program.kill();
});

/** Runs a program to its end, which must be a success; returns what it printed. */
export async function run(command: string, ...args: readonly string[]): Promise<string[]> {
  const program = new Program(command, args);
  const code = await program.ended();
  if (code !== 0) throw new Error(`${program.name} ended with ${String(code)}: ${program.errors}`);
  return program.lines;
}

/** The first Python that has Paho: another one than the distribution's may come first on the PATH. */
export function pythonWithPaho(): string {
  for (const python of ['/usr/bin/python3', 'python3']) {
    try {
      execFileSync(python, ['-c', 'import paho.mqtt.client'], { stdio: 'ignore' });
      return python;
    } catch {
      // The next one.
    }
  }
  throw new Error('no Python with Paho: apt-get install python3-paho-mqtt');
}
