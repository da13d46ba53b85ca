import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Host } from '../network/network.ts';
import type { NodeHandle } from './cluster.ts';

const STOP_TIMEOUT_MS = 60_000;
const MAX_TAIL_CHARS = 2_000;

/** What a node's process is made of. */
export interface ProcessSpec {
  readonly id: string;
  readonly host: Host;
  readonly mqttPort: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** The command for the next start, without the host's prefix. */
  readonly command: () => readonly string[];
  /** Besides that of this process; asked at each start. */
  readonly environment: () => Readonly<Record<string, string>>;
}

const alive = new Set<ManagedProcess>();

/** One node as a process (group) of its own on its host. */
export class ManagedProcess implements NodeHandle {
  readonly id: string;
  readonly host: Host;
  readonly mqttPort: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** Why it may end by itself; null when it may not. */
  excuse: string | null = null;
  private readonly spec: ProcessSpec;
  private child: ChildProcess | null = null;
  private isExpected = false;
  private readonly faults: string[] = [];

  constructor(spec: ProcessSpec) {
    this.spec = spec;
    this.id = spec.id;
    this.host = spec.host;
    this.mqttPort = spec.mqttPort;
    this.dataDir = spec.dataDir;
    this.logFile = spec.logFile;
    mkdirSync(this.dataDir, { recursive: true });
    mkdirSync(dirname(this.logFile), { recursive: true });
  }

  get running(): boolean {
    return this.child !== null && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Undefined while it does not run. */
  get pid(): number | undefined {
    return this.running ? this.child?.pid : undefined;
  }

  /** Each end by itself, with an error, that nothing explained. */
  get unexplainedEnds(): readonly string[] {
    return this.faults;
  }

  async start(environment: Readonly<Record<string, string>> = {}): Promise<void> {
    if (this.running) throw new Error(`node ${this.id} is running already`);
    const [command = '', ...args] = [...this.host.commandPrefix, ...this.spec.command()];
    const log = openSync(this.logFile, 'a');
    this.isExpected = false;
    this.excuse = null;
    try {
      const child = spawn(command, args, {
        stdio: ['ignore', log, log],
        env: { ...process.env, ...this.spec.environment(), ...environment },
        // A group, so that a broker's helpers end with it.
        detached: true,
      });
      this.child = child;
      child.once('exit', (code, signal) => this.ended(code, signal));
      await once(child, 'spawn');
      alive.add(this);
    } finally {
      closeSync(log);
    }
  }

  async stop(): Promise<void> {
    if (!this.running) throw new Error(`node ${this.id} does not run`);
    await this.endBy('SIGTERM', STOP_TIMEOUT_MS);
  }

  async kill(): Promise<void> {
    if (this.running) await this.endBy('SIGKILL', STOP_TIMEOUT_MS);
  }

  pause(): void {
    this.signal('SIGSTOP');
  }

  resume(): void {
    this.signal('SIGCONT');
  }

  async wipe(): Promise<void> {
    if (this.running) throw new Error(`node ${this.id} is running: its data can not be deleted`);
    // The directory itself stays: a disk may be mounted there.
    const names = await readdir(this.dataDir);
    await Promise.all(names.map((name) => rm(join(this.dataDir, name), { recursive: true, force: true })));
  }

  /** How it ended by itself, and the end of its log. */
  lastWords(): string {
    const tail = readFileSync(this.logFile, 'utf8').trimEnd().slice(-MAX_TAIL_CHARS);
    return `${this.faults.at(-1) ?? `node ${this.id} runs`}\n${tail}`;
  }

  /** Ends it and waits for nothing. */
  killNow(): void {
    this.isExpected = true;
    this.signal('SIGKILL');
  }

  private async endBy(signal: NodeJS.Signals, timeoutMs: number): Promise<void> {
    const { child } = this;
    if (child === null) return;
    this.isExpected = true;
    const exit = once(child, 'exit');
    this.signal(signal);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_done, failed) => {
      const sentence = `node ${this.id} did not end within ${String(timeoutMs)} ms of ${signal}`;
      timer = setTimeout(() => failed(new Error(sentence)), timeoutMs);
    });
    await Promise.race([exit, late]).finally(() => clearTimeout(timer));
  }

  private signal(signal: NodeJS.Signals): void {
    const pid = this.pid;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch (error) {
      // It has ended meanwhile.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  private ended(code: number | null, signal: NodeJS.Signals | null): void {
    alive.delete(this);
    if (this.isExpected || this.excuse !== null || code === 0) return;
    this.faults.push(
      `node ${this.id} ended by itself (${signal ?? `exit code ${String(code)}`}); its log: ${this.logFile}`,
    );
  }
}

process.on('exit', () => {
  for (const each of alive) each.killNow();
});
