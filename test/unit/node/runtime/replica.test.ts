import { encodeConfiguration } from '@quorate/consensus';
import { loadConfig, RaftDriver } from '@quorate/node';
import { memoryStores, Replica, recover, type Transport } from '@quorate/node/runtime';
import { MemoryDisk, MemoryLogStore, MemoryStateStore } from '@quorate/storage';
import { assert, suite } from '../../../support/suite.ts';
import { FakeCore, ManualClock, settle } from '../raft/support.ts';

const test = suite('replica');

const CONNACK = 0x20;
const PUBACK = 0x40;
const PINGRESP = 0xd0;

/** A client's socket: keeps the types of the packets that leave. */
class FakeSocket {
  readonly remoteAddress = 'test';
  readonly peerCertificate = null;
  readonly bufferedBytes = 0;
  readonly packets: number[] = [];
  ended = false;

  write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += 2 + (bytes[at + 1] as number)) this.packets.push(bytes[at] as number);
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.ended = true;
  }
}

/** MQTT 3.1.1 in bytes. */
function packet(first: number, ...body: (number | string)[]): Buffer {
  const bytes = body.flatMap((part) => (typeof part === 'number' ? [part] : [0, part.length, ...Buffer.from(part)]));
  return Buffer.from([first, bytes.length, ...bytes]);
}

const connectPacket = (clientId: string): Buffer => packet(0x10, 'MQTT', 4, 2, 0, 0, clientId);
const publishPacket = (packetId: number): Buffer => packet(0x32, 'topic', 0, packetId, 1, 2, 3);
const PINGREQ = packet(0xc0);

/** A cluster of one, on a disk and a clock that do what the test says. */
async function make() {
  const clock = new ManualClock();
  const disk = new MemoryDisk();
  const fatal: unknown[] = [];
  const sent: string[] = [];
  const config = loadConfig({
    values: {
      nodeId: 'n1',
      dataDir: '/nowhere',
      mqtt: '127.0.0.1:1',
      http: '127.0.0.1:2',
      peer: '127.0.0.1:3',
      cluster: { n1: '127.0.0.1:3' },
    },
  });
  const founding = encodeConfiguration({ voters: ['n1'], learners: [], outgoing: [] });
  const recovered = await recover(memoryStores(disk, () => null, founding));
  const transport: Transport = {
    start: async () => {},
    stop: async () => {},
    sendRaft: (to, message) => sent.push(`${to} ${message.kind}`) > 0,
    send: (to, channel) => sent.push(`${to} ${String(channel)}`) > 0,
    sendBulk: () => false,
    setPeer: () => {},
    removePeer: () => {},
    flush: () => {},
    connectedPeers: () => [],
  };
  let incarnation = 1;
  const replica = new Replica({
    config,
    version: '0.0.0',
    logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    observer: { batchApplied: () => {}, logWritten: () => {}, checkpointWritten: () => {}, leaderChanged: () => {} },
    clock,
    seed: 1,
    newId: () => 'id',
    identity: {
      get incarnation() {
        return incarnation;
      },
      directoryId: 'd1',
      clusterId: null,
      nextIncarnation: async () => ++incarnation,
      setClusterId: async () => {},
      setFounding: async () => {},
      doubt: async () => {},
      hasSetAside: false,
      dropSetAside: async () => {},
    },
    recovered,
    createTransport: () => transport,
    onFatal: (error) => fatal.push(error),
  });
  await replica.start();
  const turns = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) await clock.turn();
  };
  for (let at = 0; at < 400 && !replica.broker.serving; at++) {
    await clock.tick(10);
    await turns(3);
  }
  assert.ok(replica.broker.serving, 'alone it leads and serves');
  const socket = new FakeSocket();
  const connection = replica.broker.accept(socket);
  connection.receive(connectPacket('c'));
  await turns(6);
  assert.equal(socket.packets, [CONNACK]);
  return { clock, disk, replica, fatal, sent, socket, connection, turns };
}

test('a PUBACK leaves when its entry is durable, not before', async () => {
  const { disk, socket, connection, turns } = await make();
  disk.stall();
  connection.receive(publishPacket(1));
  await turns(6);
  assert.equal(socket.packets, [CONNACK]);
  disk.release();
  await turns(6);
  assert.equal(socket.packets, [CONNACK, PUBACK]);
});

test('after a storage error nothing is acknowledged, and the failure is told once', async () => {
  const { clock, disk, replica, fatal, socket, connection, turns } = await make();
  disk.failNextWrite(new Error('the disk is gone'));
  connection.receive(publishPacket(1));
  await turns(6);
  assert.is(fatal.length, 1);
  assert.ok(replica.failed);
  connection.receive(publishPacket(2));
  connection.receive(PINGREQ);
  for (let at = 0; at < 20; at++) {
    await clock.tick(10);
    await turns(2);
  }
  assert.equal(socket.packets, [CONNACK]);
  assert.is(fatal.length, 1);
  await replica.stop();
});

test('what is gathered in the very turn of a failure does not leave either', async () => {
  const { clock, replica, fatal, socket, connection } = await make();
  connection.receive(PINGREQ);
  replica.fail(new Error('broken'));
  replica.fail(new Error('and again'));
  await clock.turn();
  assert.equal(socket.packets, [CONNACK]);
  assert.is(fatal.length, 1);
});

test('a failed checkpoint is fatal', async () => {
  const { clock, disk, replica, fatal, socket, connection, turns } = await make();
  connection.receive(publishPacket(1));
  await turns(6);
  assert.equal(socket.packets, [CONNACK, PUBACK]);
  const { write } = MemoryStateStore.prototype;
  MemoryStateStore.prototype.write = async function (...args) {
    MemoryStateStore.prototype.write = write;
    disk.failNextWrite(new Error('the disk is full'));
    await write.apply(this, args);
  };
  for (let at = 0; at < 200 && fatal.length === 0; at++) {
    await clock.tick(10);
    await turns(3);
  }
  assert.is(fatal.length, 1);
  assert.ok(replica.failed);
});

test('without its lease a node answers nothing; a pause of the process is a lapse like any other', async () => {
  const { clock, disk, replica, socket, connection, turns } = await make();
  // The process stands still for longer than the lease, and finds a request in its socket when it goes on.
  clock.now += 5_000;
  disk.stall();
  connection.receive(PINGREQ);
  await turns(1);
  assert.not.ok(replica.broker.serving);
  assert.equal(socket.packets, [CONNACK]);
  disk.release();
  for (let at = 0; at < 100 && socket.packets.length === 1; at++) {
    await clock.tick(10);
    await turns(3);
  }
  assert.equal(socket.packets, [CONNACK, PINGRESP], 'withheld, not lost');
});

test('an answer leaves in the turn in which its entry is applied', async () => {
  const { clock, disk, socket, connection, turns, replica } = await make();
  Object.assign(clock, { soon: (task: () => void) => queueMicrotask(task) });
  disk.stall();
  connection.receive(publishPacket(1));
  await turns(4);
  assert.equal(socket.packets, [CONNACK]);
  disk.release();
  // The write's end, the commit, its application and the answer: no turn of the clock in between.
  await settle();
  assert.equal(socket.packets, [CONNACK, PUBACK]);
  await replica.stop();
});

test('reads of one start of a node are told from those of another', async () => {
  const idOf = async (firstReadId: number): Promise<number> => {
    const core = new FakeCore();
    const clock = new ManualClock();
    const log = new MemoryLogStore(new MemoryDisk());
    await log.open();
    const nothing = (): void => {};
    const driver = new RaftDriver({
      core,
      log,
      clock,
      lastStampMs: 0,
      firstReadId,
      send: nothing,
      handlers: {
        onCommitted: nothing,
        onStatus: nothing,
        onRead: nothing,
        onReadFailed: nothing,
        onFatal: (error) => {
          throw error;
        },
        onSlowWrite: nothing,
        onWriteDone: nothing,
      },
    });
    driver.start();
    driver.readIndex();
    await clock.turn();
    await driver.stop();
    return core.of('readIndex')[0]?.id ?? 0;
  };
  assert.is(await idOf(0), 1);
  assert.is(await idOf(2 ** 50), 2 ** 50 + 1);
});

test.run();
