import type { BrokerEnvironment } from '@quorate/broker';
import { Fencing } from '../../../packages/broker/src/fencing.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('broker: fencing');
const LEASE_WAIT_MS = 1000;
const TICK_MS = 10;

/** A fencing of n1, with what it did in order. */
class Bench {
  nowMs = 0;
  readonly log: string[] = [];
  readonly fencing: Fencing;

  constructor(restored = false) {
    const environment: BrokerEnvironment = {
      nowMs: () => this.nowMs,
      sendReleased: (nodeId, epoch) => {
        this.log.push(`release ${epoch} to ${nodeId}`);
      },
      transmit: () => {},
      sendQoS0: () => {},
      requestFlush: () => {},
      assignClientId: () => '',
      log: { debug: () => {}, info: () => {}, warn: () => {} },
    };
    this.fencing = new Fencing('n1', environment, { leaseWaitMs: LEASE_WAIT_MS, restored });
  }

  claim(epoch: number, previousOwner: string | null, clientId = 'a'): void {
    this.fencing.claim(epoch, clientId, previousOwner, () => this.log.push(`live ${epoch}`));
  }

  at(nowMs: number): string[] {
    this.pass(nowMs);
    return this.log.splice(0);
  }

  /** As time passes, it is looked at. */
  pass(untilMs: number): void {
    while (this.nowMs < untilMs) {
      this.nowMs = Math.min(untilMs, this.nowMs + TICK_MS);
      this.fencing.tick();
    }
  }
}

test('a session that nobody has, or this node had, is served at once', () => {
  const bench = new Bench();
  bench.claim(1, null);
  bench.claim(2, 'n1');
  assert.equal(bench.log, ['live 1', 'live 2']);
  assert.is(bench.fencing.size, 0);
});

test('another node’s session: when that node says so, or its lease is over', () => {
  const bench = new Bench();
  bench.claim(1, 'n2');
  bench.claim(2, 'n3', 'b');
  assert.equal(bench.at(500), []);
  bench.fencing.released(2);
  assert.equal(bench.at(999), ['live 2']);
  assert.equal(bench.at(1000), ['live 1']);
  bench.fencing.released(1);
  assert.equal(bench.log, [], 'a late release opens nothing twice');
  assert.is(bench.fencing.size, 0);
});

test('a clock that jumps, or a pause of this process, does not shorten the lease of another', () => {
  const bench = new Bench();
  bench.claim(1, 'n2');
  bench.pass(300);
  bench.nowMs += 60_000;
  bench.fencing.tick();
  assert.equal(bench.log, []);
  assert.equal(bench.at(60_300 + 640), [], 'of the jump no more than 50 ms count');
  assert.equal(bench.at(60_300 + 650), ['live 1']);
});

test('a release may come before the takeover is applied here, and counts for it alone', () => {
  const bench = new Bench();
  bench.fencing.released(1);
  bench.claim(1, 'n2');
  bench.claim(2, 'n2', 'b');
  assert.equal(bench.log, ['live 1']);
});

test('early releases are bounded', () => {
  const bench = new Bench();
  for (let epoch = 1; epoch <= 4097; epoch++) bench.fencing.released(epoch);
  bench.claim(1, 'n2');
  bench.claim(4097, 'n2', 'b');
  assert.equal(bench.log, ['live 4097']);
});

test('who lost a session releases it at once, or when it may itself', () => {
  const bench = new Bench();
  bench.fencing.lost(1, 2, 'n2');
  assert.equal(bench.log.splice(0), ['release 2 to n2']);
  bench.claim(3, 'n2');
  bench.fencing.lost(3, 4, 'n3');
  assert.equal(bench.at(999), []);
  bench.fencing.released(3);
  assert.equal(bench.log, ['live 3', 'release 4 to n3']);
});

test('a chain on this node waits for the first, and ends with it', () => {
  const bench = new Bench();
  bench.claim(1, 'n2');
  bench.fencing.lost(1, 2, 'n1');
  bench.pass(400);
  bench.claim(2, 'n1');
  bench.fencing.lost(2, 3, 'n3');
  assert.equal(bench.at(999), []);
  assert.equal(bench.at(1000), ['live 1', 'live 2', 'release 3 to n3']);
  assert.is(bench.fencing.size, 0);
});

test('a session dropped with its node soon after a takeover keeps its next owner waiting', () => {
  const bench = new Bench();
  bench.fencing.takenOver(7);
  bench.fencing.dropped(7, 'a');
  bench.fencing.dropped(8, 'b');
  bench.pass(300);
  bench.claim(9, null);
  bench.claim(10, null, 'b');
  assert.equal(bench.at(999), ['live 10']);
  assert.equal(bench.at(1000), ['live 9']);
});

test('long after a takeover it does not', () => {
  const bench = new Bench();
  bench.fencing.takenOver(7);
  assert.equal(bench.at(1000), []);
  bench.fencing.dropped(7, 'a');
  bench.claim(9, null);
  assert.equal(bench.log, ['live 9']);
});

test('a session that is dropped twice while somebody waits for it still has to wait', () => {
  const bench = new Bench();
  bench.fencing.takenOver(7);
  bench.fencing.dropped(7, 'a');
  bench.pass(200);
  bench.claim(8, null);
  bench.fencing.dropped(8, 'a');
  bench.claim(9, null);
  assert.equal(bench.at(900), []);
  assert.ok(bench.at(1000).includes('live 9'));
});

test('what a restored state does not tell is waited out', () => {
  const bench = new Bench(true);
  bench.claim(1, null);
  assert.equal(bench.at(999), []);
  assert.equal(bench.at(1000), ['live 1']);
  bench.claim(2, null, 'b');
  assert.equal(bench.log, ['live 2']);
});

test('under a new incarnation nothing is claimed, but what others’ leases may last stays known', () => {
  const bench = new Bench();
  bench.claim(1, 'n2');
  bench.fencing.takenOver(1);
  bench.fencing.dropped(1, 'a');
  bench.fencing.clear();
  bench.claim(2, null);
  assert.equal(bench.at(999), []);
  assert.equal(bench.at(1000), ['live 2']);
});

test('when a member with a longer lease has joined, takeovers wait for that', () => {
  const bench = new Bench();
  bench.fencing.setLeaseWaitMs(3 * LEASE_WAIT_MS);
  bench.claim(1, 'n2');
  assert.equal(bench.at(2 * LEASE_WAIT_MS), []);
  assert.equal(bench.at(3 * LEASE_WAIT_MS), ['live 1']);
});

test.run();
