import { CrashCluster, KINDS, type Round, type RoundKind } from '../crash/rounds.ts';
import { endRoamers } from '../support/roamer.ts';
import { seedFor } from '../support/seed.ts';
import { assert, note, suite } from '../support/suite.ts';

/* A short run of what `make crash-test` does for long: kills at random moments, nothing acknowledged is lost. */

const test = suite('e2e: kills');

const KILLS = 10;
/** No further round begins then; on a busy machine there may be fewer kills. */
const TIME_MS = 40_000;

let crash: CrashCluster;

test.before(async () => {
  crash = await CrashCluster.start(seedFor('kills'));
});
test.after(async () => {
  await endRoamers();
  await crash.stop();
});

test(
  'kill -9 at random moments',
  async () => {
    const rounds: Round[] = [];
    const startedAtMs = performance.now();
    const killed = (): number => rounds.reduce((sum, each) => sum + each.kills, 0);
    while (killed() < KILLS && performance.now() - startedAtMs < TIME_MS) {
      rounds.push(await crash.round(KINDS[rounds.length % KINDS.length] as RoundKind));
    }
    const messages = rounds.reduce((sum, each) => sum + each.messages, 0);
    note(
      `${String(killed())} kills in ${String(rounds.length)} rounds (${rounds.map((each) => each.kind).join(', ')}), ` +
        `${String(messages)} messages acknowledged and there`,
    );
    assert.ok(killed() > 0);
  },
  { timeoutMs: 120_000 },
);

test.run();
