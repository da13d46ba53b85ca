import type { LeaderEvent } from '../history/operation.ts';
import type { Cluster } from './cluster.ts';

const EVERY_MS = 250;

/**
 * Asks again and again who leads, and writes down each change.
 *
 * @returns ends it
 */
export function watchLeader(cluster: Cluster, nowMs: () => number, write: (event: LeaderEvent) => void): () => void {
  let last: string | undefined;
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  const look = async (): Promise<void> => {
    const found = await cluster.leader().catch(() => null);
    if (ended) return;
    const key = found === null ? 'nobody' : `${found.id} ${String(found.term)}`;
    if (key !== last) {
      last = key;
      write({ kind: 'leader', atMs: nowMs(), leader: found?.id ?? null, term: found?.term ?? 0 });
    }
    timer = setTimeout(() => void look(), EVERY_MS);
  };
  void look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
