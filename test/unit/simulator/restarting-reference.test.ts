import { type AppliedEntry, StateLoader, StateMachine } from '@quorate/broker';
import { RestartingReference, StateDigest, Violation } from '@quorate/simulator';
import fc from 'fast-check';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { Bench, RecordingSink } from '../broker/state/support/log.ts';
import { history, play } from '../broker/state/support/random-log.ts';

/* The replica that starts again and again from its checkpoints: it stays equal to one that never does, and shows when it does not. */

const test = suite('simulator: restarting reference');

const LOGS = 16;
/** Histories are short: several of them after each other are a log in which something is restored and goes on. */
const HISTORIES = 8;

function logs(seed: number): AppliedEntry[][] {
  return fc
    .sample(fc.array(history, { minLength: HISTORIES, maxLength: HISTORIES }), { seed, numRuns: LOGS })
    .map((histories) => {
      const bench = new Bench();
      for (const steps of histories) play(bench, steps, () => {});
      return [...bench.log];
    });
}

/** @returns how often it started again */
function replay(log: readonly AppliedEntry[]): number {
  const digest = new StateDigest();
  const states = new Map<number, number>();
  const machine = new StateMachine(new RecordingSink());
  const restarting = new RestartingReference(
    digest,
    (index) => states.get(index),
    (index) => `the state at ${index}`,
  );
  for (const entry of log) {
    machine.apply(entry);
    states.set(entry.index, digest.of(machine.state));
    restarting.apply(entry);
  }
  return restarting.restarts;
}

test('whatever the log, a start from a checkpoint gives the state that did not stop', () => {
  const restarts = logs(seedFor('restarts')).reduce((sum, log) => sum + replay(log), 0);
  assert.ok(restarts >= LOGS, `${restarts} starts of ${LOGS} logs`);
});

test('what a start does not bring back shows', () => {
  const { finish } = StateLoader.prototype;
  StateLoader.prototype.finish = function (index, term) {
    const state = finish.call(this, index, term);
    state.timers.clear();
    return state;
  };
  try {
    const found = logs(1).filter((log) => {
      try {
        replay(log);
      } catch (error) {
        assert.instance(error, Violation);
        assert.is((error as Violation).invariant, 'restarted-state');
        return true;
      }
      return false;
    });
    assert.ok(found.length > 0, 'no log in which a session ends after a start');
  } finally {
    StateLoader.prototype.finish = finish;
  }
});

test('an error of the restored state is told as what it is', () => {
  const { finish } = StateLoader.prototype;
  StateLoader.prototype.finish = () => {
    throw new RangeError('no such record');
  };
  try {
    assert.throws(() => {
      for (const log of logs(1)) replay(log);
    }, /a node started from its checkpoints ends at entry \d+: RangeError: no such record/);
  } finally {
    StateLoader.prototype.finish = finish;
  }
});

test.run();
