import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';

/** What a shell may say on standard error before older lines are forgotten. */
const MAX_ERROR_CHARS = 4_000;

/**
 * A shell in a network namespace of its own. It holds the namespace, and it changes it without a new process to enter it.
 * It ends when its standard input does, so with this process, however that ends.
 */
export class HostShell {
  private readonly child: ChildProcessWithoutNullStreams;
  private output = '';
  private errors = '';
  private waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null = null;
  private last: Promise<void> = Promise.resolve();
  private readonly ended: Promise<void>;

  private constructor(child: ChildProcessWithoutNullStreams) {
    this.child = child;
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => this.read(chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      this.errors = (this.errors + chunk).slice(-MAX_ERROR_CHARS);
    });
    // A shell that has ended takes no more input; `ended` says so.
    child.stdin.on('error', () => {});
    this.ended = new Promise((resolve) => {
      const end = (why: string): void => {
        this.waiting?.reject(new Error(`the shell of a namespace ended (${why}): ${this.errors.trim()}`));
        this.waiting = null;
        resolve();
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${String(code)}`));
    });
  }

  /** Resolves when the namespace is there. */
  static async open(): Promise<HostShell> {
    const shell = new HostShell(spawn('unshare', ['--net', 'sh'], { stdio: ['pipe', 'pipe', 'pipe'] }));
    await shell.run(':');
    return shell;
  }

  /** Any process of this namespace: the way into it. */
  get pid(): number {
    if (this.child.pid === undefined) throw new Error('the shell of a namespace did not start');
    return this.child.pid;
  }

  /** Runs a script; rejects with what it wrote to standard error when its last command fails. In the order of the calls. */
  run(script: string): Promise<void> {
    const run = (): Promise<void> =>
      new Promise((resolve, reject) => {
        if (this.child.exitCode !== null || this.child.signalCode !== null || this.child.pid === undefined) {
          reject(new Error('the shell of a namespace has ended'));
          return;
        }
        this.waiting = { resolve, reject };
        this.errors = '';
        this.child.stdin.write(`${script}\necho "ended $?"\n`);
      });
    const result = this.last.then(run);
    this.last = result.catch(() => {});
    return result;
  }

  /** All lines in one process. */
  async batch(tool: 'ip' | 'tc', lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.run(`${tool} -batch - <<'END'\n${lines.join('\n')}\nEND`);
  }

  async close(): Promise<void> {
    this.child.stdin.end();
    await this.ended;
  }

  private read(chunk: string): void {
    this.output += chunk;
    for (;;) {
      const end = this.output.indexOf('\n');
      if (end < 0) return;
      const line = this.output.slice(0, end);
      this.output = this.output.slice(end + 1);
      const code = /^ended (\d+)$/.exec(line)?.[1];
      if (code === undefined || this.waiting === null) continue;
      const { resolve, reject } = this.waiting;
      this.waiting = null;
      if (code === '0') resolve();
      // Standard error is another pipe: what was written before may be read after.
      else setImmediate(() => reject(new Error(`exit code ${code}: ${this.errors.trim()}`)));
    }
  }
}
