import type { CheckpointRecords } from '@quorate/broker';
import type { StateWrite } from '@quorate/storage';
import { mergeCheckpoints } from '../../../../packages/node/src/runtime/checkpoint-merge.ts';
import { Checkpointer } from '../../../../packages/node/src/runtime/checkpointer.ts';
import { assert, suite } from '../../../support/suite.ts';
import { settle } from '../raft/support.ts';

const test = suite('checkpointer');

const MIB = 1024 * 1024;
const bytes = (text: string): Uint8Array => Buffer.from(text);

function checkpoint(
  appliedIndex: number,
  puts: Record<string, string> = {},
  deletes: string[] = [],
): CheckpointRecords {
  const records = Object.entries(puts).map(([key, value]) => [bytes(key), bytes(value)] as const);
  return { appliedIndex, appliedTerm: 1, puts: records, deletes: deletes.map(bytes) };
}

/** A state store whose writes end when the test says so. */
function make(compactedIndex = 0) {
  const writes: StateWrite[] = [];
  const ends: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const compacted: [index: number, term: number][] = [];
  const fatal: unknown[] = [];
  const checkpointer = new Checkpointer(
    {
      stateStore: {
        write: (write) => {
          writes.push(write);
          return new Promise((resolve, reject) => {
            ends.push({ resolve, reject });
          });
        },
      },
      log: { termAt: async (index) => (index > 1_000_000 ? null : 3) },
      nowMs: () => 0,
      compact: (index, term) => compacted.push([index, term]),
      onWritten: () => {},
      onFatal: (error) => fatal.push(error),
    },
    compactedIndex,
  );
  const end = async (): Promise<void> => {
    ends.shift()?.resolve();
    await settle();
  };
  return { checkpointer, writes, ends, compacted, fatal, end };
}

const positions = (writes: readonly StateWrite[]): number[] => writes.map(({ position }) => position.appliedIndex);

test('one write at a time; what comes meanwhile becomes one write, however much it is', async () => {
  const { checkpointer, writes, end } = make();
  checkpointer.add(checkpoint(10, { a: '1' }), 0, 0);
  await settle();
  for (let index = 11; index <= 30; index++) {
    checkpointer.add(checkpoint(index, { [`k${String(index % 3)}`]: String(index) }), 0, 0);
    assert.ok(checkpointer.waiting <= 2);
  }
  assert.equal(positions(writes), [10]);
  await end();
  assert.equal(positions(writes), [10, 30]);
  assert.is(writes[1]?.puts.length, 3);
  await end();
  assert.is(checkpointer.waiting, 0);
  await checkpointer.idle();
});

test('two checkpoints merged do what the two do one after the other', () => {
  const earlier = checkpoint(1, { kept: '1', changed: '1', removed: '1' }, ['gone', 'back']);
  const later = checkpoint(2, { changed: '2', back: '2' }, ['removed']);
  const merged = mergeCheckpoints(earlier, later);
  const puts = merged.puts.map(([key, value]) => `${Buffer.from(key).toString()}=${Buffer.from(value).toString()}`);
  assert.equal(puts.sort(), ['back=2', 'changed=2', 'kept=1']);
  assert.equal(merged.deletes.map((key) => Buffer.from(key).toString()).sort(), ['gone', 'removed']);
  assert.is(merged.appliedIndex, 2);
});

test('the log is let go only behind what the state store holds durably', async () => {
  const { checkpointer, compacted, end } = make();
  checkpointer.add(checkpoint(10_000), 9_000, 0);
  await settle();
  assert.equal(compacted, []);
  await end();
  assert.equal(compacted, [[9_000, 3]]);
  // The leader knows that all members are further than this node's own state.
  checkpointer.add(checkpoint(15_000), 20_000, 0);
  await settle();
  await end();
  assert.equal(compacted[1], [15_000, 3]);
});

test('a few entries are not worth a compaction, unless they are large', async () => {
  const { checkpointer, compacted, end } = make(100);
  checkpointer.add(checkpoint(300), 300, MIB);
  await settle();
  await end();
  assert.equal(compacted, []);
  checkpointer.add(checkpoint(400), 400, 32 * MIB);
  await settle();
  await end();
  assert.equal(compacted, [[400, 3]]);
  checkpointer.add(checkpoint(500), 500, MIB);
  await settle();
  await end();
  assert.is(compacted.length, 1);
});

test('a member that holds nothing new keeps the log', async () => {
  const { checkpointer, compacted, end } = make(100);
  checkpointer.add(checkpoint(50_000), 100, 100 * MIB);
  await settle();
  await end();
  assert.equal(compacted, []);
});

test('the first error is told once; nothing is written after it', async () => {
  const { checkpointer, writes, ends, compacted, fatal } = make();
  checkpointer.add(checkpoint(10_000), 10_000, 0);
  await settle();
  checkpointer.add(checkpoint(11_000), 11_000, 0);
  ends.shift()?.reject(new Error('disk full'));
  await settle();
  checkpointer.add(checkpoint(12_000), 12_000, 0);
  await settle();
  await checkpointer.idle();
  assert.equal(positions(writes), [10_000]);
  assert.equal(compacted, []);
  assert.is(fatal.length, 1);
  assert.is(checkpointer.waiting, 0);
});

test.run();
