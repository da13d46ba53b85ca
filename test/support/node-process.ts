import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The command of this checkout, or the one that QUORATE_TEST_EXECUTABLE names: another release, or one broken on purpose. */
export const QUORATE =
  process.env['QUORATE_TEST_EXECUTABLE'] ??
  fileURLToPath(new URL('../../packages/cli/bin/quorate.js', import.meta.url));
const HTTP_TIMEOUT_MS = 2_000;
/** A change of the cluster waits for majorities and elections. */
const CHANGE_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 30_000;

/** What a {@link NodeProcess} is started with; all addresses are on 127.0.0.1. */
export interface NodeSpec {
  readonly id: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
  /** A folder of this node alone: its data directory and its log file lie below. */
  readonly folder: string;
  /** Arguments after those for id, data directory and addresses. */
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The JavaScript file to run; {@link QUORATE} unless it is to be another release or a stand-in. */
  readonly executable?: string;
}

/** What of a {@link NodeSpec} may be another at the next start of the same node. */
export type NodeChange = Partial<Pick<NodeSpec, 'id' | 'peerPort' | 'args' | 'env'>>;

/** An answer of the HTTP API. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** One node as a process of its own, which can be stopped, killed, paused and started again on the same data. */
export class NodeProcess {
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly dataDir: string;
  private spec: NodeSpec;
  private readonly logPath: string;
  private child: ChildProcess | undefined;

  constructor(spec: NodeSpec) {
    this.spec = spec;
    this.mqttPort = spec.mqttPort;
    this.httpPort = spec.httpPort;
    this.dataDir = join(spec.folder, 'data');
    this.logPath = join(spec.folder, 'log');
    mkdirSync(this.dataDir, { recursive: true });
  }

  get id(): string {
    return this.spec.id;
  }

  get peerPort(): number {
    return this.spec.peerPort;
  }

  /** What the next start is to do otherwise; the node must be down. */
  reconfigure(change: NodeChange): void {
    if (this.isRunning()) throw new Error(`node ${this.id} is running`);
    this.spec = { ...this.spec, ...change };
  }

  /** Deletes everything in the data directory, as an operator or a new disk does; the node must be down. */
  wipe(): void {
    if (this.isRunning()) throw new Error(`node ${this.id} is running`);
    rmSync(this.dataDir, { recursive: true, force: true });
  }

  /** The process id, undefined while the node is down. */
  get pid(): number | undefined {
    return this.isRunning() ? this.child?.pid : undefined;
  }

  isRunning(): boolean {
    return this.child !== undefined && this.child.exitCode === null && this.child.signalCode === null;
  }

  /** How the last process ended, for messages. */
  get ending(): string {
    if (this.child === undefined) return 'never started';
    if (this.isRunning()) return 'running';
    return `ended with ${this.child.signalCode ?? `exit code ${this.child.exitCode}`}`;
  }

  /** Starts the process; it is not ready yet when this returns. */
  async start(): Promise<void> {
    if (this.isRunning()) throw new Error(`node ${this.id} is running already`);
    const { id, mqttPort, httpPort, peerPort, args } = this.spec;
    const log = openSync(this.logPath, 'a');
    const flags = ['start', '--node-id', id, '--data-dir', this.dataDir];
    const addresses = [
      ['--mqtt', mqttPort],
      ['--http', httpPort],
      ['--peer', peerPort],
    ].flatMap(([flag, port]) => [String(flag), `127.0.0.1:${port}`]);
    try {
      this.child = spawn(process.execPath, [this.spec.executable ?? QUORATE, ...flags, ...addresses, ...args], {
        stdio: ['ignore', log, log],
        env: { ...process.env, ...this.spec.env },
      });
      await once(this.child, 'spawn');
    } finally {
      closeSync(log);
    }
  }

  /** Resolves when the process has ended by itself; returns its exit code, null when a signal ended it. */
  async ended(): Promise<number | null> {
    const { child } = this;
    if (child !== undefined && this.isRunning()) await once(child, 'exit');
    return child?.exitCode ?? null;
  }

  /** Sends a signal. One that ends the process is waited for, SIGSTOP and SIGCONT are not. */
  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.child;
    if (child === undefined || !this.isRunning()) return;
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
      child.kill(signal);
      return;
    }
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }

  /** Ends the process at once and waits for nothing; for the exit of the test process. */
  killNow(): void {
    if (this.isRunning()) this.child?.kill('SIGKILL');
  }

  /**
   * Stops the node with SIGTERM.
   *
   * @throws when it does not end within 30 s or its exit code is not 0
   */
  async stop(): Promise<void> {
    const child = this.child;
    if (child === undefined || !this.isRunning()) throw new Error(`node ${this.id} is not running: ${this.ending}`);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_done, failed) => {
      timer = setTimeout(
        () => failed(new Error(`node ${this.id} did not stop within ${STOP_TIMEOUT_MS} ms`)),
        STOP_TIMEOUT_MS,
      );
    });
    await Promise.race([ended, late]).finally(() => clearTimeout(timer));
    if (child.exitCode !== 0) throw new Error(`node ${this.id} was to stop with exit code 0, but ${this.ending}`);
  }

  /** All output since the first start. */
  logs(): string {
    return existsSync(this.logPath) ? readFileSync(this.logPath, 'utf8') : '';
  }

  /** The end of {@link logs}. */
  logTail(lines = 40): string {
    return this.logs().trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** GET on this node's HTTP API. */
  async get(path: string): Promise<HttpAnswer> {
    const url = `http://127.0.0.1:${this.httpPort}${path}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(HTTP_TIMEOUT_MS) });
    return { status: response.status, body: await response.text() };
  }

  /** A request with a JSON body, or none, on this node's HTTP API: a change of the cluster. */
  async send(method: 'POST' | 'DELETE', path: string, body?: unknown): Promise<HttpAnswer> {
    const response = await fetch(`http://127.0.0.1:${this.httpPort}${path}`, {
      method,
      signal: AbortSignal.timeout(CHANGE_TIMEOUT_MS),
      ...(body !== undefined && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return { status: response.status, body: await response.text() };
  }

  /** What GET /readyz says: READY, or why not; undefined when there is no answer. */
  async readiness(): Promise<string | undefined> {
    try {
      return (JSON.parse((await this.get('/readyz')).body) as { readonly code?: string }).code ?? 'READY';
    } catch {
      return undefined;
    }
  }

  /** Whether GET /readyz says so; false when there is no answer. */
  async isReady(): Promise<boolean> {
    try {
      return (await this.get('/readyz')).status === 200;
    } catch {
      return false;
    }
  }
}
