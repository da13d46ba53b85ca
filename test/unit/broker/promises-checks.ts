import { assert } from '../../support/suite.ts';
import type { Delivery, SessionClient } from './session-client.ts';

/** P1 and P4: everything acknowledged arrives; what is in the log once is delivered once, or again with DUP. */
export function checkDelivered(
  clientId: string,
  deliveries: readonly Delivery[],
  acknowledged: ReadonlySet<string>,
  once: ReadonlySet<string>,
): void {
  const seen = new Set<string>();
  for (const { payload, qos, dup } of deliveries) {
    if (seen.has(payload) && once.has(payload)) {
      assert.is(qos, 1, `${clientId} got ${payload} twice with QoS ${qos}`);
      assert.ok(dup, `${clientId} got ${payload} again without DUP`);
    }
    seen.add(payload);
  }
  for (const payload of acknowledged) {
    if (!payload.startsWith('r'))
      assert.ok(seen.has(payload), `${clientId} never got ${payload}, which was acknowledged`);
  }
}

function firstDeliveries(deliveries: readonly Delivery[], topic: string): string[] {
  return [...new Set(deliveries.filter((delivery) => delivery.topic === topic).map(({ payload }) => payload))];
}

/** P5: one order at all subscribers of a topic, and no gap in what a passing one saw during a session. */
export function checkOrder(
  faithful: readonly SessionClient[],
  passing: SessionClient,
  once: ReadonlySet<string>,
): void {
  for (const topic of ['t/0', 't/1']) {
    const [first, ...others] = faithful.map(({ deliveries }) => firstDeliveries(deliveries, topic));
    if (first === undefined) throw new Error('nobody has subscribed all the time');
    for (const other of others) assert.equal(other, first, `orders of ${topic}`);
    const order = first.filter((payload) => once.has(payload));
    const sessions = new Set(passing.deliveries.map(({ session }) => session));
    for (const session of sessions) {
      const ofSession = passing.deliveries.filter(
        (delivery) => delivery.session === session && once.has(delivery.payload),
      );
      const got = ofSession.filter((delivery) => delivery.topic === topic).map(({ payload }) => payload);
      const from = order.indexOf(got[0] ?? '');
      if (got.length > 0) assert.equal(got, order.slice(from, from + got.length), `${topic} in a passing session`);
    }
  }
}

/**
 * P3: one client writes a retained topic, one version after the other; another subscribes to it again and again. It must
 * find a version no older than what was acknowledged when it subscribed, and then every later one.
 */
export class RetainedReader {
  readonly client: SessionClient;
  readonly #writer: SessionClient;
  #version = 0;
  /** Newest version acknowledged when the last CONNECT was sent. */
  #known = 0;
  /** The same by session. */
  readonly #knownBy = new Map<number, number>();

  constructor(client: SessionClient, writer: SessionClient) {
    this.client = client;
    this.#writer = writer;
    client.onConnecting = () => {
      this.#known = this.#acknowledgedVersion();
    };
    client.onSubscribed = () => {
      this.#knownBy.set(client.session, this.#known);
    };
  }

  #acknowledgedVersion(): number {
    return this.#writer.sending.size === 0 ? this.#version : this.#version - 1;
  }

  /** Writes the next version when the last one is acknowledged. */
  write(): void {
    if (this.#writer.sending.size === 0 && this.#writer.isReady)
      this.#writer.publish('r', `r${++this.#version}`, 2, true);
  }

  check(): void {
    const bySession = new Map<number, number[]>();
    for (const { payload, session } of this.client.deliveries) {
      const versions = bySession.get(session) ?? [];
      const version = Number(payload.slice(1));
      if (versions.at(-1) !== version) versions.push(version);
      bySession.set(session, versions);
    }
    for (const [session, versions] of bySession) {
      const [first = 0] = versions;
      assert.ok(
        first >= (this.#knownBy.get(session) ?? 0),
        `session ${session} of the reader found an old version ${first}`,
      );
      assert.equal(
        versions,
        versions.map((_, at) => first + at),
        'versions of a retained topic',
      );
    }
  }
}
