import type { ClusterView } from '@quorate/node';
import { fetchCluster, getJson } from '../api.ts';
import { baseUrl, type NodePlan } from './plan.ts';

/** What one round of questions to all nodes found. */
export interface Observation {
  /** Ids of the nodes that say they are ready. */
  readonly ready: ReadonlySet<string>;
  /** The cluster as the first ready node sees it, or null when none is ready. */
  readonly cluster: ClusterView | null;
}

async function isReady(node: NodePlan): Promise<boolean> {
  try {
    return (await getJson(`${baseUrl(node)}/readyz`)).status === 200;
  } catch {
    // Not listening yet, or gone.
    return false;
  }
}

/** Asks every node. Never rejects. */
export async function observe(plan: readonly NodePlan[]): Promise<Observation> {
  const answers = await Promise.all(plan.map(isReady));
  const readyNodes = plan.filter((_, at) => answers[at] === true);
  const ready = new Set(readyNodes.map((node) => node.id));
  const [first] = readyNodes;
  const cluster = first === undefined ? null : await fetchCluster(baseUrl(first)).catch(() => null);
  return { ready, cluster };
}

/** Rounds without any ready node before it is worth a line: an election takes less. */
const PATIENCE_ROUNDS = 6;

/** Turns observations into lines for people: only what changed. */
export class ChangeNotes {
  #leader: string | null;
  readonly #away = new Set<string>();
  #roundsWithoutQuorum = 0;
  #saidNoQuorum = false;

  constructor(leader: string | null) {
    this.#leader = leader;
  }

  /** The node is known to have ended: say so when it is back. */
  lost(id: string): void {
    this.#away.add(id);
  }

  /** The lines that this observation is worth. */
  note(seen: Observation): string[] {
    const lines: string[] = [];
    for (const id of seen.ready) {
      if (this.#away.delete(id)) lines.push(`${id} is ready again`);
    }
    lines.push(...this.#noteQuorum(seen));
    const leader = seen.cluster?.leader ?? null;
    if (leader !== null && leader !== this.#leader) {
      const before = this.#leader === null ? '' : `, before: ${this.#leader}`;
      lines.push(`${leader} is the leader now (term ${String(seen.cluster?.term)}${before})`);
      this.#leader = leader;
    }
    return lines;
  }

  #noteQuorum(seen: Observation): string[] {
    if (seen.ready.size > 0) {
      this.#roundsWithoutQuorum = 0;
      if (!this.#saidNoQuorum) return [];
      this.#saidNoQuorum = false;
      return ['the cluster serves again'];
    }
    this.#roundsWithoutQuorum++;
    if (this.#saidNoQuorum || this.#roundsWithoutQuorum < PATIENCE_ROUNDS) return [];
    this.#saidNoQuorum = true;
    return ['no node is ready: without a majority nothing is accepted'];
  }
}
