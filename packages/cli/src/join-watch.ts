import { setTimeout as delay } from 'node:timers/promises';
import type { ClusterView } from '@quorate/node';
import { fetchCluster, reasonOf } from './api.ts';
import { describeProgress, hasJoined, type JoinGoal } from './member.ts';
import type { FoundNode } from './some-node.ts';

const ROUND_MS = 500;
/** A line now and then also when nothing changes: somebody looks at it. */
const REMINDER_MS = 15_000;

/** How the wait for a node ended. */
export interface JoinOutcome {
  readonly joined: boolean;
  /** How the node stands, to follow its id; or why that is not known. */
  readonly standing: string;
}

/**
 * Asks how a joining node stands. It goes on to another node when one does not answer or knows of no leader: the one
 * asked first may stop, be cut off, or be the one that leaves, and whoever has left hears no more of the cluster.
 */
export class JoinWatch {
  readonly #goal: JoinGoal;
  readonly #say: (line: string) => void;
  readonly #urls: string[];
  #at = 0;
  #standing = '';

  constructor(first: FoundNode, goal: JoinGoal, say: (line: string) => void) {
    this.#goal = goal;
    this.#say = say;
    const leaves = first.cluster.nodes.some((node) => node.self && node.id === goal.replaces);
    this.#urls = leaves ? [] : [first.url];
    this.#learn(first.cluster);
    if (this.#urls.length === 0) this.#urls.push(first.url);
  }

  /** Resolves when the node has become what it is to be, or when the time is over. Says what changes. */
  async run(timeoutMs: number): Promise<JoinOutcome> {
    const startedAtMs = performance.now();
    let saidAtMs = startedAtMs;
    for (;;) {
      const before = this.#standing;
      const joined = await this.#ask();
      if (joined) return { joined, standing: this.#standing };
      const nowMs = performance.now();
      if (nowMs - startedAtMs >= timeoutMs) return { joined, standing: this.#standing };
      if (this.#standing !== before || nowMs - saidAtMs >= REMINDER_MS) {
        saidAtMs = nowMs;
        const seconds = Math.round((nowMs - startedAtMs) / 1000);
        this.#say(`${this.#goal.id} ${this.#standing} (${String(seconds)} s)`);
      }
      await delay(Math.min(ROUND_MS, Math.max(timeoutMs - (nowMs - startedAtMs), 1)));
    }
  }

  /** True when the node asked says that it is done. */
  async #ask(): Promise<boolean> {
    const url = this.#urls[this.#at % this.#urls.length] ?? '';
    try {
      const cluster = await fetchCluster(url);
      this.#learn(cluster);
      if (cluster.leader === null) this.#at++;
      this.#standing = describeProgress(cluster, this.#goal);
      return hasJoined(cluster, this.#goal);
    } catch (error) {
      this.#at++;
      this.#standing = `may be on its way, but ${reasonOf(error)}`;
      return false;
    }
  }

  /** Remembers where the others are; the list is as long as the cluster has had members. */
  #learn(cluster: ClusterView): void {
    for (const { id, http } of cluster.nodes) {
      if (http === null || id === this.#goal.id || id === this.#goal.replaces) continue;
      const url = `http://${http}/`;
      if (!this.#urls.includes(url)) this.#urls.push(url);
    }
  }
}
