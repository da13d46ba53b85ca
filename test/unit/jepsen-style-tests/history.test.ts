import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type HistoryEvent, HistoryWriter, loadHistory, RunClock, readHistory } from '@quorate/jepsen-style-tests';
import { assert, suite } from '../../support/suite.ts';
import { fault, publish } from './histories.ts';

const test = suite('partition tests: histories');

let folder: string;
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-history-'));
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

async function written(name: string, events: readonly HistoryEvent[]): Promise<string> {
  const writer = new HistoryWriter(join(folder, name));
  for (const event of events) writer.append(event);
  await writer.close();
  return writer.path;
}

test('what is written is read, several files merged by the time of the end', async () => {
  const long = Array.from({ length: 20_000 }, (_none, at) => publish('p', `p:${at}`, at, at * 2 + 0.5));
  const other = Array.from({ length: 5_000 }, (_none, at) => publish('q', `q:${at}`, at, at * 8));
  const events = fault(1, 'kill', 100, 200, ['n1']);
  const paths = [
    await written('a', long),
    await written('b', other),
    await written('c', events),
    await written('d', []),
  ];
  const times: number[] = [];
  for await (const event of readHistory(paths)) times.push('atMs' in event ? event.atMs : event.endMs);
  assert.is(times.length, 25_002);
  assert.equal(
    times,
    [...times].sort((a, b) => a - b),
  );
  const history = await loadHistory(paths);
  assert.is(history.operations.length, 25_000);
  assert.equal(history.faults, events);
  assert.equal(
    history.operations.filter(({ client }) => client === 'q'),
    other,
  );
});

test('damaged files are refused, with the place', async () => {
  const good = JSON.stringify(publish('p', 'a', 1, 2));
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    [`${good}\n${good.slice(0, 40)}\n`, /bad:2: not a JSON line/],
    [`${good}\n${good}`, /bad: ends in the middle of an event/],
    [`${good}\n{"kind":"other"}\n`, /bad:2: not an event/],
    [`null\n`, /bad:1: not an event/],
  ];
  for (const [text, message] of cases) {
    writeFileSync(join(folder, 'bad'), text);
    await assert.rejects(loadHistory([join(folder, 'bad')]), message);
  }
});

test('more events than fit are refused', async () => {
  const path = await written('a', [publish('p', 'a', 1, 2), publish('p', 'b', 1, 2)]);
  await assert.rejects(loadHistory([path], 1), /more than 1 events/);
});

test('a full history lets nothing begin, and still takes what has begun', async () => {
  const writer = new HistoryWriter(join(folder, 'a'), { maxBytes: 400 });
  assert.ok(writer.mayBegin);
  const events = ['a', 'b', 'c', 'd'].map((value) => publish('p', value, 1, 2));
  for (const event of events) writer.append(event);
  assert.ok(writer.full && !writer.mayBegin);
  await writer.close();
  assert.equal((await loadHistory([writer.path])).operations, events);
});

test('a disk that does not keep up lets nothing begin until it does', async () => {
  const writer = new HistoryWriter(join(folder, 'a'), { maxBufferedBytes: 100_000 });
  for (let at = 0; at < 2_000; at++) writer.append(publish('p', 'x'.repeat(100), 1, 2));
  assert.is(writer.mayBegin, false);
  await writer.close();
  assert.ok(writer.sizeBytes > 200_000);
});

test('no history replaces another', async () => {
  const path = await written('a', []);
  assert.throws(() => new HistoryWriter(path), /EEXIST/);
});

test('clocks with the same zero agree, begins are not after ends', () => {
  const zero = process.hrtime.bigint() - 5_000_000n;
  const [one, other] = [new RunClock(zero), new RunClock(zero)];
  for (let at = 0; at < 1_000; at++) {
    const [begin, end] = [one.beginMs(), other.endMs()];
    assert.ok(begin <= end + 1 && end - begin < 50, `${begin} to ${end}`);
  }
  assert.ok(one.beginMs() >= 5);
});

test.run();
