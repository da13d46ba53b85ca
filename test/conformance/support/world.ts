import { startCluster, type TestCluster } from '../../support/cluster.ts';
import type { NodeProcess } from '../../support/node-process.ts';
import { assert, type BodyOptions, type Suite } from '../../support/suite.ts';
import { type Connack, connackOf } from './answers.ts';
import { RawClient } from './client.ts';
import { type ConnectFields, connect, type PublishFields, publish, Type, type Version } from './wire.ts';

/** Server unavailable: a node without contact to a majority, which may be so for a moment on a busy machine. */
const UNAVAILABLE: Readonly<Record<Version, number>> = { 4: 3, 5: 0x88 };
const UNAVAILABLE_MS = 10_000;

/** What differs from the defaults in the clusters of these tests. */
export const LIMITS = {
  maxPacketSizeBytes: 128 * 1024,
  receiveMaximum: 4,
  maxInflightMessages: 100,
  maxKeepAliveSec: 600,
  maxSubscriptionsPerClient: 20,
  maxTopicLevels: 16,
  maxClientIdBytes: 512,
  connectTimeoutMs: 2_000,
} as const;

/** Response Information of these clusters. */
export const RESPONSE_INFORMATION = 'answers/%c/';

/** Fewer only where a hundred clusters are started to see tests fail (`make conformance-mutants`). */
const NODES = Number(process.env['QUORATE_TEST_NODES'] ?? 3);

/** A cluster for the tests of one file, its nodes used in turn, so that what is shown is shown on every node alike. */
export class World {
  #cluster: TestCluster | null = null;
  #clients: RawClient[] = [];
  #turn = 0;
  #serial = 0;

  constructor(test: Suite) {
    test.before(async () => {
      const config = { limits: LIMITS, responseInformation: RESPONSE_INFORMATION };
      this.#cluster = await startCluster({ nodes: NODES, config });
    });
    test.after.each(() => {
      for (const client of this.#clients) client.destroy();
      this.#clients = [];
    });
    test.after(async () => {
      const ended = this.#cluster?.nodes.filter((node) => !node.isRunning()) ?? [];
      await this.#cluster?.stopAll();
      assert.is(ended.length, 0, `nodes that ended by themselves: ${ended.map(({ id }) => id).join(', ')}`);
    });
  }

  /** The next node in turn. */
  node(): NodeProcess {
    const { nodes } = this.#cluster as TestCluster;
    return nodes[this.#turn++ % nodes.length] as NodeProcess;
  }

  /** A name that no other test has: for client identifiers and topics. */
  unique(prefix = 'name'): string {
    return `${prefix}${String(++this.#serial)}`;
  }

  /** A socket, with nothing sent. */
  async open(version: Version, clientId?: string): Promise<RawClient> {
    const client = await RawClient.open(this.node(), version, clientId);
    this.#clients.push(client);
    return client;
  }

  /** A socket and the answer to a CONNECT on it, a refusal included. */
  async dial(version: Version, fields: Omit<ConnectFields, 'version'> = {}): Promise<[RawClient, Connack]> {
    const clientId = fields.clientId ?? this.unique('client');
    return this.served(version, async () => {
      const client = await this.open(version, clientId);
      client.send(connect({ ...fields, version, clientId }));
      return [client, connackOf(await client.expect(Type.connack), version)];
    });
  }

  /** Does it again while the answer is that the server is unavailable. Any other failure is one at once. */
  async served(version: Version, attempt: () => Promise<[RawClient, Connack]>): Promise<[RawClient, Connack]> {
    const deadlineMs = performance.now() + UNAVAILABLE_MS;
    for (;;) {
      const answered = await attempt();
      if (answered[1].code !== UNAVAILABLE[version] || performance.now() >= deadlineMs) return answered;
      await new Promise((resume) => setTimeout(resume, 25));
    }
  }

  /** A client that is connected. */
  async connected(version: Version, fields: Omit<ConnectFields, 'version'> = {}): Promise<RawClient> {
    const [client, { code }] = await this.dial(version, fields);
    assert.is(code, 0, 'code of CONNACK');
    return client;
  }

  /** A client that has subscribed. */
  async subscriber(version: Version, filter: string, options = 0): Promise<RawClient> {
    const client = await this.connected(version);
    assert.equal(await client.subscribe(filter, options), [options & 3]);
    return client;
  }

  /** Publishes from a client of its own and waits for the acknowledgement that the QoS brings. */
  async publish(fields: PublishFields, version: Version = 5): Promise<void> {
    const client = await this.connected(version);
    client.send(publish(version, fields));
    if (fields.qos === 1) await client.ack(Type.puback);
    else if (fields.qos === 2) await client.ack(Type.pubrec);
    else await client.nothing();
    client.destroy();
  }
}

/** Statements by specification, as in docs/conformance.md: `3.1.0-2, 4.8.0-1`. */
export interface Statements {
  readonly 'v3.1.1'?: string;
  readonly 'v5.0'?: string;
}

/** Declares a test for each version of which it shows statements; its name begins with them. */
export function shows(
  test: Suite,
  statements: Statements,
  title: string,
  body: (version: Version) => Promise<void>,
  options?: BodyOptions,
): void {
  const declare = (ids: string | undefined, version: Version, name: string): void => {
    if (ids === undefined) return;
    const marks = ids.split(', ').map((id) => `[MQTT-${id}]`);
    test(`${marks.join(' ')} ${title} (${name})`, () => body(version), options);
  };
  declare(statements['v3.1.1'], 4, '3.1.1');
  declare(statements['v5.0'], 5, '5.0');
}
