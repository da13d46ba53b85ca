import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MqttClient } from 'mqtt';
import { collect, connect, disconnect, publish, type Received, subscribe } from '../support/mqtt.ts';
import { freePorts } from '../support/ports.ts';
import { assert, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';
import { Program } from './support/program.ts';
import { InteropWorld } from './support/world.ts';

/* Mosquitto as a bridge to the cluster: out, in and both, QoS 2, as either side is restarted. */

const test = suite('interop: mosquitto as a bridge');

const VERSIONS = ['mqttv311', 'mqttv50'] as const;

let world: InteropWorld;
let clients: MqttClient[] = [];
let serial = 0;

test.before(
  async () => {
    world = await InteropWorld.start();
  },
  { timeoutMs: 90_000 },
);
test.after.each(async () => {
  await Promise.all(clients.map((client) => disconnect(client, true)));
  clients = [];
});
test.after(() => world.stop());

async function at(port: number): Promise<MqttClient> {
  const client = await connect(port, { clientId: `bridge-test-${String(++serial)}` });
  clients.push(client);
  return client;
}

/** A mosquitto with a bridge to a node: to all of them, one after the other, when that one is gone. */
class Bridge {
  readonly port: number;
  readonly #config: string;
  #program: Program | null = null;

  constructor(name: string, port: number, version: string, settings: readonly string[]) {
    this.port = port;
    this.#config = join(world.folder, `${name}.conf`);
    const addresses = [0, 1, 2].map((node) => `127.0.0.1:${String(world.port(node))}`).join(' ');
    const lines = [
      `listener ${String(port)} 127.0.0.1`,
      'allow_anonymous true',
      'user root',
      'persistence true',
      `persistence_file ${name}.db`,
      `persistence_location ${world.folder}/`,
      'log_dest stderr',
      'log_type all',
      `connection ${name}`,
      `addresses ${addresses}`,
      `bridge_protocol_version ${version}`,
      'try_private true',
      'cleansession false',
      'notifications false',
      'restart_timeout 1',
      'keepalive_interval 5',
      'topic out/# out 2',
      'topic in/# in 2',
      'topic both/# both 2',
      ...settings,
    ];
    writeFileSync(this.#config, `${lines.join('\n')}\n`);
  }

  async start(): Promise<void> {
    this.#program = new Program('mosquitto', ['-c', this.#config]);
    await waitFor(() => /Received CONNACK on connection/.test(this.#program?.errors ?? ''), {
      what: 'the bridge to be connected',
      timeoutMs: 30_000,
    });
    // Three subscriptions are made: in, both, and that of its own clients does not count.
    await waitFor(() => (this.#program?.errors.match(/received SUBACK|Received SUBACK/g) ?? []).length >= 2, {
      what: 'the subscriptions of the bridge',
    });
  }

  /** Orderly: it writes its state down. */
  async stop(): Promise<void> {
    await this.#program?.kill('SIGTERM');
  }
}

const texts = (messages: readonly Received[]): string[] => messages.map(({ payload }) => payload.toString());

async function arrives(messages: readonly Received[], wanted: readonly string[]): Promise<void> {
  await waitFor(() => messages.length >= wanted.length, {
    what: `${wanted.join()}, got ${texts(messages).join()}`,
    timeoutMs: 30_000,
  });
  assert.equal(texts(messages), wanted);
}

for (const version of VERSIONS) {
  test(
    `${version}: out, in and both, without a loop`,
    async () => {
      const [port] = (await freePorts(1)) as [number];
      const bridge = new Bridge(`plain-${version}`, port, version, []);
      await bridge.start();
      const near = await at(port);
      const far = await at(world.port(1));
      const [nearBox, farBox] = [collect(near), collect(far)];
      await subscribe(near, '#', 2);
      await subscribe(far, ['out/#', 'in/#', 'both/#'], 2);
      const all = async (qos: 0 | 1 | 2): Promise<void> => {
        await publish(near, `out/${version}`, `out ${String(qos)}`, { qos });
        await publish(far, `in/${version}`, `in ${String(qos)}`, { qos });
        await publish(near, `both/near/${version}`, `near ${String(qos)}`, { qos });
        await publish(far, `both/far/${version}`, `far ${String(qos)}`, { qos });
      };
      const of = (qos: number): string[] => ['far', 'in', 'near', 'out'].map((what) => `${what} ${String(qos)}`);
      const has = (box: readonly Received[], wanted: readonly string[]): boolean =>
        wanted.every((text) => texts(box).includes(text));
      await all(1);
      await all(2);
      for (const box of [nearBox, farBox]) {
        await waitFor(() => has(box, [...of(1), ...of(2)]), { what: 'QoS 1 and 2', timeoutMs: 30_000 });
      }
      // QoS 0 goes to nodes that know of the subscription already: for a moment behind SUBACK not all of them do.
      await waitFor(
        async () => {
          await all(0);
          return has(nearBox, of(0)) && has(farBox, of(0));
        },
        { what: 'QoS 0', timeoutMs: 30_000, intervalMs: 200 },
      );
      // What would come around again has had its time when this has gone both ways.
      await publish(near, `both/near/${version}`, 'end near', { qos: 2 });
      await publish(far, `both/far/${version}`, 'end far', { qos: 2 });
      for (const box of [nearBox, farBox]) {
        await waitFor(() => has(box, ['end near', 'end far']), { what: 'the ends' });
        const reliable = texts(box).filter((text) => !text.endsWith('0'));
        assert.equal(reliable.sort(), [...of(1), ...of(2), 'end near', 'end far'].sort());
      }
      await bridge.stop();
    },
    { timeoutMs: 90_000 },
  );
}

// In 5.0 the bridge of mosquitto 2.0.11 asks for no Session Expiry Interval: its session ends with every connection.
test(
  'QoS 2 loses and doubles nothing when the bridge or its node is restarted',
  async () => {
    const [port] = (await freePorts(1)) as [number];
    const bridge = new Bridge('restarted', port, 'mqttv311', []);
    await bridge.start();
    const far = await at(world.port(1));
    const farBox = collect(far);
    await subscribe(far, 'out/#', 2);
    const topic = (direction: string): string => `${direction}/restarted`;
    const near = await at(port);
    const nearBox = collect(near);
    await subscribe(near, 'in/#', 2);
    await publish(near, topic('out'), 'out 1', { qos: 2 });
    await publish(far, topic('in'), 'in 1', { qos: 2 });
    await arrives(farBox, ['out 1']);
    await arrives(nearBox, ['in 1']);

    // The bridge is away; its session is kept by the cluster.
    await bridge.stop();
    await publish(far, topic('in'), 'in 2', { qos: 2 });
    await bridge.start();
    const again = await at(port);
    const againBox = collect(again);
    await subscribe(again, 'in/#', 2);
    await publish(far, topic('in'), 'in 3', { qos: 2 });
    await publish(again, topic('out'), 'out 2', { qos: 2 });
    await arrives(farBox, ['out 1', 'out 2']);
    // Whether 'in 2' came before the subscription is chance: `again` was not there.
    await waitFor(() => texts(againBox).includes('in 3'), { what: 'in 3' });

    // Its node is away: the bridge keeps what it has, or goes to another node.
    await world.node(0).kill('SIGKILL');
    for (const text of ['out 3', 'out 4', 'out 5']) await publish(again, topic('out'), text, { qos: 2 });
    await arrives(farBox, ['out 1', 'out 2', 'out 3', 'out 4', 'out 5']);
    await publish(far, topic('in'), 'in 4', { qos: 2 });
    await waitFor(() => texts(againBox).includes('in 4'), { what: 'in 4', timeoutMs: 30_000 });
    assert.equal(
      texts(againBox).filter((text) => text !== 'in 2'),
      ['in 3', 'in 4'],
    );
    await world.node(0).start();
    await world.cluster.waitReady();
    await bridge.stop();
  },
  { timeoutMs: 120_000 },
);

test.run();
