import { readFileSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import type { MqttClient } from 'mqtt';
import { generate, type IConnectPacket, type Packet } from 'mqtt-packet';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { collect, connect, disconnect, publish, type Received, subscribe } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { seededRandom } from '../support/random.ts';
import { seedFor } from '../support/seed.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Promise P7: what a client can do to a node is bounded, what becomes of it is told and logged, and the others notice nothing. */

const test = suite('e2e: hostile clients');

const KIB = 1024;
const MIB = KIB * KIB;
const MALFORMED_PACKET = 0x81;
const PROTOCOL_ERROR = 0x82;
const TOPIC_FILTER_INVALID = 0x8f;
const PACKET_TOO_LARGE = 0x95;
const SERVER_UNAVAILABLE = 0x88;
const QUOTA_EXCEEDED = 0x97;
/** A node of these tests may use so much more memory after thousands of such clients. */
const RSS_GROWTH_BYTES = 150 * MIB;
const CONNECT_TIMEOUT_MS = 3_000;
const MAX_QUEUED_MESSAGES = 2_000;
const MAX_CONNECTIONS = 1_000;
/** That many besides may be without CONNECT. */
const MAX_PENDING = 500;

const limits = {
  connectTimeoutMs: CONNECT_TIMEOUT_MS,
  maxConnections: MAX_CONNECTIONS,
  maxPendingConnections: MAX_PENDING,
  maxOutgoingBufferBytes: 256 * KIB,
  maxQueuedMessages: MAX_QUEUED_MESSAGES,
  maxQueuedBytes: 16 * MIB,
};

let cluster: TestCluster;
let victim: NodeProcess;
let neighbour: MqttClient;
let pings: Received[];
let serial = 0;
let open: Socket[] = [];

test.before(async () => {
  cluster = await startCluster({ config: { limits, raft: { recentLogBytes: 8 * MIB } } });
  victim = cluster.nodes[1] as NodeProcess;
  // On the node under attack, from the first test to the last: it must never lose its connection.
  neighbour = await connect(victim.mqttPort, { clientId: 'neighbour', keepalive: 5 });
  pings = collect(neighbour);
  await subscribe(neighbour, 'neighbour', 1);
});
test.before.each(() => {
  open = [];
});
test.after.each(async () => {
  for (const socket of open) socket.destroy();
  await stillServes();
});
test.after(async () => {
  await disconnect(neighbour, true);
  await cluster.stopAll();
});

/** A client that was there all the time is served, and so is a new one on another node. */
async function stillServes(): Promise<void> {
  const text = `ping ${String(++serial)}`;
  assert.ok(neighbour.connected, 'the neighbour is still connected');
  const other = await connect((cluster.nodes[0] as NodeProcess).mqttPort);
  await publish(other, 'neighbour', text, { qos: 1 });
  await waitFor(() => pings.some((each) => each.payload.toString() === text), { what: 'a message to the neighbour' });
  await disconnect(other);
}

/** Resident memory of a node in bytes. */
function rssBytes(node: NodeProcess): number {
  const status = readFileSync(`/proc/${String(node.pid)}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) * KIB;
}

interface Raw {
  readonly socket: Socket;
  readonly received: () => Buffer;
  /** Resolves when the server has closed. */
  readonly closed: Promise<void>;
}

/** A socket without a client behind it. */
async function raw(node: NodeProcess): Promise<Raw> {
  const socket = createConnection({ host: '127.0.0.1', port: node.mqttPort, noDelay: true });
  open.push(socket);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  // A reset is a close too.
  socket.on('error', () => {});
  const closed = new Promise<void>((done) => socket.on('close', () => done()));
  await new Promise<void>((done) => socket.once('connect', done));
  return { socket, closed, received: () => Buffer.concat(chunks) };
}

const CONNECT: IConnectPacket = {
  cmd: 'connect',
  protocolId: 'MQTT',
  protocolVersion: 5,
  clientId: 'hostile',
  clean: true,
  keepalive: 0,
  properties: {},
};

function bytesOf(packet: Packet): Buffer {
  return generate(packet, { protocolVersion: 5 });
}

/** Connects with a packet of our own making and waits for CONNACK. */
async function rawSession(node: NodeProcess, clientId: string): Promise<Raw> {
  const attempt = async (): Promise<Raw | null> => {
    const session = await raw(node);
    session.socket.write(bytesOf({ ...CONNECT, clientId }));
    await waitFor(() => session.received().length >= 4, { what: 'CONNACK' });
    const code = session.received()[3];
    if (code === SERVER_UNAVAILABLE) return null;
    assert.is(code, 0, 'CONNACK says success');
    return session;
  };
  return waitFor(attempt, { what: `${clientId} to be accepted` });
}

/** The reason code of the DISCONNECT at the end of what arrived, or of the CONNACK when there was nothing else. */
function lastReasonCode(session: Raw): number | undefined {
  const bytes = session.received();
  let at = 0;
  let code: number | undefined;
  while (at < bytes.length) {
    let length = 0;
    let head = at + 1;
    for (let shift = 0; ; shift += 7, head++) {
      const byte = bytes[head] as number;
      length |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    head++;
    const type = (bytes[at] as number) >> 4;
    if (type === 14) code = bytes[head];
    if (type === 2) code = bytes[head + 1];
    at = head + length;
  }
  return code;
}

interface LogLine {
  readonly code?: string;
  readonly clientId?: string;
  readonly msg?: string;
}

function logLines(node: NodeProcess): LogLine[] {
  return node
    .logs()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as LogLine);
}

async function logged(code: string, clientId: string): Promise<LogLine> {
  const find = (): LogLine | undefined =>
    logLines(victim).find((line) => line.code === code && line.clientId === clientId);
  return waitFor(find, { what: `${code} of '${clientId}' in the log` });
}

async function metric(node: NodeProcess, pattern: RegExp): Promise<number> {
  const { body } = await node.get('/metrics');
  return Number(pattern.exec(body)?.[1] ?? 0);
}

test(
  'thousands of connections with random bytes, whole and broken packets',
  async () => {
    const random = seededRandom(seedFor('hostile bytes'));
    const samples = [
      bytesOf(CONNECT),
      bytesOf({ cmd: 'publish', topic: 'a/b', payload: 'x', qos: 1, messageId: 1, dup: false, retain: false }),
      bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a/#', qos: 1 }] }),
      bytesOf({ cmd: 'pingreq' }),
    ];
    const nonsense = (): Buffer => {
      const sample = Buffer.from(samples[random.below(samples.length)] as Buffer);
      switch (random.below(3)) {
        case 0:
          return random.bytes(random.between(1, 200));
        case 1:
          return sample.subarray(0, random.between(1, sample.length));
        default:
          sample[random.below(sample.length)] = random.below(256);
          return Buffer.concat([bytesOf(CONNECT), sample, sample]);
      }
    };
    const attack = async (): Promise<void> => {
      const session = await raw(victim);
      session.socket.end(nonsense());
      await session.closed;
    };
    // What the node needs for such clients at all is not growth.
    for (let wave = 0; wave < 10; wave++) await Promise.all(Array.from({ length: 50 }, attack));
    const beforeBytes = rssBytes(victim);
    for (let wave = 0; wave < 60; wave++) await Promise.all(Array.from({ length: 50 }, attack));
    const grownBytes = rssBytes(victim) - beforeBytes;
    note(`3,000 connections: memory ${String(Math.round(grownBytes / MIB))} MiB more`);
    assert.ok(grownBytes < RSS_GROWTH_BYTES, `${String(grownBytes)} bytes more`);
  },
  { timeoutMs: 150_000 },
);

test('a first packet that is not CONNECT', async () => {
  for (const packet of [
    bytesOf({ cmd: 'pingreq' }),
    bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a', qos: 0 }] }),
  ]) {
    const session = await raw(victim);
    session.socket.write(packet);
    await session.closed;
    assert.is(session.received().length, 0, 'nobody answers before CONNECT');
  }
  assert.match((await logged('NOT_CONNECT', '')).msg ?? '', /closing client/);
});

test('a CONNECT that comes twice', async () => {
  const session = await rawSession(victim, 'twice');
  session.socket.write(bytesOf({ ...CONNECT, clientId: 'twice' }));
  await session.closed;
  assert.is(lastReasonCode(session), PROTOCOL_ERROR);
  await logged('REPEATED_CONNECT', 'twice');
});

test('a packet that announces more than is allowed is refused by its first bytes', async () => {
  const session = await rawSession(victim, 'large');
  // PUBLISH, 268,435,455 bytes to follow.
  session.socket.write(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
  await session.closed;
  assert.is(lastReasonCode(session), PACKET_TOO_LARGE);
  const line = await waitFor(
    () => logLines(victim).find((each) => each.clientId === 'large' && each.code !== undefined),
    { what: 'a line in the log' },
  );
  assert.match(line.code ?? '', /TOO_LARGE/);
});

test('a malformed packet', async () => {
  const session = await rawSession(victim, 'malformed');
  // PUBLISH with QoS 3.
  session.socket.write(Buffer.from([0x36, 0x05, 0x00, 0x01, 0x61, 0x00, 0x01]));
  await session.closed;
  assert.is(lastReasonCode(session), MALFORMED_PACKET);
});

test('a CONNECT that comes one byte at a time, and one that never comes', async () => {
  const silent = await raw(victim);
  const slow = await raw(victim);
  const bytes = bytesOf(CONNECT);
  let at = 0;
  let writable = true;
  const timer = setInterval(() => {
    if (writable && at < bytes.length - 1) slow.socket.write(bytes.subarray(at, ++at));
  }, 100);
  const startedMs = performance.now();
  await Promise.all([silent.closed, slow.closed]);
  writable = false;
  clearInterval(timer);
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= CONNECT_TIMEOUT_MS * 0.5, `closed after ${String(tookMs)} ms`);
  assert.ok(tookMs < CONNECT_TIMEOUT_MS + 3_000, `closed after ${String(tookMs)} ms`);
  await logged('CONNECT_TIMEOUT', '');
});

test('connections without CONNECT beyond the limit: clients get in all the same, and they are gone in time', async () => {
  const connections = (): Promise<number> => metric(victim, /^quorate_connections (\d+)$/m);
  const pending = (): Promise<number> => metric(victim, /^quorate_connections_pending (\d+)$/m);
  const refused = (): Promise<number> =>
    metric(victim, /^quorate_connects_refused_total\{reason="pending_connections"\} (\d+)$/m);
  const before = await connections();
  const idle: Raw[] = [];
  for (let wave = 0; wave < 12; wave++) {
    idle.push(...(await Promise.all(Array.from({ length: 100 }, () => raw(victim)))));
    assert.ok((await pending()) <= MAX_PENDING, `${String(await pending())} connections without CONNECT`);
  }
  await waitFor(async () => (await refused()) > 0, { what: 'connections that were too many' });
  assert.ok((await connections()) <= before + MAX_PENDING);
  // As long as all of them are younger than a second a newcomer may have to try again.
  const client = await waitFor(() => connect(victim.mqttPort).catch(() => null), { what: 'a client to get in' });
  await disconnect(client);
  await stillServes();
  await Promise.all(idle.map((each) => each.closed));
  await waitFor(async () => (await connections()) === before, { what: `${String(before)} connections again` });
});

test(
  'two hundred subscriptions with filters of 60,000 bytes, twice',
  async () => {
    const level = 'x'.repeat(60_000);
    const cycle = async (): Promise<void> => {
      const client = await connect(victim.mqttPort, { clientId: 'long filters' });
      const box = collect(client);
      for (let from = 0; from < 200; from += 10) {
        const filters = Array.from({ length: 10 }, (_none, at) => `${String(from + at)}/${level}/+`);
        assert.equal(await subscribe(client, filters, 1), Array(10).fill(1));
      }
      await publish(neighbour, `199/${level}/y`, 'found', { qos: 1 });
      await waitFor(() => box.length > 0, { what: 'a message by a long filter' });
      // Too many levels cost more than bytes: such a filter is refused.
      const refused = await client.subscribeAsync('a/'.repeat(1_000), { qos: 1 }).catch((error: unknown) => error);
      assert.equal((refused as { readonly packet?: { readonly granted?: unknown } }).packet?.granted, [
        TOPIC_FILTER_INVALID,
      ]);
      await disconnect(client);
    };
    // The newest part of the log is kept in memory: the first time fills it.
    await cycle();
    const beforeBytes = rssBytes(victim);
    await cycle();
    const grownBytes = rssBytes(victim) - beforeBytes;
    note(`200 long filters again: memory ${String(Math.round(grownBytes / MIB))} MiB more`);
    assert.ok(grownBytes < RSS_GROWTH_BYTES, `${String(grownBytes)} bytes more`);
  },
  { timeoutMs: 150_000 },
);

/** A 5.0 client that subscribes and then reads nothing any more. */
async function deafClient(clientId: string, topic: string, qos: 0 | 1): Promise<Raw> {
  const session = await rawSession(victim, clientId);
  const before = session.received().length;
  session.socket.write(bytesOf({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos }] }));
  await waitFor(() => session.received().length > before, { what: 'SUBACK' });
  session.socket.pause();
  return session;
}

test('QoS 0 to a client that does not read is dropped, counted, and costs no more than its buffer', async () => {
  const deaf = await deafClient('deaf-0', 'flood/0', 0);
  const publisher = await connect((cluster.nodes[0] as NodeProcess).mqttPort);
  const dropped = (): Promise<number> =>
    metric(victim, /^quorate_messages_dropped_total\{reason="slow_consumer_qos0"\} (\d+)$/m);
  const payload = Buffer.alloc(32 * KIB);
  const beforeBytes = rssBytes(victim);
  const flood = async (): Promise<boolean> => {
    for (let at = 0; at < 100; at++) await publish(publisher, 'flood/0', payload);
    return (await dropped()) >= 500;
  };
  await waitFor(flood, { what: 'dropped messages' });
  assert.not.ok(deaf.socket.destroyed, 'the client may stay: QoS 0 promises nothing');
  const grownBytes = rssBytes(victim) - beforeBytes;
  note(`${String(await dropped())} messages dropped, memory ${String(Math.round(grownBytes / MIB))} MiB more`);
  assert.ok(grownBytes < RSS_GROWTH_BYTES, `${String(grownBytes)} bytes more`);
  await disconnect(publisher);
});

test('QoS 1 to a clean session that does not read: the client is closed with the reason', async () => {
  const deaf = await deafClient('deaf-1', 'flood/1', 1);
  const publisher = await connect((cluster.nodes[0] as NodeProcess).mqttPort);
  const beforeBytes = rssBytes(victim);
  const payload = Buffer.alloc(4 * KIB);
  const closed = (): boolean =>
    logLines(victim).some((line) => line.clientId === 'deaf-1' && line.code === 'SLOW_CONSUMER');
  const flood = async (): Promise<boolean> => {
    await Promise.all(Array.from({ length: 200 }, () => publish(publisher, 'flood/1', payload, { qos: 1 })));
    return closed();
  };
  await waitFor(flood, { what: 'SLOW_CONSUMER in the log' });
  const line = await logged('SLOW_CONSUMER', 'deaf-1');
  assert.match(line.msg ?? '', /closing client 'deaf-1': the client takes its messages too slowly: \d+ messages/);
  deaf.socket.resume();
  await deaf.closed;
  assert.is(lastReasonCode(deaf), QUOTA_EXCEEDED);
  const grownBytes = rssBytes(victim) - beforeBytes;
  assert.ok(grownBytes < RSS_GROWTH_BYTES, `${String(grownBytes)} bytes more`);
  await disconnect(publisher);
});

test('few but large messages to a clean session that does not read', async () => {
  const deaf = await deafClient('deaf-large', 'flood/large', 1);
  const publisher = await connect((cluster.nodes[0] as NodeProcess).mqttPort);
  const payload = Buffer.alloc(900 * KIB);
  const closed = (): boolean =>
    logLines(victim).some((line) => line.clientId === 'deaf-large' && line.code === 'SLOW_CONSUMER');
  let sent = 0;
  while (!closed()) {
    assert.ok(++sent <= 60, 'the queue has a limit in bytes');
    await publish(publisher, 'flood/large', payload, { qos: 1 });
  }
  deaf.socket.resume();
  await deaf.closed;
  await disconnect(publisher);
});

test.run();
