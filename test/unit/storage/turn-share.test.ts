import { TurnShare } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';

const test = suite('turn share');

/** How long each turn may be, when others take `othersMs` between two. */
function turnsMs(othersMs: readonly number[]): number[] {
  let nowMs = 1_000;
  const share = new TurnShare(() => nowMs);
  return othersMs.map((waitMs) => {
    nowMs += waitMs;
    share.begin();
    const fromMs = nowMs;
    while (!share.isSpent) nowMs += 0.5;
    share.end();
    return nowMs - fromMs;
  });
}

test('a task has a third of the time, at least 2 ms a turn and at most 12', () => {
  assert.equal(turnsMs([0, 1, 4, 8, 16, 24, 1_000, 0]), [2, 2, 2, 4, 8, 12, 12, 2]);
});

test('on a clock that stands still it is never spent', () => {
  const share = new TurnShare(() => 7);
  share.begin();
  assert.not.ok(share.isSpent);
});

test.run();
