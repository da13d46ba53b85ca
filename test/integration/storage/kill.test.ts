import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Entry, HardState } from '@quorate/consensus';
import { openDataDirectory } from '@quorate/storage';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { makeEntries, makeTemporaryDirectory, plain } from '../../unit/storage/harness.ts';
import type { Plan } from './crash-writer.ts';

/*
 * kill -9 at random moments. What was acknowledged has to be there, byte for byte; the one write in flight may be there
 * or not, but whole; term and vote never go back.
 */

const test = suite('storage under kill -9');
const ROUNDS = 12;
const TIME_LIMIT_MS = 20_000;

/** The log as the acknowledgements tell it. */
interface Expected {
  compactedIndex: number;
  entries: Entry[];
  hardState: HardState;
}

function applyPlan(before: Expected, plan: Plan): Expected {
  if (plan.compact > 0) {
    return {
      ...before,
      compactedIndex: plan.compact,
      entries: before.entries.filter((entry) => entry.index > plan.compact),
    };
  }
  const added = makeEntries(plan.from, plan.count, plan.term, plan.sizeBytes, plan.salt);
  const kept = plan.count === 0 ? before.entries : before.entries.filter((entry) => entry.index < plan.from);
  return {
    compactedIndex: before.compactedIndex,
    entries: [...kept, ...added],
    hardState: plan.hard ? { term: plan.term, vote: plan.vote } : before.hardState,
  };
}

/** Runs the writer, kills it `acks` acknowledgements and `delayMs` later, and returns all it said. */
async function writeUntilKilled(path: string, seed: number, acks: number, spins: number): Promise<string[]> {
  const script = fileURLToPath(new URL('./crash-writer.ts', import.meta.url));
  const child: ChildProcess = spawn(
    process.execPath,
    ['--conditions=source', '--import', 'tsx', script, path, String(seed)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const exited = once(child, 'exit');
  assert.ok(child.stdout);
  const lines: string[] = [];
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    lines.push(line);
    if (line === 'ack') seen += 1;
    if (seen === acks && line === 'ack') {
      // A little later, so that the kill meets the writer at any point of its next write.
      for (let i = 0; i < spins; i++) process.hrtime.bigint();
      child.kill('SIGKILL');
    }
  }
  const [, signal] = await exited;
  assert.is(signal, 'SIGKILL', 'the writer wrote until it was killed');
  return lines;
}

function describe({ compactedIndex, entries }: { compactedIndex: number; entries: readonly Entry[] }): string {
  return JSON.stringify([compactedIndex, plain(entries)]);
}

async function verify(path: string, expected: Expected, inFlight: Plan | null): Promise<Expected> {
  const directory = await openDataDirectory({ path, nodeId: 'n1', clusterMembers: 'n1,n2,n3' });
  const store = directory.logStore();
  const found = await store.open();
  assert.equal(store.doubts, []);
  const candidates = inFlight === null ? [expected] : [expected, applyPlan(expected, inFlight)];
  const match = candidates.find((candidate) => describe(candidate) === describe(found));
  assert.ok(match, `acknowledged through ${expected.entries.at(-1)?.index}, found ${found.entries.at(-1)?.index}`);
  const hards = candidates.map((candidate) => JSON.stringify(candidate.hardState));
  assert.ok(
    hards.includes(JSON.stringify(found.hardState)),
    `${JSON.stringify(found.hardState)} is one of ${hards.join()}`,
  );
  assert.ok(found.hardState.term >= expected.hardState.term, 'the term never goes back');
  await store.close();
  await directory.close();
  return { compactedIndex: found.compactedIndex, entries: [...found.entries], hardState: found.hardState };
}

test(
  'every acknowledged write is there after each of many kills',
  async () => {
    const path = await makeTemporaryDirectory();
    const seed = seedFor('kill');
    const begun = performance.now();
    let state: Expected = { compactedIndex: 0, entries: [], hardState: { term: 0, vote: null } };
    let acknowledged = 0;
    let rounds = 0;
    try {
      for (; rounds < ROUNDS && performance.now() - begun < TIME_LIMIT_MS; rounds++) {
        const spins = ((seed >>> (rounds % 16)) & 0xff) * 40;
        const lines = await writeUntilKilled(path, (seed + rounds) >>> 0, 5 + ((seed >>> rounds) & 0x3f), spins);
        let pending: Plan | null = null;
        for (const line of lines) {
          if (line !== 'ack') pending = JSON.parse(line) as Plan;
          else if (pending !== null) {
            state = applyPlan(state, pending);
            pending = null;
            acknowledged += 1;
          }
        }
        state = await verify(path, state, pending);
      }
      assert.ok(rounds >= 3 && acknowledged > 20, `${rounds} rounds, ${acknowledged} acknowledged writes`);
    } finally {
      await rm(path, { recursive: true, force: true });
    }
  },
  { timeoutMs: 60_000 },
);

test.run();
