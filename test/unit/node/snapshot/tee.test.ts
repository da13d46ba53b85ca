import type { StateRecord } from '@quorate/storage';
import { teeSnapshot } from '../../../../packages/node/src/snapshot/index.ts';
import { assert, suite } from '../../../support/suite.ts';
import { assertSame, Source } from './support.ts';

const test = suite('snapshot tee');

async function opened() {
  const source = await Source.at(10, 1 << 20);
  const info = await source.dump(0);
  assert.ok(info !== null);
  return { source, reader: await source.store.open(info.id) };
}

test('both consumers get every record, in order, the second one first', async () => {
  const { source, reader } = await opened();
  const calls: string[] = [];
  const built: StateRecord[] = [];
  const written: StateRecord[] = [];
  const tee = teeSnapshot(reader, (records) => {
    calls.push('build');
    built.push(...records);
  });
  assert.is(tee.info, reader.info);
  assert.equal(await tee.verify(), await reader.verify());
  assert.is(built.length, 0, 'a verification hands over nothing');
  const summary = await tee.forEach(async (records) => {
    await Promise.resolve();
    calls.push('write');
    written.push(...records);
  });
  assert.is(summary.recordCount, source.records.length);
  assertSame(built, source.records);
  assertSame(written, source.records);
  assert.ok(calls.length > 2 && calls.every((call, i) => call === (i % 2 === 0 ? 'build' : 'write')));
  assert.equal(await tee.read(0, 100), await reader.read(0, 100));
  await assert.rejects(
    tee.forEach(() => {}),
    /handed to its second consumer before/,
  );
  await tee.close();
});

test('an error of the second consumer ends it', async () => {
  const { reader } = await opened();
  let written = 0;
  const tee = teeSnapshot(reader, () => {
    throw new Error('no such record');
  });
  await assert.rejects(
    tee.forEach((records) => {
      written += records.length;
    }),
    /no such record/,
  );
  assert.is(written, 0);
});

test.run();
