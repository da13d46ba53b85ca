import { SHARED_STRATEGIES, writeSharedStrategy } from '@quorate/broker';
import { LogBus } from '../../support/log-bus.ts';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { SessionClient } from './session-client.ts';

/*
 * Share groups while clients, nodes and network fail. Of one group all sessions outlive their connections: there, every
 * message that was acknowledged arrives, and one of QoS 2 once. The other has clean sessions too: what a QoS 2 delivery
 * had begun there ends with its session [MQTT-4.8.2-5], so a message arrives at most once; QoS 1 arrives.
 */

const test = suite('broker: promises of shared subscriptions');

const SEEDS = 120;
const LEASE_MS = 600;
const CHAOS_MS = 4000;
const QUIET_MS = 12_000;

class Scenario {
  readonly bus: LogBus;
  readonly kept: SessionClient[];
  readonly mixed: SessionClient[];
  readonly publishers: SessionClient[];
  readonly #qos = new Map<string, 1 | 2>();
  #isChaotic = true;
  #messages = 0;

  constructor(seed: number) {
    this.bus = new LogBus({
      seed,
      leaseMs: LEASE_MS,
      gracePeriodMs: 1500,
      tickIntervalMs: 20,
      lossRate: [0, 0.02, 0.1][seed % 3] ?? 0,
      duplicateRate: [0, 0.2][seed % 2] ?? 0,
      maxDelayMs: [1, 5, 40][(seed >> 2) % 3] ?? 1,
      maxApplyDelayMs: [1, 10, 80][(seed >> 3) % 3] ?? 1,
      maxLatencyMs: [0, 2][(seed >> 5) % 2] ?? 0,
      limits: { maxInflightMessages: [2, 100][(seed >> 6) % 2] ?? 2 },
    });
    const client = (clientId: string, clean: boolean, group: string | null): SessionClient =>
      new SessionClient(this.bus, {
        clientId,
        clean,
        version: this.bus.scheduler.pick([4, 5]),
        subscription: group === null ? null : { topic: `$share/${group}/t/#`, qos: 2 },
        lateAcks: 3,
      });
    this.kept = ['k1', 'k2', 'k3'].map((id) => client(id, false, 'kept'));
    this.mixed = [client('m1', false, 'mixed'), client('m2', true, 'mixed'), client('m3', true, 'mixed')];
    this.publishers = [client('p1', false, null), client('p2', false, null)];
  }

  get #clients(): SessionClient[] {
    return [...this.kept, ...this.mixed, ...this.publishers];
  }

  run(): void {
    const { bus } = this;
    const { scheduler } = bus;
    const { broker } = bus.node('n1');
    writeSharedStrategy(broker.proposer.open(), scheduler.pick(SHARED_STRATEGIES));
    broker.proposer.added(broker.unowned, 0, 0);
    for (const client of this.#clients) client.start(scheduler.pick(bus.nodes).id);
    for (let waitedMs = 0; ![...this.kept, ...this.mixed].every(({ isSubscribed }) => isSubscribed); waitedMs += 100) {
      assert.ok(waitedMs < 20_000, 'the subscribers do not get through');
      bus.run(100);
    }
    this.#publishOn();
    this.#faultOn();
    bus.run(CHAOS_MS);
    this.#isChaotic = false;
    bus.options.lossRate = 0;
    bus.options.maxDelayMs = 1;
    bus.heal();
    bus.run(QUIET_MS);
    this.#check();
    for (const client of this.#clients) client.stop();
    bus.assertForgotten();
  }

  #publishOn(): void {
    const { scheduler } = this.bus;
    scheduler.after(scheduler.integer(5, 40), () => {
      if (!this.#isChaotic) return;
      const publisher = scheduler.pick(this.publishers);
      const payload = `${++this.#messages}`;
      if (publisher.sending.size < 20) {
        const qos = scheduler.pick<1 | 2>([1, 2]);
        this.#qos.set(payload, qos);
        publisher.publish(`t/${scheduler.integer(0, 3)}`, payload, qos);
      }
      this.#publishOn();
    });
  }

  #faultOn(): void {
    const { bus } = this;
    const { scheduler } = bus;
    scheduler.after(scheduler.integer(20, 250), () => {
      if (!this.#isChaotic) return;
      const node = scheduler.pick(bus.nodes);
      const kind = scheduler.integer(0, 19);
      if (kind < 10) scheduler.pick(this.#clients).leave();
      else if (kind < 12) node.disconnect();
      else if (kind < 15) scheduler.pick(bus.nodes).reconnect();
      else if (kind < 16) node.restart();
      else if (kind < 17) node.crash();
      else if (kind < 18) bus.changeLeader();
      else node.stalled = !node.stalled;
      this.#faultOn();
    });
  }

  #check(): void {
    for (const { options, sending } of this.publishers) {
      assert.is(sending.size, 0, `${options.clientId} waits for acknowledgements`);
    }
    const kept = countOf(this.kept);
    const mixed = countOf(this.mixed);
    for (const payload of this.publishers.flatMap(({ acknowledged }) => [...acknowledged])) {
      const qos = this.#qos.get(payload);
      const what = `${payload} of QoS ${qos}`;
      assert.ok(kept.has(payload), `${what} is stranded`);
      if (qos === 1) assert.ok(mixed.has(payload), `${what} is stranded among clean sessions`);
      else {
        assert.is(kept.get(payload), 1, `${what}: deliveries`);
        assert.ok((mixed.get(payload) ?? 0) <= 1, `${what}: deliveries among clean sessions`);
      }
    }
    const { state } = this.bus.node('n1').broker.machine;
    for (const group of state.groups.values()) assert.is(group.queue.count, 0, `${group.name} keeps messages`);
  }
}

function countOf(members: readonly SessionClient[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { deliveries } of members) {
    for (const { payload } of deliveries) counts.set(payload, (counts.get(payload) ?? 0) + 1);
  }
  return counts;
}

test(
  'hold for members that keep their side, whatever happens to nodes and network',
  () => {
    const only = process.env['QUORATE_SCENARIO'];
    const base = seedFor('shared promises');
    for (let at = 0; at < (only === undefined ? SEEDS : 1); at++) {
      const seed = only === undefined ? (base + at) >>> 0 : Number(only);
      try {
        new Scenario(seed).run();
      } catch (error) {
        (error as Error).message = `QUORATE_SCENARIO=${seed}: ${(error as Error).message}`;
        throw error;
      }
    }
  },
  { timeoutMs: 120_000 },
);

test.run();
