import { Admission, type AdmissionLimits, BrokerCounters, type Visit } from '@quorate/broker';
import fc from 'fast-check';
import { addressGroup } from '../../../packages/broker/src/remote-address.ts';
import { LogBus } from '../../support/log-bus.ts';
import type { FakeClient, Version } from '../../support/log-bus-client.ts';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { codeOf, connected, connectPacket, dial, SETTLE_MS } from './support.ts';

const test = suite('broker: who may come in');

const UNLIMITED: AdmissionLimits = {
  maxConnections: 1000,
  maxPendingConnections: 1000,
  maxConnectionsPerAddress: 0,
  maxConnectsPerSec: 0,
  maxConnectsPerAddressPerSec: 0,
};

/** An admission on a clock that is set by hand. */
class Gate {
  nowMs = 1_000_000;
  readonly counters = new BrokerCounters();
  readonly admission: Admission;

  constructor(limits: Partial<AdmissionLimits>) {
    this.admission = new Admission({ ...UNLIMITED, ...limits }, this.counters, () => this.nowMs);
  }

  arrive(): Visit {
    const visit = this.admission.arrive();
    if (visit === null) throw new Error('there is no room');
    return visit;
  }

  /** Connects from an address; what comes of it. */
  connect(remoteAddress: string): { readonly visit: Visit; readonly refusal: string | null } {
    const visit = this.arrive();
    visit.identify(remoteAddress);
    return { visit, refusal: visit.connect() };
  }
}

function dialFrom(bus: LogBus, address: string, clientId: string, version: Version = 5): FakeClient {
  const client = bus.open('n1', version, address);
  client.send(connectPacket(clientId, { version }));
  return client;
}

test('an address is an IPv4 address or a network of IPv6, whatever its port', () => {
  for (const [address, group] of [
    ['10.0.0.1:5', '10.0.0.1'],
    ['[2001:db8:1:2:3:4:5:6]:7', '2001:db8:1:2::/64'],
    ['[2001:db8:1:2::9]:7', '2001:db8:1:2::/64'],
    ['[2001:db8::9]:7', '2001:db8:0:0::/64'],
    ['[::1]:7', '0:0:0:0::/64'],
    ['[fe80::1%eth0]:7', 'fe80:0:0:0::/64'],
    ['nobody', 'nobody'],
  ] as const) {
    assert.is(addressGroup(address), group, address);
  }
});

test('connections per address: the next one is refused, other addresses are not', () => {
  const bus = new LogBus({ limits: { maxConnectionsPerAddress: 2 } });
  const first = dialFrom(bus, '10.0.0.1:1', 'a');
  dialFrom(bus, '10.0.0.1:2', 'b');
  const third = dialFrom(bus, '10.0.0.1:3', 'c');
  const old = dialFrom(bus, '10.0.0.1:4', 'd', 4);
  const other = dialFrom(bus, '10.0.0.2:1', 'e');
  bus.run(SETTLE_MS);
  assert.is(codeOf(first.next('connack')), 0);
  assert.is(codeOf(third.next('connack')), 0x97);
  assert.is(codeOf(old.next('connack')), 3);
  assert.is(codeOf(other.next('connack')), 0);
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('address_connections'), 2);
  first.close();
  bus.run(SETTLE_MS);
  const again = dialFrom(bus, '10.0.0.1:5', 'c');
  bus.run(SETTLE_MS);
  assert.is(codeOf(again.next('connack')), 0, 'one has gone');
  bus.assertForgotten();
});

test('the rate of connections: a burst of a second, then as they come in again', () => {
  const bus = new LogBus({ limits: { maxConnectsPerSec: 10 } });
  bus.run(1000);
  const codes = (count: number, name: string): (number | undefined)[] => {
    const clients = Array.from({ length: count }, (_, at) => dialFrom(bus, `10.0.0.${at}:1`, `${name}${at}`));
    bus.run(100);
    return clients.map((client) => codeOf(client.next('connack')));
  };
  assert.equal(codes(12, 'a'), [...Array<number>(10).fill(0), 0x9f, 0x9f]);
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('connection_rate'), 2);
  bus.run(400);
  assert.equal(codes(6, 'b'), [...Array<number>(5).fill(0), 0x9f], 'half a second later');
  bus.assertForgotten();
});

test('one address that comes too fast does not use up what the others may', () => {
  const gate = new Gate({ maxConnectsPerSec: 5, maxConnectsPerAddressPerSec: 2 });
  const refusals = Array.from({ length: 20 }, () => gate.connect('10.0.0.1:1').refusal);
  assert.equal(refusals.slice(0, 3), [null, null, 'CONNECTION_RATE']);
  assert.is(refusals.filter((each) => each === null).length, 2);
  assert.is(gate.connect('10.0.0.2:1').refusal, null);
  gate.nowMs += 500;
  assert.is(gate.connect('10.0.0.1:1').refusal, null);
  assert.is(gate.connect('10.0.0.1:1').refusal, 'CONNECTION_RATE');
});

test('addresses are forgotten two seconds after their last connection, not within one, and their number is bounded', () => {
  const gate = new Gate({ maxConnectsPerAddressPerSec: 1 });
  const { visit } = gate.connect('10.0.0.1:1');
  visit.leave();
  visit.leave();
  assert.is(gate.connect('10.0.0.1:1').refusal, 'CONNECTION_RATE', 'it was there a moment ago');
  for (let at = 0; at < 5000; at++) gate.connect(`20.${at >> 8}.${at & 255}.1:1`).visit.leave();
  assert.is(gate.admission.addressCount, 5001);
  gate.nowMs += 2000;
  gate.connect('10.0.0.9:1').visit.leave();
  assert.is(gate.admission.addressCount, 1);
  gate.admission.tick(gate.nowMs + 999);
  assert.is(gate.admission.addressCount, 1);
  gate.admission.tick(gate.nowMs + 2000);
  assert.is(gate.admission.addressCount, 0);
  for (let at = 0; at < 100_000; at++) gate.connect(`a${at}:1`).visit.leave();
  assert.ok(gate.admission.addressCount <= 65_536, `${gate.admission.addressCount} addresses`);
});

test('without limits per address nothing is remembered of one that has gone', () => {
  const gate = new Gate({});
  const { visit } = gate.connect('10.0.0.1:1');
  assert.is(gate.admission.addressCount, 1);
  visit.leave();
  assert.is(gate.admission.addressCount, 0);
  assert.is(gate.admission.connectedCount, 0);
});

test('connections without CONNECT do not take the places of clients', () => {
  const bus = new LogBus({ limits: { maxConnections: 2, maxPendingConnections: 5 } });
  for (let at = 0; at < 4; at++) bus.open('n1');
  bus.run(10);
  connected(bus, 'n1', 'a');
  connected(bus, 'n1', 'b');
  const third = dial(bus, 'n1', 'c');
  bus.run(SETTLE_MS);
  assert.is(codeOf(third.next('connack')), 0x89);
  const { admission } = bus.node('n1').broker.bounds;
  assert.is(admission.pendingCount, 4);
  assert.is(admission.connectedCount, 2);
  bus.assertForgotten();
  assert.is(admission.pendingCount, 0);
  assert.is(admission.connectedCount, 0);
});

test('among too many of them the oldest goes, and a client gets through', () => {
  const bus = new LogBus({ limits: { maxPendingConnections: 5 } });
  const silent = Array.from({ length: 5 }, () => bus.open('n1'));
  bus.run(900);
  const early = dial(bus, 'n1', 'early');
  bus.run(200);
  assert.ok(early.isClosed, 'nobody has had a second yet');
  assert.equal(early.received, []);
  assert.not(silent.some(({ isClosed }) => isClosed));
  connected(bus, 'n1', 'late');
  assert.equal(
    silent.map(({ isClosed }) => isClosed),
    [true, false, false, false, false],
  );
  assert.is(bus.node('n1').broker.counters.connectsRefused.get('pending_connections'), 2);
  bus.assertForgotten();
});

test('whatever connections do, each is counted as often as it is there', () => {
  const limits = {
    maxConnections: 6,
    maxPendingConnections: 5,
    maxConnectionsPerAddress: 3,
    maxConnectsPerAddressPerSec: 4,
  };
  const step = fc.record({
    what: fc.constantFrom('arrive', 'identify', 'connect', 'leave', 'wait'),
    which: fc.nat(12),
    address: fc.constantFrom('10.0.0.1:1', '10.0.0.2:1', '[2001:db8::1]:1'),
  });
  const body = (steps: readonly { what: string; which: number; address: string }[]): void => {
    const gate = new Gate(limits);
    const { admission } = gate;
    const there = new Set<Visit>();
    const clients = new Set<Visit>();
    const counted = new Map<Visit, string>();
    const forget = (visit: Visit): void => {
      for (const each of [there, clients, counted]) each.delete(visit);
    };
    for (const { what, which, address } of steps) {
      const visit = [...there][which % Math.max(1, there.size)];
      if (what === 'wait') gate.nowMs += 100 * which;
      else if (what === 'arrive') {
        const arrived = admission.arrive();
        if (arrived === null) continue;
        arrived.onEvicted = () => forget(arrived);
        there.add(arrived);
      } else if (visit === undefined) continue;
      else if (what === 'identify') {
        if (!counted.has(visit) && visit.identify(address) === null) counted.set(visit, address);
      } else if (what === 'connect' && !clients.has(visit)) {
        if (visit.connect() === null) clients.add(visit);
      } else if (what === 'leave') {
        visit.leave();
        forget(visit);
      }
      assert.is(admission.connectedCount, clients.size);
      assert.ok(clients.size <= limits.maxConnections && admission.pendingCount <= limits.maxPendingConnections);
      for (const one of new Set(counted.values())) {
        assert.ok([...counted.values()].filter((each) => each === one).length <= limits.maxConnectionsPerAddress);
      }
    }
    for (const visit of there) visit.leave();
    gate.nowMs += 2000;
    admission.tick(gate.nowMs);
    assert.equal([admission.connectedCount, admission.pendingCount, admission.addressCount], [0, 0, 0]);
  };
  fc.assert(fc.property(fc.array(step, { maxLength: 80 }), body), { seed: seedFor('admission'), numRuns: 500 });
});

test('a client that gave its place up is not counted twice', () => {
  const gate = new Gate({ maxConnections: 1 });
  const first = gate.connect('10.0.0.1:1');
  assert.is(gate.connect('10.0.0.1:1').refusal, 'SERVER_BUSY');
  first.visit.leave();
  first.visit.leave();
  assert.is(gate.connect('10.0.0.1:1').refusal, null);
  assert.is(gate.connect('10.0.0.1:1').refusal, 'SERVER_BUSY');
});

test.run();
