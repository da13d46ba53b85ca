import { LogBus } from '../../support/log-bus.ts';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { checkDelivered, checkOrder, RetainedReader } from './promises-checks.ts';
import { SessionClient } from './session-client.ts';

const test = suite('broker: promises');

const SEEDS = 250;
const LEASE_MS = 600;
const CHAOS_MS = 4000;
const QUIET_MS = 9000;

/** Clients, faults and traffic of one seed. */
class Scenario {
  readonly bus: LogBus;
  /** Subscribed all the time, with sessions that outlive their connections. */
  readonly faithful: SessionClient[];
  /** Subscribed for the length of a connection. */
  readonly passing: SessionClient;
  readonly publishers: SessionClient[];
  readonly twins: SessionClient[];
  readonly writer: SessionClient;
  readonly reader: RetainedReader;
  /** Payloads that are in the log at most once: QoS 2, from a session that is never lost. */
  readonly once = new Set<string>();
  #isChaotic = true;
  #messages = 0;

  constructor(seed: number) {
    const rates = new LogBusRates(seed);
    this.bus = new LogBus({ seed, leaseMs: LEASE_MS, gracePeriodMs: 1500, tickIntervalMs: 20, ...rates });
    const client = (clientId: string, clean: boolean, topic: string | null, qos: 1 | 2 = 1): SessionClient =>
      new SessionClient(this.bus, {
        clientId,
        clean,
        version: this.bus.scheduler.pick([4, 5]),
        subscription: topic === null ? null : { topic, qos },
        lateAcks: 4,
      });
    this.faithful = [client('faithful-2', false, 't/#', 2), client('faithful-1', false, 't/+', 1)];
    this.passing = client('passing', true, 't/#', 2);
    this.publishers = [client('keeps', false, null), client('forgets', true, null)];
    this.twins = [client('twin', true, null), client('twin', true, null)];
    this.writer = client('writer', false, null);
    this.reader = new RetainedReader(client('reader', true, 'r', 1), this.writer);
  }

  get #clients(): SessionClient[] {
    return [...this.faithful, this.passing, ...this.publishers, ...this.twins, this.writer, this.reader.client];
  }

  run(): void {
    const { bus } = this;
    const { scheduler } = bus;
    for (const client of this.#clients) client.start(scheduler.pick(bus.nodes).id);
    for (let waitedMs = 0; !this.faithful.every(({ isSubscribed }) => isSubscribed); waitedMs += 100) {
      assert.ok(waitedMs < 20_000, 'the subscribers do not get through');
      bus.run(100);
    }
    this.#publishOn();
    this.#faultOn();
    bus.run(CHAOS_MS);
    this.#isChaotic = false;
    // In a network that behaves, so that the time is enough for everybody to get through.
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
    scheduler.after(scheduler.integer(5, 60), () => {
      if (!this.#isChaotic) return;
      const publisher = scheduler.pick([...this.publishers, ...this.twins]);
      const qos = scheduler.pick<1 | 2>([1, 2]);
      const payload = `${++this.#messages}`;
      if (publisher.sending.size < 20) {
        if (qos === 2 && !publisher.options.clean) this.once.add(payload);
        publisher.publish(`t/${scheduler.integer(0, 1)}`, payload, qos);
      }
      this.reader.write();
      this.#publishOn();
    });
  }

  #faultOn(): void {
    const { scheduler } = this.bus;
    scheduler.after(scheduler.integer(20, 250), () => {
      if (!this.#isChaotic) return;
      this.#fault();
      this.#faultOn();
    });
  }

  #fault(): void {
    const { bus } = this;
    const { scheduler } = bus;
    const node = scheduler.pick(bus.nodes);
    const kind = scheduler.integer(0, 19);
    if (kind < 10) return scheduler.pick(this.#clients).leave();
    if (kind < 12) return node.disconnect();
    if (kind < 15) return scheduler.pick(bus.nodes).reconnect();
    if (kind < 16) return node.restart();
    if (kind < 17) return node.crash();
    if (kind < 18) return bus.changeLeader();
    node.stalled = !node.stalled;
  }

  #check(): void {
    const senders = [...this.publishers, ...this.twins, this.writer];
    for (const { options, sending } of senders) {
      // Twins take the session from each other for ever.
      if (options.clientId !== 'twin') assert.is(sending.size, 0, `${options.clientId} waits for acknowledgements`);
    }
    const acknowledged = new Set(senders.flatMap((sender) => [...sender.acknowledged]));
    for (const { options, deliveries } of this.faithful)
      checkDelivered(options.clientId, deliveries, acknowledged, this.once);
    checkOrder(this.faithful, this.passing, this.once);
    this.reader.check();
  }
}

/** How bad the network is. */
class LogBusRates {
  readonly lossRate: number;
  readonly duplicateRate: number;
  readonly maxDelayMs: number;
  readonly maxApplyDelayMs: number;
  readonly maxCommitMs: number;
  readonly maxLatencyMs: number;

  constructor(seed: number) {
    this.lossRate = [0, 0.02, 0.1][seed % 3] ?? 0;
    this.duplicateRate = [0, 0.2][seed % 2] ?? 0;
    this.maxDelayMs = [1, 5, 40][(seed >> 2) % 3] ?? 1;
    this.maxApplyDelayMs = [1, 10, 80][(seed >> 3) % 3] ?? 1;
    this.maxCommitMs = [0, 5, 30][(seed >> 4) % 3] ?? 0;
    this.maxLatencyMs = [0, 2][(seed >> 5) % 2] ?? 0;
  }
}

test(
  'hold for clients that keep their side, whatever happens to nodes and network',
  () => {
    const only = process.env['QUORATE_SCENARIO'];
    const base = seedFor('promises');
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
