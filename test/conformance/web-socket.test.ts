import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { freePorts } from '../support/ports.ts';
import { assert, suite } from '../support/suite.ts';
import { connackOf, publicationOf } from './support/answers.ts';
import { connect, PINGREQ, publish, type ServerPacket, subscribe, Type, takePacket } from './support/wire.ts';
import { shows } from './support/world.ts';

/* MQTT over WebSocket: section 6. */

const test = suite('conformance: WebSocket');

/** Status of a connection that got data of a kind that it can not take (RFC 6455, section 7.4.1). */
const UNSUPPORTED_DATA = 1003;

let cluster: TestCluster;
let folder: string;
let ports: number[] = [];
let clients: WebSocket[] = [];
let turn = 0;

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-web-socket-'));
  ports = await freePorts(3);
  cluster = await startCluster({
    prepare: (node) => {
      const file = join(folder, `${node.id}.yaml`);
      const bind = `127.0.0.1:${String(ports[Number(node.id.slice(1)) - 1])}`;
      writeFileSync(file, JSON.stringify({ listeners: [{ name: 'ws', transport: 'ws', bind }] }));
      node.reconfigure({ env: { QUORATE_CONFIG: file } });
    },
  });
});
test.after.each(() => {
  for (const client of clients) client.terminate();
  clients = [];
});
test.after(async () => {
  await cluster.stopAll();
  rmSync(folder, { recursive: true, force: true });
});

/** A connection to the nodes in turn, and what came of it so far. */
async function open(
  protocols: readonly string[] = ['mqtt'],
): Promise<{ client: WebSocket; next: () => Promise<ServerPacket> }> {
  const client = new WebSocket(`ws://127.0.0.1:${String(ports[turn++ % 3])}/mqtt`, [...protocols]);
  clients.push(client);
  client.on('error', () => {});
  let bytes = Buffer.alloc(0);
  client.on('message', (data: Buffer, isBinary: boolean) => {
    assert.ok(isBinary, 'the server sends binary frames only');
    bytes = Buffer.concat([bytes, data]);
  });
  const next = async (): Promise<ServerPacket> => {
    const packet = await waitFor(() => takePacket(bytes), { what: 'a packet' });
    bytes = bytes.subarray(packet.sizeBytes);
    return packet;
  };
  await once(client, 'open');
  return { client, next };
}

shows(
  test,
  { 'v3.1.1': '6.0.0-1', 'v5.0': '6.0.0-1' },
  'a frame that is not binary closes the connection, before CONNECT and behind it',
  async (version) => {
    for (const greets of [false, true]) {
      const { client, next } = await open();
      if (greets) {
        client.send(connect({ version, clientId: `text-${String(version)}` }));
        assert.is((await next()).type, Type.connack);
      }
      const closed = once(client, 'close');
      client.send(PINGREQ.toString('latin1'));
      assert.is((await closed)[0], UNSUPPORTED_DATA);
    }
  },
);

shows(
  test,
  { 'v3.1.1': '6.0.0-2', 'v5.0': '6.0.0-2' },
  'several packets in a frame, and a packet in many frames',
  async (version) => {
    const { client, next } = await open();
    const topic = `frames/${String(version)}`;
    // QoS 1: it goes by the log, behind the SUBSCRIBE.
    const message = publish(version, { topic, payload: 'in pieces', qos: 1, packetId: 2 });
    const hello = connect({ version, clientId: `frames-${String(version)}` });
    // The end of one packet and the beginning of the next are in one frame, too.
    client.send(Buffer.concat([hello, subscribe(version, 1, [[topic, 0]]), PINGREQ, message.subarray(0, 1)]));
    for (const byte of message.subarray(1)) client.send(Buffer.of(byte));
    assert.is(connackOf(await next(), version).code, 0);
    const answers = new Map<number, ServerPacket>();
    while (answers.size < 4) {
      const packet = await next();
      answers.set(packet.type, packet);
    }
    const wanted: number[] = [Type.suback, Type.pingresp, Type.puback, Type.publish];
    assert.equal([...answers.keys()].sort(), wanted.sort());
    const delivered = publicationOf(answers.get(Type.publish) as ServerPacket, version);
    assert.is(delivered.payload.toString(), 'in pieces');
  },
);

shows(
  test,
  { 'v3.1.1': '6.0.0-4', 'v5.0': '6.0.0-4' },
  'the server selects the subprotocol mqtt, also among others, and refuses a connection without it',
  async () => {
    for (const protocols of [['mqtt'], ['other', 'mqtt'], ['mqtt', 'other']]) {
      assert.is((await open(protocols)).client.protocol, 'mqtt');
    }
    for (const protocols of [[], ['other']]) {
      const client = new WebSocket(`ws://127.0.0.1:${String(ports[0])}/mqtt`, protocols);
      client.on('error', () => {});
      const [, response] = (await once(client, 'unexpected-response')) as [unknown, { statusCode?: number }];
      assert.is(response.statusCode, 400);
    }
  },
);

test.run();
