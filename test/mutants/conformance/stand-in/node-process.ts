import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger, loadConfig, type RunningNode, startNode } from '@quorate/node';
import type { HttpAnswer, NodeChange, NodeSpec } from '../../../support/node-process.ts';

/*
 * Takes the place of test/support/node-process.ts in a copy: the node runs in the process of its tests, so that what all
 * mutants have in common, most of what a node loads, is loaded once.
 */

const HTTP_TIMEOUT_MS = 2_000;
/** A broker that is broken may not let its clients go. */
const STOP_MS = 1_000;

export const QUORATE = '';

export class NodeProcess {
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly dataDir: string;
  #spec: NodeSpec;
  #running: RunningNode | null = null;
  #ending = 'never started';

  constructor(spec: NodeSpec) {
    this.#spec = spec;
    this.mqttPort = spec.mqttPort;
    this.httpPort = spec.httpPort;
    this.dataDir = join(spec.folder, 'data');
    mkdirSync(this.dataDir, { recursive: true });
  }

  get id(): string {
    return this.#spec.id;
  }

  get peerPort(): number {
    return this.#spec.peerPort;
  }

  get ending(): string {
    return this.#ending;
  }

  reconfigure(change: NodeChange): void {
    this.#spec = { ...this.#spec, ...change };
  }

  isRunning(): boolean {
    return this.#running !== null;
  }

  async start(): Promise<void> {
    const { id, peerPort, args, env } = this.#spec;
    // As the command does it: `--name value` each.
    const given = Object.fromEntries(
      args.flatMap((arg, at) => (arg.startsWith('--') ? [[arg.slice(2), args[at + 1] as string]] : [])),
    );
    const { config: file, ...flags } = given;
    const addresses = {
      mqtt: `127.0.0.1:${String(this.mqttPort)}`,
      http: `127.0.0.1:${String(this.httpPort)}`,
      peer: `127.0.0.1:${String(peerPort)}`,
    };
    const config = loadConfig({
      flags: { 'node-id': id, 'data-dir': this.dataDir, ...addresses, ...flags },
      env: { ...process.env, ...env },
      file,
    });
    const running = await startNode(config, createLogger(config, { write: () => {} }));
    this.#running = running;
    this.#ending = 'running';
    void running.failed.then((error) => {
      this.#running = null;
      this.#ending = error.message;
    });
  }

  async kill(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (running === null) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((done) => {
      timer = setTimeout(done, STOP_MS);
    });
    await Promise.race([running.stop().catch(() => {}), late]);
    clearTimeout(timer);
  }

  killNow(): void {
    void this.kill();
  }

  logTail(): string {
    return '';
  }

  async get(path: string): Promise<HttpAnswer> {
    const url = `http://127.0.0.1:${String(this.httpPort)}${path}`;
    const response = await fetch(url, { signal: AbortSignal.timeout(HTTP_TIMEOUT_MS) });
    return { status: response.status, body: await response.text() };
  }

  async isReady(): Promise<boolean> {
    return this.#running?.view.readiness().ready === true;
  }
}
