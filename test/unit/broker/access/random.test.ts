import type { LogBus } from '../../../support/log-bus.ts';
import type { FakeClient } from '../../../support/log-bus-client.ts';
import { assert, note, suite } from '../../../support/suite.ts';
import { codeOf, publish } from '../support.ts';
import { type FakeAccess, guarded, login } from './support.ts';

/* Two users take the same sessions from each other over three nodes that lose batches, each other and themselves. */

const test = suite('broker: rights under faults');

const SEEDS = 20;
const STEPS = 150;
const USERS = ['alice', 'bob'] as const;
const CLIENT_IDS = ['p', 'q', 'r'];
/** Whose each topic is; the third is everybody's. */
const TOPICS = ['alice/1', 'bob/1', 'all/1', 'alice/2', 'bob/2'];

function allows(user: string, topicOrFilter: string): boolean {
  return topicOrFilter.startsWith(`${user}/`) || topicOrFilter.startsWith('all/');
}

class Run {
  readonly bus: LogBus;
  readonly access: FakeAccess;
  readonly clients: FakeClient[] = [];
  received = 0;
  #messageId = 0;

  constructor(seed: number) {
    const { bus, access } = guarded({ seed, lossRate: 0.03, duplicateRate: 0.05, maxDelayMs: 15, maxApplyDelayMs: 30 });
    this.bus = bus;
    this.access = access;
    for (const user of USERS) {
      access.user(user).maySubscribe = (filter) => allows(user, filter);
      access.user(user).mayPublish = (topic) => allows(user, topic);
    }
  }

  come(): void {
    const { scheduler } = this.bus;
    const user = scheduler.pick(USERS);
    const node = scheduler.pick(['n1', 'n2', 'n3']);
    const clean = scheduler.chance(0.1);
    const client = login(this.bus, node, scheduler.pick(CLIENT_IDS), { user, clean, expirySec: 1000 });
    client.autoAck = scheduler.chance(0.7);
    client.onPacket = (packet) => {
      if (packet.cmd === 'publish') {
        this.received++;
        assert.ok(allows(user, packet.topic), `${user} got ${packet.topic}`);
      } else if (packet.cmd === 'connack' && codeOf(packet) === 0) {
        client.send({
          cmd: 'subscribe',
          messageId: 1,
          subscriptions: ['alice/#', 'bob/+', 'all/#', 'bob/2'].map((topic) => ({ topic, qos: 2 })),
        });
      }
    };
    this.clients.push(client);
  }

  step(publisher: () => FakeClient): void {
    const { bus } = this;
    const { scheduler } = bus;
    const what = scheduler.integer(0, 19);
    if (what < 6) this.come();
    else if (what < 14) {
      const topic = scheduler.pick(TOPICS);
      const qos = scheduler.pick([0, 1, 2] as const);
      publish(publisher(), topic, topic, qos, { messageId: (this.#messageId++ % 60_000) + 1 });
    } else if (what < 16 && this.clients.length > 0) scheduler.pick(this.clients).reset();
    else if (what === 16) for (const { broker } of bus.nodes) broker.accessChanged();
    else if (what === 17) scheduler.pick(bus.nodes).restart();
    else if (what === 18) scheduler.pick(bus.nodes).disconnect();
    else bus.heal();
    bus.run(scheduler.integer(1, 120));
  }
}

test('whoever has a session gets nothing that he may not read, and nothing that he may not write is in the log', () => {
  let received = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = new Run(seed);
    const { bus } = run;
    let current: FakeClient | null = null;
    const publisher = (): FakeClient => {
      if (current !== null && !current.isClosed) return current;
      bus.heal();
      bus.run(3000);
      current = login(bus, 'n1', 'publisher', { user: 'publisher' });
      bus.run(5000);
      assert.is(codeOf(current.next('connack')), 0);
      return current;
    };
    for (let step = 0; step < STEPS; step++) run.step(publisher);
    for (const [at, client] of run.clients.entries()) {
      publish(client, at % 2 === 0 ? 'forbidden/1' : 'forbidden/2', 'x', 1, { messageId: 9 });
    }
    bus.heal();
    bus.run(5000);
    assert.not(
      bus.entries.some(({ data }) => Buffer.from(data).includes('forbidden')),
      `seed ${String(seed)}: in the log`,
    );
    received += run.received;
    bus.assertForgotten();
  }
  assert.ok(received > SEEDS * 20, `only ${String(received)} messages`);
  note(`${String(received)} messages to clients`);
});

test.run();
