import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger, type Logger, loadConfig, type NodeConfig, type RunningNode, startNode } from '@quorate/node';
import { freePorts } from '../../support/ports.ts';
import { waitFor } from '../../support/wait.ts';

/** Nodes of this process, on loopback, each with its data directory. */
export class Nodes {
  readonly ids: readonly string[];
  readonly #directory: string;
  readonly #ports: readonly number[];
  readonly #running = new Map<string, RunningNode>();
  readonly #lines: string[] = [];

  private constructor(ids: readonly string[], directory: string, ports: readonly number[]) {
    this.ids = ids;
    this.#directory = directory;
    this.#ports = ports;
  }

  static async create(count: number): Promise<Nodes> {
    const ids = Array.from({ length: count }, (_, at) => `n${String(at + 1)}`);
    const directory = await mkdtemp(join(tmpdir(), 'quorate-nodes-'));
    return new Nodes(ids, directory, await freePorts(count * 3));
  }

  get log(): string {
    return this.#lines.join('');
  }

  port(id: string, kind: 'mqtt' | 'http' | 'peer'): number {
    return this.#ports[this.ids.indexOf(id) * 3 + ['mqtt', 'http', 'peer'].indexOf(kind)] as number;
  }

  dataDir(id: string): string {
    return join(this.#directory, id);
  }

  config(id: string, more: object = {}): NodeConfig {
    const at = (kind: 'mqtt' | 'http' | 'peer') => `127.0.0.1:${String(this.port(id, kind))}`;
    const cluster = Object.fromEntries(this.ids.map((each) => [each, `127.0.0.1:${String(this.port(each, 'peer'))}`]));
    const listeners = { mqtt: at('mqtt'), http: at('http'), peer: at('peer') };
    const disk = { ballastBytes: 0 };
    return loadConfig({ values: { nodeId: id, dataDir: this.dataDir(id), ...listeners, cluster, disk, ...more } });
  }

  #logger(config: NodeConfig): Logger {
    return createLogger(config, {
      write: (line) => {
        this.#lines.push(line);
      },
    });
  }

  /** @throws what `startNode` throws */
  async start(id: string, more: object = {}): Promise<RunningNode> {
    const config = this.config(id, more);
    const running = await startNode(config, this.#logger(config));
    this.#running.set(id, running);
    return running;
  }

  async startAll(more: object = {}): Promise<void> {
    await Promise.all(this.ids.map((id) => this.start(id, more)));
    await this.ready(...this.ids);
  }

  node(id: string): RunningNode {
    const running = this.#running.get(id);
    if (running === undefined) throw new Error(`${id} does not run`);
    return running;
  }

  async ready(...ids: readonly string[]): Promise<void> {
    await waitFor(() => ids.every((id) => this.node(id).view.readiness().ready), {
      what: `${ids.join(', ')} to be ready`,
    });
  }

  get leader(): string {
    for (const running of this.#running.values()) {
      const leader = running.view.leader();
      if (leader !== null && leader.id === running.view.nodeId) return leader.id;
    }
    throw new Error('nobody leads');
  }

  /** How long it took, in milliseconds. */
  async stop(id: string): Promise<number> {
    const startedMs = performance.now();
    const running = this.node(id);
    this.#running.delete(id);
    await running.stop();
    return performance.now() - startedMs;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((id) => this.stop(id)));
    await rm(this.#directory, { recursive: true, force: true });
  }
}
