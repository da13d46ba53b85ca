import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';
import { Program, pythonWithPaho } from './support/program.ts';
import { InteropWorld } from './support/world.ts';

/* Paho for Python, in 3.1, 3.1.1 and 5.0, its clients on different nodes. */

const test = suite('interop: Paho');

const SCRIPT = fileURLToPath(new URL('./support/paho-client.py', import.meta.url));
const VERSIONS = [3, 4, 5] as const;
type Version = (typeof VERSIONS)[number];

interface Message {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly properties: Readonly<Record<string, unknown>>;
}

type Event = {
  readonly event: string;
  readonly codes?: number[];
  readonly present?: boolean;
  readonly mid?: number;
} & Message;

let world: InteropWorld;
let serial = 0;

test.before(
  async () => {
    world = await InteropWorld.start();
  },
  { timeoutMs: 90_000 },
);
test.after(() => world.stop());

interface Options {
  readonly id?: string;
  readonly clean?: boolean;
  readonly expiry?: number;
  readonly will?: Readonly<Record<string, unknown>>;
}

class Paho {
  readonly #program = new Program(pythonWithPaho(), [SCRIPT]);
  /** Whether CONNACK said that the session was there. */
  present = false;

  static async connect(node: number, version: Version, options: Options = {}): Promise<Paho> {
    const paho = new Paho();
    paho.#do('connect', { port: world.port(node), version, id: `paho-${String(++serial)}`, ...options });
    const connected = await paho.#event('connected');
    assert.is((connected as unknown as { code: number }).code, 0, 'CONNACK');
    paho.present = connected.present === true;
    return paho;
  }

  get #events(): Event[] {
    return this.#program.lines.map((line) => JSON.parse(line) as Event);
  }

  get messages(): Message[] {
    return this.#events.filter(({ event }) => event === 'message');
  }

  #do(what: string, args: object = {}): void {
    this.#program.write(JSON.stringify({ do: what, ...args }));
  }

  async #event(name: string, from = 0): Promise<Event> {
    const line = await this.#program.line(name, (text) => (JSON.parse(text) as Event).event === name, from);
    return JSON.parse(line) as Event;
  }

  async subscribe(filter: string, qos: number, options: object = {}): Promise<void> {
    const from = this.#program.lines.length;
    this.#do('subscribe', { filter, qos, ...options });
    assert.equal((await this.#event('subscribed', from)).codes, [qos]);
  }

  /** Until it is acknowledged as its QoS asks. */
  async publish(topic: string, payload: string, qos: number, more: object = {}): Promise<void> {
    const from = this.#program.lines.length;
    this.#do('publish', { topic, payload, qos, ...more });
    const { mid } = await this.#event('sent', from);
    await waitFor(() => this.#events.some((each) => each.event === 'published' && each.mid === mid), {
      what: `the acknowledgement of ${payload}`,
    });
  }

  async messagesOf(count: number): Promise<Message[]> {
    await waitFor(() => this.messages.length >= count, { what: `${String(count)} messages`, timeoutMs: 20_000 });
    return this.messages;
  }

  async disconnect(): Promise<void> {
    this.#do('disconnect');
    await this.#event('disconnected');
  }

  async drop(): Promise<void> {
    this.#do('drop');
    await this.#event('dropped');
  }

  async kill(): Promise<void> {
    await this.#program.kill();
  }
}

for (const version of VERSIONS) {
  const name = `level ${String(version)}`;
  test(`${name}: QoS 0 to 2 between all nodes`, async () => {
    const readers = await Promise.all([0, 1, 2].map((node) => Paho.connect(node, version)));
    await Promise.all(readers.map((reader) => reader.subscribe(`q${String(version)}/+`, 2)));
    const writer = await Paho.connect(1, version);
    for (const qos of [0, 1, 2]) await writer.publish(`q${String(version)}/${String(qos)}`, `with ${String(qos)}`, qos);
    for (const reader of readers) {
      const got = (await reader.messagesOf(3)).map(({ payload, qos }) => `${payload} ${String(qos)}`).sort();
      assert.equal(got, ['with 0 0', 'with 1 1', 'with 2 2']);
    }
    await Promise.all([...readers, writer].map((each) => each.kill()));
  });

  test(`${name}: a retained message is set, read, replaced and removed`, async () => {
    const topic = `r${String(version)}`;
    const writer = await Paho.connect(0, version);
    await writer.publish(topic, 'old', 1, { retain: true });
    await writer.publish(topic, 'new', 2, { retain: true });
    const reader = await Paho.connect(1, version);
    await reader.subscribe(topic, 1);
    const [kept] = await reader.messagesOf(1);
    assert.is(kept?.payload, 'new');
    assert.is(kept?.retain, true);
    await writer.publish(topic, '', 1, { retain: true });
    const late = await Paho.connect(2, version);
    await late.subscribe(`${topic}/#`, 1);
    await writer.publish(topic, 'the end', 1);
    assert.equal(
      (await late.messagesOf(1)).map(({ payload }) => payload),
      ['the end'],
    );
    await Promise.all([writer, reader, late].map((each) => each.kill()));
  });

  test(`${name}: a will, unless the client says goodbye`, async () => {
    const topic = `w${String(version)}`;
    const reader = await Paho.connect(0, version);
    await reader.subscribe(`${topic}/#`, 2);
    const will = (payload: string): Options => ({ will: { topic: `${topic}/x`, payload, qos: 2 } });
    const polite = await Paho.connect(1, version, will('polite'));
    const broken = await Paho.connect(2, version, will('broken'));
    await polite.disconnect();
    await broken.drop();
    const [first] = await reader.messagesOf(1);
    assert.is(first?.payload, 'broken');
    assert.is(first?.qos, 2);
    await reader.publish(`${topic}/x`, 'the end', 2);
    assert.equal(
      (await reader.messagesOf(2)).map(({ payload }) => payload),
      ['broken', 'the end'],
    );
    await Promise.all([reader, polite, broken].map((each) => each.kill()));
  });

  test(`${name}: a session is resumed on another node with all that came meanwhile`, async () => {
    const session: Options = { id: `kept-${String(version)}`, clean: false, expiry: 600 };
    const topic = `s${String(version)}`;
    const first = await Paho.connect(0, version, session);
    await first.subscribe(topic, 2);
    await first.disconnect();
    const writer = await Paho.connect(1, version);
    const wanted = Array.from({ length: 20 }, (_none, at) => String(at));
    for (const payload of wanted) await writer.publish(topic, payload, 2);
    const second = await Paho.connect(2, version, session);
    // 3.1 has no such flag.
    assert.is(second.present, version !== 3);
    assert.equal(
      (await second.messagesOf(20)).map(({ payload }) => payload),
      wanted,
    );
    await Promise.all([first, writer, second].map((each) => each.kill()));
  });
}

test('5.0: properties of a message, of a will, and of a subscription', async () => {
  const reader = await Paho.connect(0, 5);
  await reader.subscribe('props/#', 2, { retainAsPublished: true });
  const properties = {
    PayloadFormatIndicator: 1,
    ContentType: 'text/plain',
    ResponseTopic: 'answers/here',
    CorrelationData: '00ff10',
    UserProperty: [
      ['colour', 'blue'],
      ['colour', 'green'],
    ],
  };
  const writer = await Paho.connect(1, 5, {
    will: { topic: 'props/will', payload: 'will', qos: 1, properties: { ContentType: 'text/will' } },
  });
  for (const qos of [0, 1, 2]) {
    await writer.publish('props/message', 'x', qos, { properties_: properties, retain: qos === 2 });
  }
  const messages = await reader.messagesOf(3);
  for (const message of messages) assert.equal(message.properties, properties);
  assert.ok(
    messages.some(({ retain, qos }) => retain && qos === 2),
    'retained as published',
  );
  await writer.drop();
  const will = (await reader.messagesOf(4))[3];
  assert.equal(will?.properties, { ContentType: 'text/will' });
  await Promise.all([reader, writer].map((each) => each.kill()));
});

test('5.0: No Local, and retained messages as Retain Handling says', async () => {
  const client = await Paho.connect(2, 5);
  await client.publish('handling', 'kept', 1, { retain: true });
  await client.subscribe('handling', 1, { noLocal: true, retainHandling: 2 });
  await client.publish('handling', 'own', 1);
  const other = await Paho.connect(0, 5);
  await other.publish('handling', 'of another', 1);
  assert.equal(
    (await client.messagesOf(1)).map(({ payload }) => payload),
    ['of another'],
  );
  await client.subscribe('handling', 1, { noLocal: true, retainHandling: 0 });
  assert.equal(
    (await client.messagesOf(2)).map(({ payload }) => payload),
    ['of another', 'kept'],
  );
  await Promise.all([client, other].map((each) => each.kill()));
});

test.run();
