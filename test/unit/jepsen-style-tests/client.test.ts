import { createServer, type Server, type Socket } from 'node:net';
import {
  type ClientIdentity,
  type ConnectOperation,
  type NodeAddress,
  type Operation,
  RecordingClient,
  Roamer,
  RunClock,
  seededRandom,
  Ticker,
} from '@quorate/jepsen-style-tests';
import mqttPacket, { type Packet } from 'mqtt-packet';
import { assert, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';

/* The client keeps its side of the protocol (MQTT 5.0 section 4.4) and its books, against a server that does as the test says. */

const test = suite('partition tests: the client');

/** Takes connections; the test answers. */
class Script {
  readonly server: Server;
  readonly received: Packet[] = [];
  connections = 0;
  /** Answers CONNECT by itself when set. */
  connack: { sessionPresent: boolean; receiveMaximum?: number; reasonCode?: number } | null = { sessionPresent: false };
  private socket: Socket | null = null;

  constructor() {
    this.server = createServer({ noDelay: true }, (socket) => {
      this.connections++;
      this.socket = socket;
      const parser = mqttPacket.parser({ protocolVersion: 5 });
      parser.on('packet', (packet) => {
        this.received.push(packet);
        if (packet.cmd === 'connect' && this.connack !== null) {
          const { sessionPresent, receiveMaximum, reasonCode = 0 } = this.connack;
          this.send({
            cmd: 'connack',
            sessionPresent,
            reasonCode,
            ...(receiveMaximum && { properties: { receiveMaximum } }),
          });
        }
      });
      socket.on('data', (bytes) => parser.parse(bytes));
      socket.on('error', () => undefined);
    });
  }

  async listen(): Promise<NodeAddress> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    return { id: 'n1', host: '127.0.0.1', port: (this.server.address() as { port: number }).port };
  }

  send(packet: Packet): void {
    this.socket?.write(mqttPacket.generate(packet, { protocolVersion: 5 }));
  }

  /** Closes the connection: in order, or by a reset. */
  drop(how: 'end' | 'reset'): void {
    if (how === 'end') this.socket?.end();
    else this.socket?.resetAndDestroy();
  }

  /** The packets of one kind, as `id`, with `!` for DUP. */
  ids(cmd: Packet['cmd']): string[] {
    return this.received
      .filter((packet) => packet.cmd === cmd)
      .map((packet) => `${packet.messageId ?? ''}${'dup' in packet && packet.dup ? '!' : ''}`);
  }

  async got(cmd: Packet['cmd'], count: number): Promise<void> {
    await waitFor(() => this.ids(cmd).length >= count, { what: `${count} ${cmd}, got ${this.ids(cmd).join(' ')}` });
  }
}

const clock = new RunClock(process.hrtime.bigint());
let script: Script;
let node: NodeAddress;
let ticker: Ticker;
let operations: Operation[];
let clients: RecordingClient[];

test.before.each(async () => {
  script = new Script();
  node = await script.listen();
  ticker = new Ticker(10);
  operations = [];
  clients = [];
});
test.after.each(() => {
  for (const client of clients) client.giveUp();
  ticker.close();
  script.server.close();
  script.drop('reset');
});

function clientWith(more: Partial<ClientIdentity> = {}, ackTimeoutMs = 5_000): RecordingClient {
  const identity: ClientIdentity = {
    ...{ client: 'c', clientId: 'id', version: 5, sessionExpirySec: 60, keepAliveSec: 60, window: 10 },
    ...more,
  };
  const record = (operation: Operation): void => void operations.push(operation);
  const client = new RecordingClient(identity, { clock, record, ticker, connectTimeoutMs: 2_000, ackTimeoutMs });
  clients.push(client);
  return client;
}

/** What is written down of one kind, as `value outcome` or such. */
function outcomes(): string[] {
  return operations.filter((each) => each.kind === 'publish').map(({ value, outcome }) => `${value} ${outcome}`);
}

test('what is unfinished is sent again: PUBLISH with DUP and PUBREL, same ids, in order', async () => {
  const client = clientWith();
  await client.connect(node);
  const ends = ['a', 'b', 'c', 'd'].map((value, at) => client.publish('t', value, { qos: at === 0 ? 1 : 2 }));
  await script.got('publish', 4);
  // c is released before b.
  script.send({ cmd: 'pubrec', messageId: 3 });
  script.send({ cmd: 'pubrec', messageId: 2 });
  await script.got('pubrel', 2);
  script.drop('reset');
  await client.closed();
  assert.equal(outcomes(), []);

  script.received.length = 0;
  script.connack = { sessionPresent: true };
  await client.connect(node);
  await script.got('pubrel', 2);
  assert.equal(script.ids('publish'), ['1!', '4!']);
  assert.equal(script.ids('pubrel'), ['3', '2']);
  script.send({ cmd: 'puback', messageId: 1 });
  for (const messageId of [3, 2]) script.send({ cmd: 'pubcomp', messageId });
  script.send({ cmd: 'pubrec', messageId: 4 });
  await script.got('pubrel', 3);
  script.send({ cmd: 'pubcomp', messageId: 4 });
  assert.equal(await Promise.all(ends), ['ok', 'ok', 'ok', 'ok']);
  const a = operations.find((each) => each.kind === 'publish' && each.value === 'a');
  assert.is(a?.kind === 'publish' ? a.sends : 0, 2);
});

test('a session that the server does not have ends here too: its publications are unknown, its ids free', async () => {
  const client = clientWith();
  await client.connect(node);
  const end = client.publish('t', 'a', { qos: 1 });
  script.send({ cmd: 'publish', topic: 't', payload: 'x', qos: 2, dup: false, retain: false, messageId: 5 });
  await script.got('pubrec', 1);
  script.drop('reset');
  await client.closed();
  await client.connect(node);
  assert.is(await end, 'unknown');
  script.send({ cmd: 'publish', topic: 't', payload: 'y', qos: 2, dup: false, retain: false, messageId: 5 });
  await script.got('pubrec', 2);
  const firsts = operations.filter((each) => each.kind === 'deliver').map(({ value, first }) => `${value} ${first}`);
  assert.equal(firsts, ['x true', 'y true']);
  assert.equal(script.ids('publish'), ['1']);
});

test('received QoS 2: repeated until PUBREL it is not new, over connections; after it, it is', async () => {
  const client = clientWith();
  const message = (dup: boolean): Packet => ({
    cmd: 'publish',
    topic: 't',
    payload: 'x',
    qos: 2,
    dup,
    retain: false,
    messageId: 5,
  });
  await client.connect(node);
  script.send(message(false));
  await script.got('pubrec', 1);
  script.drop('reset');
  await client.closed();
  script.connack = { sessionPresent: true };
  await client.connect(node);
  script.send(message(true));
  await script.got('pubrec', 2);
  script.send({ cmd: 'pubrel', messageId: 5 });
  await script.got('pubcomp', 1);
  script.send(message(false));
  await script.got('pubrec', 3);
  const deliveries = operations.filter((each) => each.kind === 'deliver');
  assert.equal(
    deliveries.map(({ first, dup }) => `${first} ${dup}`),
    ['true false', 'false true', 'true false'],
  );
});

test('without a session: unknown at once when the connection breaks, never sent again', async () => {
  const client = clientWith({ sessionExpirySec: 0 });
  await client.connect(node);
  const end = client.publish('t', 'a', { qos: 1 });
  const suback = client.subscribe('t', 1);
  await script.got('subscribe', 1);
  script.drop('end');
  assert.equal(await Promise.all([end, suback]), ['unknown', 'unknown']);
  const closes = operations.filter((each) => each.kind === 'close').map(({ how }) => how);
  assert.equal(closes, ['server']);
  script.connack = { sessionPresent: true };
  await client.connect(node);
  assert.is(client.unfinished, 0);
});

test('an operation begins before its first byte and ends after its answer', async () => {
  const client = clientWith();
  await client.connect(node);
  const end = client.publish('t', 'a', { qos: 1 });
  await script.got('publish', 1);
  const arrivedMs = clock.beginMs();
  await new Promise((done) => setTimeout(done, 20));
  const answeredMs = clock.endMs();
  script.send({ cmd: 'puback', messageId: 1 });
  await end;
  const operation = operations.find((each) => each.kind === 'publish');
  assert.ok(operation !== undefined);
  assert.ok(operation.beginMs <= arrivedMs && answeredMs <= operation.endMs, JSON.stringify(operation));
});

test('refused: a reason code is a failure, but unknown when an earlier connection may have got it in', async () => {
  const client = clientWith();
  await client.connect(node);
  const first = client.publish('t', 'a', { qos: 1 });
  const second = client.publish('t', 'b', { qos: 2 });
  await script.got('publish', 2);
  script.send({ cmd: 'puback', messageId: 1, reasonCode: 0x97 });
  assert.is(await first, 'fail');
  script.drop('reset');
  await client.closed();
  script.connack = { sessionPresent: true };
  await client.connect(node);
  await script.got('publish', 3);
  script.send({ cmd: 'pubrec', messageId: 2, reasonCode: 0x97 });
  assert.is(await second, 'unknown');
});

test('Receive Maximum holds back new publications and repeated ones', async () => {
  script.connack = { sessionPresent: true, receiveMaximum: 2 };
  const client = clientWith();
  await client.connect(node);
  for (const value of ['a', 'b', 'c']) void client.publish('t', value, { qos: 2 });
  const round = client.subscribe('u', 1);
  await script.got('subscribe', 1);
  assert.equal(script.ids('publish'), ['1', '2']);
  script.send({ cmd: 'suback', messageId: 4, granted: [1] });
  await round;
  script.send({ cmd: 'pubrec', messageId: 1 });
  script.send({ cmd: 'pubcomp', messageId: 1 });
  await script.got('publish', 3);
  script.drop('reset');
  await client.closed();
  script.received.length = 0;
  script.connack = { sessionPresent: true, receiveMaximum: 1 };
  await client.connect(node);
  await script.got('publish', 1);
  assert.equal(script.ids('publish'), ['2!']);
});

test('a CONNECT that is refused, breaks off or finds nobody', async () => {
  const client = clientWith();
  script.connack = { sessionPresent: false, reasonCode: 0x88 };
  assert.equal(summary(await client.connect(node)), 'fail 136');
  script.connack = null;
  const broken = client.connect(node);
  await script.got('connect', 2);
  script.drop('reset');
  assert.equal(summary(await broken), 'unknown -1');
  script.server.close();
  await new Promise((done) => script.server.once('close', done));
  assert.equal(summary(await client.connect(node)), 'fail -1');
});

function summary({ outcome, reasonCode }: ConnectOperation): string {
  return `${outcome} ${reasonCode}`;
}

test('what CONNACK says of session and keep alive counts, not what was asked for', async () => {
  const client = clientWith();
  script.connack = null;
  const connecting = client.connect(node);
  await script.got('connect', 1);
  const properties = { sessionExpiryInterval: 7, serverKeepAlive: 1 };
  script.send({ cmd: 'connack', sessionPresent: false, reasonCode: 0, properties });
  const { sessionExpirySec, keepAliveSec } = await connecting;
  assert.equal([sessionExpirySec, keepAliveSec], [7, 1]);
  await script.got('pingreq', 1);
});

test('DISCONNECT is confirmed when the server closes the connection, and by nothing else', async () => {
  const client = clientWith();
  for (const how of ['end', 'reset'] as const) {
    await client.connect(node);
    const gone = client.disconnect();
    await script.got('disconnect', how === 'end' ? 1 : 2);
    script.drop(how);
    await gone;
  }
  const closes = operations
    .filter((each) => each.kind === 'close')
    .map(({ how, confirmed }) => `${how} ${String(confirmed)}`);
  assert.equal(closes, ['disconnect true', 'disconnect false']);
});

test('no answer for too long: the connection is given up; a roamer goes on at the next node', async () => {
  const other = new Script();
  const otherNode = { ...(await other.listen()), id: 'n2' };
  const client = clientWith({}, 200);
  const roamer = new Roamer(client, { nodes: [node, otherNode], home: 0, random: seededRandom(1) });
  roamer.start();
  await waitFor(() => client.mayPublish, { what: 'a connection' });
  other.connack = { sessionPresent: true };
  const end = client.publish('t', 'a', { qos: 1 });
  await other.got('publish', 1);
  assert.equal(other.ids('publish'), ['1!']);
  other.send({ cmd: 'puback', messageId: 1 });
  assert.is(await end, 'ok');
  const closes = operations.filter((each) => each.kind === 'close').map(({ how, node: where }) => `${how} ${where}`);
  assert.equal(closes, ['cut n1']);
  const stopping = roamer.stop();
  await other.got('disconnect', 1);
  other.drop('end');
  await stopping;
  other.server.close();
});

test('a roamer stays away after a connection that it lost, not after one that it left, and comes when it has to hurry', async () => {
  const client = clientWith({}, 200);
  let absences = 0;
  const roamer = new Roamer(client, {
    ...{ nodes: [node], home: 0, random: seededRandom(1) },
    absenceMs: () => {
      absences++;
      return 60_000;
    },
  });
  roamer.start();
  await waitFor(() => roamer.up, { what: 'a connection' });
  await roamer.leave('cut');
  await waitFor(() => roamer.up, { what: 'a connection after leaving' });
  assert.is(absences, 0);
  script.drop('end');
  await waitFor(() => absences === 1 && !roamer.up, { what: 'the loss to be noticed' });
  await new Promise((done) => setTimeout(done, 400));
  assert.not(roamer.up, 'it is away');
  roamer.hurry();
  await waitFor(() => roamer.up, { what: 'it to come back' });
  client.cut();
  await waitFor(() => absences === 2 && roamer.up, { what: 'it to come back at once now' });
  const stopping = roamer.stop();
  script.drop('end');
  await stopping;
});

test.run();
