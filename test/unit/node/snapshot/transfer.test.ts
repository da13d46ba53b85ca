import type { SnapshotMessage } from '@quorate/protocol';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import {
  assertSame,
  connect,
  type LinkFaults,
  ReceivingNode,
  SendingNode,
  Source,
  VirtualTime,
  WINDOW,
} from './support.ts';

const test = suite('snapshots between nodes');

const MIB = 1 << 20;
const LARGE = 24 * MIB;
let small: Source;
let large: Source;

test.before(async () => {
  small = await Source.at(100, 3 * MIB);
  large = await Source.at(200, LARGE);
  for (const source of [small, large]) await source.dump(0);
});

interface Pair {
  time: VirtualTime;
  leader: SendingNode;
  follower: ReceivingNode;
  link: ReturnType<typeof connect>;
}

function pair(source: Source, faults: LinkFaults = {}): Pair {
  const time = new VirtualTime(seedFor('snapshots between nodes'));
  const leader = new SendingNode('n1', time, source);
  const follower = new ReceivingNode('n3', time);
  return { time, leader, follower, link: connect(time, faults, leader, follower) };
}

function assertInstalled({ leader, follower }: Pair, source: Source, index: number): void {
  assert.equal(leader.reports.at(-1), { peer: 'n3', index, term: 1, ok: true });
  assert.is(follower.installs, 1);
  assertSame(follower.records, source.records);
  assert.equal([...leader.fatal, ...follower.fatal], []);
}

test('goes over whole, within the window, and is reported once', async () => {
  const nodes = pair(large);
  const { time, leader, follower } = nodes;
  leader.sender.request('n3', 150, 7);
  leader.sender.request('n3', 200, 7);
  assert.is(leader.sender.oldestIndex, null);
  await time.until(() => leader.reports.length > 0, 60_000, 'a report');
  assertInstalled(nodes, large, 200);
  assert.is(leader.mostUnacknowledged, WINDOW, 'the window is used, and never exceeded');
  assert.ok(follower.heard.length > LARGE / (256 << 10), 'every chunk counts as hearing from the leader');
  assert.ok(follower.heard.every(({ from, term }) => from === 'n1' && term === 7));
  await time.pass(5_000);
  assert.is(leader.reports.length, 1);
  assert.is(large.dumps, 1, 'the stored one did');
});

test('goes on at its offset after a lost connection', async () => {
  const nodes = pair(large);
  const { time, leader, follower, link } = nodes;
  let sent = 0;
  link.onSent = (_, message) => {
    if (message.kind === 'chunk') sent += message.data.length;
  };
  leader.sender.request('n3', 150, 7);
  await time.until(() => sent > 10 * MIB, 60_000, 'ten megabytes');
  assert.is(leader.sender.oldestIndex, 200);
  link.cut();
  await time.pass(20_000);
  assert.is(leader.reports.length, 0, 'it waits');
  link.join();
  await time.until(() => leader.reports.length > 0, 60_000, 'a report');
  assertInstalled(nodes, large, 200);
  assert.ok(sent <= LARGE + 2 * WINDOW, `only what was in flight goes twice: ${sent} bytes`);
  assert.is(follower.installs, 1);
});

test('goes on at its offset after a power cut of the receiver', async () => {
  const nodes = pair(large);
  const { time, leader, follower, link } = nodes;
  const offsets: number[] = [];
  link.onSent = (_, message) => {
    if (message.kind === 'chunk') offsets.push(message.offset);
  };
  leader.sender.request('n3', 150, 7);
  await time.until(() => (offsets.at(-1) ?? 0) > 20 * MIB, 60_000, 'twenty megabytes');
  await follower.crash();
  const sentBefore = offsets.length;
  await time.until(() => leader.reports.length > 0, 60_000, 'a report');
  assertInstalled(nodes, large, 200);
  const resumedAt = Math.min(...offsets.slice(sentBefore));
  assert.ok(resumedAt >= 8 * MIB && resumedAt < 20 * MIB, `behind what was synced: ${resumedAt}`);
});

test('goes on at its offset after a restart of the sender', async () => {
  const nodes = pair(large);
  const { time, leader, link } = nodes;
  const offsets: number[] = [];
  link.onSent = (_, message) => {
    if (message.kind === 'chunk') offsets.push(message.offset);
  };
  leader.sender.request('n3', 150, 7);
  await time.until(() => (offsets.at(-1) ?? 0) > 10 * MIB, 60_000, 'ten megabytes');
  link.cut();
  await leader.restart();
  link.join();
  assert.is(leader.reports.length, 0, 'the end of a process is no report');
  const sentBefore = offsets.length;
  leader.sender.request('n3', 150, 8);
  await time.until(() => leader.reports.length > 0, 60_000, 'a report');
  assertInstalled(nodes, large, 200);
  assert.ok(Math.min(...offsets.slice(sentBefore)) > 8 * MIB, 'nothing is sent twice but what was in flight');
});

test('another leader goes on with another snapshot, also with an older one', async () => {
  for (const [first, second, index] of [
    [large, small, 100],
    [small, large, 200],
  ] as const) {
    const nodes = pair(first, { maxDelayMs: 30 });
    const { time, leader, follower } = nodes;
    const next = new SendingNode('n2', time, second);
    connect(time, {}, next, follower);
    leader.sender.request('n3', 50, 7);
    await time.until(() => leader.mostUnacknowledged > 0, 10_000, 'a chunk');
    await time.pass(20);
    next.sender.request('n3', 50, 8);
    await time.until(() => follower.heard.some(({ from }) => from === 'n2'), 10_000, 'the new leader');
    // The old one does not know yet, and its messages change nothing.
    await time.until(() => next.reports.length > 0, 60_000, 'a report');
    leader.sender.stepDown();
    await time.pass(60_000);
    assert.equal(leader.reports, [], 'who leads no more reports nothing');
    assertInstalled({ ...nodes, leader: next }, second, index);
    assert.is(follower.committedIndex, index);
  }
});

test('a receiver that goes away for ever: one report after 30 s, the file is closed', async () => {
  const { time, leader, follower, link } = pair(large);
  leader.sender.request('n3', 150, 7);
  await time.until(() => leader.mostUnacknowledged === WINDOW, 10_000, 'chunks');
  link.cut();
  await time.pass(29_000);
  assert.equal(leader.reports, []);
  await time.pass(2_000);
  assert.equal(leader.reports, [{ peer: 'n3', index: 200, term: 1, ok: false }]);
  await time.pass(60_000);
  assert.is(leader.reports.length, 1);
  assert.is(leader.sender.oldestIndex, null);
  await leader.sender.stop();
  assert.is(follower.installs, 0);
});

test('a receiver that answers but comes no further is given up too', async () => {
  const { time, leader, link } = pair(small);
  link.intercept = (_, message) => (message.kind === 'chunk' ? undefined : message);
  leader.sender.request('n3', 50, 7);
  await time.pass(29_000);
  assert.equal(leader.reports, []);
  await time.pass(2_000);
  assert.equal(leader.reports, [{ peer: 'n3', index: 100, term: 1, ok: false }]);
});

test('an installation that takes minutes is waited for', async () => {
  const nodes = pair(small);
  const { time, leader, follower } = nodes;
  follower.installMs = 300_000;
  leader.sender.request('n3', 50, 7);
  await time.pass(290_000);
  assert.equal(leader.reports, []);
  const { length } = follower.heard;
  await time.pass(5_000);
  assert.ok(follower.heard.length >= length + 4, 'the leader is heard meanwhile');
  await time.until(() => leader.reports.length > 0, 20_000, 'a report');
  assertInstalled(nodes, small, 100);
});

test('a lost result is given again', async () => {
  const nodes = pair(small);
  const { time, leader, link } = nodes;
  let lost = 0;
  link.intercept = (_, message) => (message.kind === 'result' && ++lost < 4 ? undefined : message);
  leader.sender.request('n3', 50, 7);
  await time.until(() => leader.reports.length > 0, 60_000, 'a report');
  assert.is(lost, 4);
  assertInstalled(nodes, small, 100);
});

test('what was damaged on its way is refused, and another snapshot is made', async () => {
  const source = await Source.at(100, 3 * MIB, 7);
  await source.dump(0);
  const nodes = pair(source);
  const { time, leader, follower, link } = nodes;
  const ids = new Set<string>();
  let first: string | null = null;
  link.intercept = (_, message) => damaged(message, (id) => (first ??= id) === id);
  link.onSent = (_, { id }) => ids.add(id);
  leader.sender.request('n3', 50, 7);
  await time.until(() => leader.reports.length > 0, 60_000, 'a report');
  assert.equal(leader.reports, [{ peer: 'n3', index: 100, term: 1, ok: false }]);
  assert.is(follower.installs, 0);
  leader.sender.request('n3', 50, 7);
  await time.until(() => leader.reports.length > 1, 60_000, 'another report');
  assert.is(source.dumps, 2, 'the one that was refused is not offered again');
  assert.is(ids.size, 2);
  assertInstalled(nodes, source, 100);
});

/** One bit of the third chunk of a snapshot that `concerns` is about. */
function damaged(message: SnapshotMessage, concerns: (id: string) => boolean): SnapshotMessage {
  if (message.kind !== 'chunk' || message.offset !== 512 << 10 || !concerns(message.id)) return message;
  const data = Buffer.from(message.data);
  data.writeUInt8(data.readUInt8(1000) ^ 4, 1000);
  return { ...message, data };
}

test.run();
