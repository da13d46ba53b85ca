import { writeSync } from 'node:fs';
import { openDataDirectory } from '@quorate/storage';
import { makeEntries } from '../../unit/storage/harness.ts';

/*
 * Writes to the log of the data directory named by the first argument until it is killed. Says on standard output what
 * it is about to do and, once that is acknowledged, `ack`. The second argument seeds its choices.
 */

export interface Plan {
  readonly from: number;
  readonly count: number;
  readonly term: number;
  readonly vote: string | null;
  readonly hard: boolean;
  readonly sizeBytes: number;
  readonly salt: number;
  /** Compact through here instead, when not 0. */
  readonly compact: number;
}

let seed = Number(process.argv[3]) >>> 0;
const draw = (below: number): number => {
  seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((seed / 2 ** 32) * below);
};

const directory = await openDataDirectory({
  path: process.argv[2] as string,
  nodeId: 'n1',
  clusterMembers: 'n1,n2,n3',
});
const store = directory.logStore();
const found = await store.open();
let lastIndex = found.compactedIndex + found.entries.length;
let compactedIndex = found.compactedIndex;
let { term, vote } = found.hardState;

for (;;) {
  const hard = draw(8) === 0 || term === 0;
  if (hard) {
    term += 1;
    vote = `n${1 + draw(3)}`;
  }
  const back = hard && draw(2) === 0 ? Math.min(draw(6), lastIndex - compactedIndex) : 0;
  const compact = draw(12) === 0 && lastIndex - compactedIndex > 40 ? lastIndex - 20 : 0;
  const plan: Plan = {
    from: lastIndex - back + 1,
    count: draw(2) === 0 ? 1 : draw(6),
    term,
    vote,
    hard,
    sizeBytes: [10, 300, 5_000, 40_000][draw(4)] as number,
    salt: draw(1_000_000),
    compact: hard ? 0 : compact,
  };
  writeSync(1, `${JSON.stringify(plan)}\n`);
  if (plan.compact > 0) {
    await store.compact(plan.compact, (await store.termAt(plan.compact)) as number);
    compactedIndex = plan.compact;
  } else {
    const entries = makeEntries(plan.from, plan.count, term, plan.sizeBytes, plan.salt);
    await store.append({ entries, hardState: hard ? { term, vote } : null });
    if (plan.count > 0) lastIndex = plan.from + plan.count - 1;
  }
  writeSync(1, 'ack\n');
}
