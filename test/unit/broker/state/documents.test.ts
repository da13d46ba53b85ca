import {
  ByteReader,
  ByteWriter,
  type CommandResult,
  CommandType,
  type DocumentCommand,
  NewerVersionError,
  readDocument,
  StateLimits,
  writeDocument,
} from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { setLimit, withLimit } from './support/limits.ts';
import { Bench } from './support/log.ts';

/* Named values: put, changed under a condition, expired, bounded, and in the records of a checkpoint. */

const test = suite('state: documents');

const A: DocumentCommand = {
  collection: 1,
  name: 'a',
  expected: 'any',
  content: { bytes: Buffer.from('one'), expiresInMs: null },
};

interface Part {
  readonly collection?: number;
  readonly name?: string;
  readonly expected?: DocumentCommand['expected'];
  readonly text?: string | null;
  readonly expiresInMs?: number;
}

function apply(bench: Bench, part: Part = {}): CommandResult {
  const { text = 'one', expiresInMs = null, ...rest } = part;
  const content = text === null ? null : { bytes: Buffer.from(text), expiresInMs };
  return bench.on('a', (writer) => writeDocument(writer, { ...A, ...rest, content }));
}

function outcomeOf(result: CommandResult): string {
  return result.kind === 'document' ? result.outcome : result.kind;
}

function textOf(bench: Bench, name = 'a', collection = 1): string | undefined {
  const document = bench.state.documents.get(collection, name);
  return document === undefined ? undefined : Buffer.from(document.bytes).toString();
}

function told(bench: Bench): unknown[] {
  return bench.sink.take('document').map(([, collection, name, now]) => [collection, name, now]);
}

test('a document is put, replaced and deleted, and the node is told', () => {
  const bench = new Bench();
  assert.equal(apply(bench), { kind: 'document', outcome: 'changed', revision: 3 });
  assert.is(textOf(bench), 'one');
  const { bytes } = bench.state.documents.get(1, 'a') ?? { bytes: Buffer.alloc(0) };
  assert.is(bytes.buffer.byteLength, 3, 'the log entry is let go of');
  assert.is(textOf(bench, 'a', 2), undefined, 'of this collection only');
  apply(bench, { text: 'two' });
  assert.equal(apply(bench, { text: null }), { kind: 'document', outcome: 'changed', revision: null });
  assert.equal(told(bench), [
    [1, 'a', [3, 'one']],
    [1, 'a', [4, 'two']],
    [1, 'a', null],
  ]);
  assert.is(outcomeOf(apply(bench, { text: null })), 'unchanged');
  assert.equal(told(bench), []);
  assert.is(bench.state.documents.size, 0);
});

test('a change that expects something else changes nothing, and says what is there', () => {
  const bench = new Bench();
  assert.is(outcomeOf(apply(bench, { expected: 'present' })), 'conflict');
  assert.is(outcomeOf(apply(bench, { expected: 'present', text: null })), 'conflict');
  assert.is(outcomeOf(apply(bench, { expected: 'absent' })), 'changed');
  const { revision } = bench.state.documents.get(1, 'a') ?? { revision: 0 };
  assert.equal(apply(bench, { expected: 'absent', text: 'two' }), { kind: 'document', outcome: 'conflict', revision });
  assert.is(outcomeOf(apply(bench, { expected: revision - 1, text: 'two' })), 'conflict');
  assert.is(textOf(bench), 'one');
  assert.is(outcomeOf(apply(bench, { expected: revision, text: 'two' })), 'changed');
  assert.is(outcomeOf(apply(bench, { expected: revision, text: 'three' })), 'conflict', 'only one of two wins');
  assert.is(textOf(bench), 'two');
  apply(bench, { text: null });
  apply(bench, { text: 'again' });
  assert.is(outcomeOf(apply(bench, { expected: revision, text: 'x' })), 'conflict', 'not after a deletion either');
});

test('a document expires by the cluster clock, at a Tick, unless it was put again', () => {
  const bench = new Bench();
  apply(bench, { expiresInMs: 1000 });
  apply(bench, { name: 'b', expiresInMs: 1000 });
  assert.is(bench.state.hasTimers, true);
  bench.after(999);
  assert.is(textOf(bench), 'one');
  apply(bench, { name: 'b', text: 'two', expiresInMs: 5000 });
  told(bench);
  assert.is(bench.state.hasDue, false);
  bench.nowMs += 1;
  bench.on('a', (writer) => writeDocument(writer, { ...A, name: 'c' }));
  assert.is(bench.state.hasDue, true);
  assert.is(textOf(bench), 'one', 'until a Tick');
  bench.after(0);
  assert.is(textOf(bench), undefined);
  assert.is(textOf(bench, 'b'), 'two');
  assert.equal(told(bench).at(-1), [1, 'a', null]);
  bench.restart();
  bench.after(5000);
  assert.is(textOf(bench, 'b'), undefined, 'after a restart too');
  assert.is(textOf(bench, 'c'), 'one');
  assert.is(bench.state.hasTimers, false);
});

test('what expires at once is forgotten in portions', () => {
  withLimit('effortPerTick', 2, () => {
    const bench = new Bench();
    for (const name of ['c', 'a', 'b']) apply(bench, { name, expiresInMs: 10 });
    told(bench);
    bench.after(10);
    assert.equal(told(bench), [
      [1, 'a', null],
      [1, 'b', null],
    ]);
    assert.is(bench.state.hasDue, true);
    bench.after(0);
    assert.is(bench.state.documents.size, 0);
  });
});

test('documents that are put again and again leave no heap of stale timers', () => {
  const bench = new Bench();
  for (let round = 0; round < 3000; round++) apply(bench, { expiresInMs: 1000 + round });
  assert.ok(bench.state.documents.pendingExpiries <= 1024 + 8, `${bench.state.documents.pendingExpiries} entries`);
  bench.after(1000 + 2998);
  assert.is(textOf(bench), 'one');
  bench.after(1);
  assert.is(textOf(bench), undefined);
});

test('documents are in the records of a checkpoint until they are deleted', () => {
  const bench = new Bench();
  apply(bench, { expiresInMs: 60_000 });
  apply(bench, { name: 'ä', collection: 3, text: '' });
  const before = [...bench.state.documents.values()];
  bench.restart();
  assert.equal(
    [...bench.state.documents.values()].map((each) => ({ ...each, bytes: Buffer.from(each.bytes) })),
    before.map((each) => ({ ...each, bytes: Buffer.from(each.bytes) })),
  );
  assert.not(
    bench.checkpoint().puts.some(([key]) => key[0] === 9),
    'written once',
  );
  apply(bench, { text: null });
  assert.is(bench.checkpoint().deletes.length, 1);
  bench.restart();
  assert.equal(
    [...bench.state.documents.values()].map(({ name }) => name),
    ['ä'],
  );
});

test('limits: how many, how long a name, how many bytes', () => {
  const bench = new Bench();
  const { documentBytes, documentNameLength } = StateLimits;
  assert.is(outcomeOf(apply(bench, { name: '' })), 'tooLarge');
  assert.is(outcomeOf(apply(bench, { name: 'n'.repeat(documentNameLength + 1) })), 'tooLarge');
  assert.is(outcomeOf(apply(bench, { text: 'x'.repeat(documentBytes + 1) })), 'tooLarge');
  assert.is(bench.state.documents.size, 0);
  assert.is(outcomeOf(apply(bench, { text: 'x'.repeat(documentBytes) })), 'changed');
  setLimit(bench, 'documentsPerCollection', 2);
  assert.is(outcomeOf(apply(bench, { name: 'b' })), 'changed');
  assert.is(outcomeOf(apply(bench, { name: 'c' })), 'tooMany');
  assert.is(outcomeOf(apply(bench, { name: 'c', collection: 2 })), 'changed', 'each collection has its own');
  assert.is(outcomeOf(apply(bench, { name: 'b', text: 'two' })), 'changed', 'one that is there may change');
  bench.checkpoint();
});

test('what a later version added to the command is refused, not misread', () => {
  const writer = new ByteWriter(64);
  writeDocument(writer, { ...A, expected: 7 });
  const bytes = writer.copy();
  assert.is(bytes[0], CommandType.document);
  const read = readDocument(new ByteReader(bytes.subarray(5)));
  assert.equal({ ...read, content: null }, { ...A, expected: 7, content: null });
  assert.is(Buffer.from(read.content?.bytes ?? []).toString(), 'one');
  const conditionAt = 5 + 1 + 1 + 2 + 1;
  for (const at of [5, conditionAt]) {
    const later = Buffer.from(bytes);
    later[at] = 9;
    const act = (): unknown => readDocument(new ByteReader(later.subarray(5)));
    assert.throws(
      act,
      (error: unknown) => error instanceof NewerVersionError && /upgrade this node/.test(error.message),
    );
  }
});

test('a collection that this version does not use is kept all the same', () => {
  const bench = new Bench();
  assert.is(outcomeOf(apply(bench, { collection: 200 })), 'changed');
  bench.restart();
  assert.is(textOf(bench, 'a', 200), 'one');
});

test.run();
