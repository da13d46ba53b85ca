import type { NodeProcess } from './node-process.ts';
import { note } from './suite.ts';

const ENV_NAME = 'QUORATE_TEST_TRANSFER_EVERY_MS';

/** How often every cluster of this run is to change its leader, in ms; undefined: only when something makes it. */
export function transferEveryMs(): number | undefined {
  const given = process.env[ENV_NAME];
  if (given === undefined || given === '') return undefined;
  const everyMs = Number(given);
  if (!(everyMs >= 100)) throw new Error(`${ENV_NAME} must be a number of milliseconds from 100 up, got ${given}`);
  return everyMs;
}

/**
 * Hands leadership on again and again while a test runs, as an operator would. Whatever a test demands of the cluster
 * must be so all the same, only later.
 */
export class Transfers {
  /** How many times a leader gave way. */
  done = 0;
  /** How often there was none, or it could not: an election going on, a node that had not caught up. */
  refused = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;
  readonly #nodes: () => readonly NodeProcess[];
  readonly #everyMs: number;

  /** @param nodes those that may be asked, at the moment of asking */
  constructor(nodes: () => readonly NodeProcess[], everyMs: number) {
    this.#nodes = nodes;
    this.#everyMs = everyMs;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#stopped) return;
    // It keeps no process alive: the cluster's end is the test's to bring about.
    this.#timer = setTimeout(() => {
      void this.#transfer().finally(() => this.#schedule());
    }, this.#everyMs).unref();
  }

  async #transfer(): Promise<void> {
    const nodes = this.#nodes();
    // Each time another node takes the request, the leader among them.
    const node = nodes[(this.done + this.refused) % nodes.length];
    try {
      const answer = await node?.send('POST', '/api/v1/leader', {});
      if (answer?.status === 200) this.done++;
      else this.refused++;
    } catch {
      this.refused++;
    }
  }

  /** Says how many there were, so that a run shows what it was put through. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#timer);
    note(`${String(this.done)} changes of leader, ${String(this.refused)} more were not possible`);
  }
}
