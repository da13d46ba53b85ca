import { Writable } from 'node:stream';
import { loadConfig } from '@quorate/node';
import { DiskFull } from '../../../packages/node/src/disk-watch.ts';
import { createLogger } from '../../../packages/node/src/logging/index.ts';
import { Readmitted, StateDiverged } from '../../../packages/node/src/runtime/index.ts';
import { runNode, type SupervisedParts } from '../../../packages/node/src/supervise.ts';
import { assert, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';

const test = suite('supervise');

const config = loadConfig({ values: { nodeId: 'n1', dataDir: '/nowhere', cluster: { n1: '127.0.0.1:3' } } });
const logger = createLogger(config, new Writable({ write: (_chunk, _encoding, done) => done() }));

const noSpace = (): Error => Object.assign(new Error('write'), { code: 'ENOSPC' });

const until = (condition: () => boolean, what: string) => waitFor(condition, { what, intervalMs: 1 });

/** Nodes that end when the test says so. */
function make(part: Partial<SupervisedParts> = {}) {
  const calls: string[] = [];
  const room = { is: true, looks: 0 };
  const running: ((error: Error) => void)[] = [];
  const startFailures: Error[] = [];
  const parts: SupervisedParts = {
    startNode: async () => {
      calls.push('start');
      const failure = startFailures.shift();
      if (failure !== undefined) throw failure;
      const failed = new Promise<Error>((resolve) => running.push(resolve));
      const reloadCertificates = async (): Promise<void> => void calls.push('reload');
      return { failed, reloadCertificates, stop: async () => void calls.push('stop') };
    },
    startAnew: async (_config, _reason, directoryId) => void calls.push(`anew as ${directoryId}`),
    hasRoom: async () => {
      room.looks++;
      return room.is;
    },
    roomPollMs: 1,
    ...part,
  };
  return {
    calls,
    room,
    startFailures,
    run: () => runNode(config, logger, parts),
    /** Ends the node that runs, once it does. */
    end: async (error: Error) => {
      await until(() => running.length > 0, 'a node that runs');
      running.shift()?.(error);
    },
    started: (times: number) =>
      until(() => calls.filter((call) => call === 'start').length === times, `${String(times)} starts`),
  };
}

test('a node that is let in anew sets its data aside and starts again, under the identity that was let in', async () => {
  const at = make();
  const node = at.run();
  await at.end(new Readmitted('abc'));
  await at.started(2);
  assert.equal(at.calls, ['start', 'stop', 'anew as abc', 'start']);
  await node.stop();
  assert.equal(at.calls.slice(4), ['stop']);
});

test('certificates are read again by the node that runs now', async () => {
  const at = make();
  const node = at.run();
  await at.end(new StateDiverged(10));
  await at.started(2);
  await node.reloadCertificates();
  assert.equal(at.calls, ['start', 'stop', 'start', 'reload']);
  await node.stop();
});

test('a state that differs is found in doubt by the next start', async () => {
  const at = make();
  const node = at.run();
  await at.end(new StateDiverged(10));
  await at.started(2);
  assert.equal(at.calls, ['start', 'stop', 'start'], 'nothing is set aside before the others let it in');
  await node.stop();
});

test('with a full disk it starts again, but only when there is room', async () => {
  for (const failure of [new DiskFull('/d', 1), noSpace()]) {
    const at = make();
    at.room.is = false;
    const node = at.run();
    await at.end(failure);
    await until(() => at.room.looks > 3, 'looks at the disk');
    assert.equal(at.calls, ['start', 'stop']);
    at.room.is = true;
    await at.started(2);
    await node.stop();
    assert.equal(at.calls, ['start', 'stop', 'start', 'stop']);
  }
});

test('a start that finds the disk full waits too, also the first one', async () => {
  const at = make();
  at.startFailures.push(noSpace(), noSpace());
  const node = at.run();
  await at.started(3);
  assert.is(at.room.looks, 2);
  await node.stop();
});

test('a stop while it waits for room ends at once, and nothing is started any more', async () => {
  const at = make({ roomPollMs: 3_600_000 });
  const node = at.run();
  await at.end(new DiskFull('/d', 1));
  await until(() => at.calls.length === 2, 'the end of the node');
  await node.stop();
  assert.equal(at.calls, ['start', 'stop']);
});

test('whatever else ends it is final', async () => {
  const at = make();
  const node = at.run();
  const broken = new Error('the disk is gone');
  await at.end(broken);
  assert.is(await node.failed, broken);
  assert.equal(at.calls, ['start', 'stop']);
  await node.stop();
  assert.equal(at.calls, ['start', 'stop']);
});

test('a start that fails is final: the first, and a later one', async () => {
  const first = make();
  first.startFailures.push(new Error('in use'));
  assert.is((await first.run().failed).message, 'in use');
  const later = make();
  const node = later.run();
  await later.started(1);
  later.startFailures.push(new Error('in use'));
  await later.end(new StateDiverged(1));
  assert.is((await node.failed).message, 'in use');
  const anew = make({ startAnew: async () => await Promise.reject(new Error('read only')) });
  const readmitted = anew.run();
  await anew.end(new Readmitted('a'));
  assert.is((await readmitted.failed).message, 'read only');
  assert.equal(anew.calls, ['start', 'stop']);
});

test('a stop of a node that runs stops it once, and is no failure', async () => {
  const at = make();
  const node = at.run();
  await at.started(1);
  let failed = false;
  void node.failed.then(() => {
    failed = true;
  });
  await Promise.all([node.stop(), node.stop()]);
  assert.equal(at.calls, ['start', 'stop']);
  assert.not.ok(failed);
});

test.run();
