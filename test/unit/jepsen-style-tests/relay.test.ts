import { type Shape, seededRandom } from '@quorate/jepsen-style-tests';
import fc from 'fast-check';
import { DelayQueue, type Timer } from '../../../jepsen-style-tests/src/network/delay-queue.ts';
import { destinationOf, Relay } from '../../../jepsen-style-tests/src/network/relay.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('partition tests: relay');

const GOOD: Shape = { lossPct: 0, duplicatePct: 0, reorderPct: 0, delayMs: 0, jitterMs: 0 };
const FROM = '10.77.0.1';
const TO = '10.77.0.2';

/** Time that passes when it is told to. */
class FakeTimer implements Timer {
  private ms = 0;
  private tasks: { readonly atMs: number; readonly task: () => void }[] = [];

  nowMs(): number {
    return this.ms;
  }

  after(ms: number, task: () => void): void {
    this.tasks.push({ atMs: this.ms + ms, task });
  }

  pass(ms: number): void {
    const untilMs = this.ms + ms;
    for (;;) {
      this.tasks.sort((a, b) => a.atMs - b.atMs);
      const next = this.tasks[0];
      if (next === undefined || next.atMs > untilMs) break;
      this.tasks.shift();
      this.ms = Math.max(this.ms, next.atMs);
      next.task();
    }
    this.ms = untilMs;
  }
}

function packet(to: string, number = 0): Buffer {
  const made = Buffer.alloc(24);
  made[0] = 0x45;
  made.set(to.split('.').map(Number), 16);
  made.writeUInt32BE(number, 20);
  return made;
}

function relayWith(shape: Shape, seed = 1) {
  const timer = new FakeTimer();
  const out: { readonly number: number; readonly to: string; readonly atMs: number }[] = [];
  const deliver = (bytes: Uint8Array, to: string): void => {
    out.push({ number: Buffer.from(bytes).readUInt32BE(20), to, atMs: timer.nowMs() });
  };
  const relay = new Relay(seededRandom(seed), deliver, timer);
  relay.shapes = new Map([[`${FROM}>${TO}`, shape]]);
  const send = (count: number): void => {
    for (let number = 0; number < count; number++) relay.take(packet(TO, number), FROM);
  };
  return { relay, timer, out, send };
}

test('the destination is read from the IPv4 header; what is none is dropped', () => {
  assert.is(destinationOf(packet('10.77.1.200')), '10.77.1.200');
  assert.is(destinationOf(Buffer.alloc(0)), null);
  assert.is(destinationOf(packet(TO).subarray(0, 19)), null);
  const six = packet(TO);
  six[0] = 0x60;
  assert.is(destinationOf(six), null);
  const { relay, out } = relayWith(GOOD);
  relay.take(six, FROM);
  assert.is(out.length, 0);
});

test('a delayed packet comes when its time has come, in order without jitter', () => {
  const { timer, out, send } = relayWith({ ...GOOD, delayMs: 50 });
  send(3);
  timer.pass(49);
  assert.is(out.length, 0);
  timer.pass(1);
  assert.equal(
    out.map((each) => each.number),
    [0, 1, 2],
  );
});

test('jitter is between nothing and its bound', () => {
  const { timer, out, send } = relayWith({ ...GOOD, delayMs: 20, jitterMs: 30 });
  send(500);
  timer.pass(60);
  const times = out.map((each) => each.atMs);
  assert.is(times.length, 500);
  assert.ok(Math.min(...times) >= 20 && Math.min(...times) < 22, String(Math.min(...times)));
  assert.ok(Math.max(...times) <= 50 && Math.max(...times) > 48, String(Math.max(...times)));
});

for (const [what, shape, least, most] of [
  ['loss', { ...GOOD, lossPct: 20 }, 1_500, 1_700],
  ['duplication', { ...GOOD, duplicatePct: 20 }, 2_300, 2_500],
  ['neither', GOOD, 2_000, 2_000],
] as const) {
  test(`${what}: so many of a hundred, and the same ones for the same seed`, () => {
    const run = (seed: number): number[] => {
      const { out, send } = relayWith(shape, seed);
      send(2_000);
      return out.map((each) => each.number);
    };
    const first = run(7);
    assert.ok(first.length >= least && first.length <= most, `${String(first.length)} of 2000`);
    assert.equal(run(7), first);
  });
}

test('packets that are reordered leave at once, past those that wait', () => {
  const { timer, out, send } = relayWith({ ...GOOD, delayMs: 10, reorderPct: 30 });
  send(1_000);
  const early = out.length;
  assert.ok(early > 230 && early < 370, String(early));
  timer.pass(10);
  assert.is(out.length, 1_000);
});

test('a cut link carries nothing, not even what was under way; other links are not concerned', () => {
  const { relay, timer, out, send } = relayWith({ ...GOOD, delayMs: 10 });
  send(2);
  relay.cuts = new Set([`${FROM}>${TO}`]);
  send(2);
  relay.take(packet(FROM, 9), TO);
  timer.pass(100);
  assert.equal(
    out.map((each) => each.number),
    [9],
  );
  relay.cuts = new Set();
  send(1);
  timer.pass(100);
  assert.is(out.length, 2);
});

test('a cut link without a delay carries nothing either', () => {
  const { relay, out, send } = relayWith({ ...GOOD, lossPct: 1 });
  relay.cuts = new Set([`${FROM}>${TO}`]);
  send(10);
  assert.is(out.length, 0);
});

test('a delay queue acts in the order of time, then of arrival', () => {
  fc.assert(
    fc.property(fc.array(fc.record({ delayMs: fc.nat(50), pauseMs: fc.nat(20) }), { maxLength: 200 }), (steps) => {
      const timer = new FakeTimer();
      const queue = new DelayQueue(timer);
      const due: { readonly dueMs: number; readonly at: number }[] = [];
      const acted: number[] = [];
      for (const [at, { delayMs, pauseMs }] of steps.entries()) {
        due.push({ dueMs: timer.nowMs() + delayMs, at });
        queue.add(delayMs, () => {
          assert.ok(timer.nowMs() >= (due[at]?.dueMs ?? 0), 'not before its time');
          acted.push(at);
        });
        timer.pass(pauseMs);
      }
      timer.pass(100);
      assert.is(queue.size, 0);
      assert.equal(
        acted,
        due.sort((a, b) => a.dueMs - b.dueMs || a.at - b.at).map((each) => each.at),
      );
    }),
  );
});

test('a delay queue has an end: what comes when it is full is lost', () => {
  const queue = new DelayQueue(new FakeTimer());
  let added = 0;
  while (queue.add(1_000, () => {})) added++;
  assert.is(added, 10_000);
  assert.is(queue.size, 10_000);
  queue.clear();
  assert.ok(queue.add(1, () => {}));
});

test.run();
