import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ClientCommand, ClientCounts, ClientPlan, ClientReport } from './plan.ts';

/** In front of a command, so that it runs on a host; and the plan of the process there. */
export interface ClientHost {
  readonly commandPrefix: readonly string[];
  readonly plan: ClientPlan;
}

const KEPT_ERROR_CHARS = 4_000;
/** After drain: deliveries have ended when there was none for this long, in milliseconds. */
const QUIET_MS = 1_500;
const STOP_TIMEOUT_MS = 30_000;

/** One client process, as its coordinator sees it. */
class ClientProcess {
  readonly name: string;
  counts: ClientCounts | null = null;
  ready = false;
  stopped = false;
  private readonly child: ChildProcess;
  private errors = '';

  constructor({ commandPrefix, plan }: ClientHost, changed: () => void) {
    this.name = plan.name;
    // Beside this file there is client-main.ts, or when compiled client-main.js; with what makes Node read it.
    const here = fileURLToPath(import.meta.url);
    const main = fileURLToPath(new URL(`./client-main${here.slice(here.lastIndexOf('.'))}`, import.meta.url));
    const [command = process.execPath, ...prefixArgs] = commandPrefix;
    const args = [...prefixArgs, ...(commandPrefix.length > 0 ? [process.execPath] : []), ...process.execArgv, main];
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    this.child.on('error', (error) => {
      this.errors += error.message;
      changed();
    });
    this.child.on('exit', changed);
    // A process that ended takes no commands; that it ended is noticed by its exit.
    this.child.stdin?.on('error', () => undefined);
    this.child.stdin?.write(`${JSON.stringify(plan)}\n`);
    this.child.stderr?.on('data', (text: Buffer) => {
      this.errors = (this.errors + text.toString()).slice(-KEPT_ERROR_CHARS);
    });
    const stdout = this.child.stdout;
    if (stdout === null) throw new Error('no standard output');
    createInterface({ input: stdout }).on('line', (line) => {
      this.take(JSON.parse(line) as ClientReport);
      changed();
    });
  }

  /** Why it is no use any more; null while it runs, and when it has stopped as it was told. */
  get failure(): string | null {
    const { exitCode, signalCode, pid } = this.child;
    if (this.stopped || (pid !== undefined && exitCode === null && signalCode === null)) return null;
    // Why it could not be started is told by an event that is still to come.
    if (pid === undefined && this.errors === '') return null;
    const how = pid === undefined ? 'could not be started' : `ended with ${signalCode ?? `exit code ${exitCode}`}`;
    return `the client process ${this.name} ${how}: ${this.errors.trim()}`;
  }

  tell(command: ClientCommand): void {
    this.child.stdin?.write(`${command}\n`);
  }

  async ended(): Promise<void> {
    if (this.child.pid !== undefined && this.child.exitCode === null && this.child.signalCode === null) {
      await once(this.child, 'exit');
    }
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  private take(report: ClientReport): void {
    if (report.event === 'ready') this.ready = true;
    else if (report.event === 'stopped') this.stopped = true;
    else this.counts = report;
  }
}

/** What all client processes have done so far. */
export interface PoolCounts {
  readonly acknowledged: number;
  readonly unacknowledged: number;
  readonly deliveries: number;
  readonly historyBytes: number;
  readonly historyFull: boolean;
}

/** How a drain ended. */
export interface DrainResult {
  /** Whether everything outstanding was answered and received. */
  readonly settled: boolean;
  readonly tookMs: number;
  /** Some of the actors that were not through. */
  readonly waitingFor: readonly string[];
}

/** The client processes of a run, started from their coordinator. */
export class ClientPool {
  readonly historyFiles: readonly string[];
  private readonly processes: readonly ClientProcess[];
  private waiters: (() => void)[] = [];

  constructor(hosts: readonly ClientHost[]) {
    this.historyFiles = hosts.map(({ plan }) => plan.historyFile);
    this.processes = hosts.map((host) => new ClientProcess(host, () => this.changed()));
  }

  get counts(): PoolCounts {
    const all = this.processes.map(({ counts }) => counts).filter((counts) => counts !== null);
    const sum = (pick: (counts: ClientCounts) => number): number => all.reduce((total, each) => total + pick(each), 0);
    return {
      acknowledged: sum((each) => each.acknowledged),
      unacknowledged: sum((each) => each.unacknowledged),
      deliveries: sum((each) => each.deliveries),
      historyBytes: sum((each) => each.historyBytes),
      historyFull: all.some((each) => each.historyFull),
    };
  }

  /**
   * Resolves when all actors are connected and subscribed.
   *
   * @throws when they are not in time, or a process has ended
   */
  async ready(timeoutMs: number): Promise<void> {
    if (await this.until(() => this.processes.every(({ ready }) => ready), timeoutMs)) return;
    throw new Error(
      `not all clients were connected within ${timeoutMs} ms; waiting for ${this.waitingFor().join(', ')}`,
    );
  }

  /**
   * Tells all clients to begin nothing new, and waits until all that is outstanding has been answered and received.
   *
   * @throws when a process has ended
   */
  async drain(timeoutMs: number): Promise<DrainResult> {
    const beganMs = performance.now();
    const before = new Map(this.processes.map((each) => [each, each.counts]));
    for (const each of this.processes) each.tell('drain');
    const settled = await this.until(
      () =>
        this.processes.every((each) => {
          const { counts } = each;
          // Counts of before the command say nothing.
          if (counts === null || counts === before.get(each)) return false;
          return counts.settled === counts.actors && counts.quietMs > QUIET_MS;
        }),
      timeoutMs,
    );
    return { settled, tookMs: performance.now() - beganMs, waitingFor: settled ? [] : this.waitingFor() };
  }

  /**
   * Ends all clients; resolves when all histories are written.
   *
   * @throws when a process fails or takes over 30 s
   */
  async stop(): Promise<void> {
    for (const each of this.processes) each.tell('stop');
    if (!(await this.until(() => this.processes.every(({ stopped }) => stopped), STOP_TIMEOUT_MS))) {
      this.kill();
      throw new Error(`client processes did not stop within ${STOP_TIMEOUT_MS} ms; their histories are not whole`);
    }
    await Promise.all(this.processes.map((each) => each.ended()));
  }

  /** Ends the processes at once. Their histories are then of no use. */
  kill(): void {
    for (const each of this.processes) each.kill();
  }

  /** @throws when a process has ended that was to run: without its history nothing can be said */
  assertRunning(): void {
    for (const { failure } of this.processes) if (failure !== null) throw new Error(failure);
  }

  private waitingFor(): string[] {
    return this.processes.flatMap(({ name, counts }) => (counts === null ? [name] : [...counts.waitingFor]));
  }

  /** @returns false when the time is over */
  private async until(condition: () => boolean, timeoutMs: number): Promise<boolean> {
    const untilMs = performance.now() + timeoutMs;
    for (;;) {
      this.assertRunning();
      if (condition()) return true;
      const leftMs = untilMs - performance.now();
      if (leftMs <= 0) return false;
      await new Promise<void>((done) => {
        const timer = setTimeout(done, leftMs);
        this.waiters.push(() => {
          clearTimeout(timer);
          done();
        });
      });
    }
  }

  private changed(): void {
    const { waiters } = this;
    this.waiters = [];
    for (const wake of waiters) wake();
  }
}
