import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { IDisconnectPacket, MqttClient } from 'mqtt';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { type ConnectOptions, collect, connect, disconnect, publish, subscribe } from '../support/mqtt.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { freePorts } from '../support/ports.ts';
import { assert, suite } from '../support/suite.ts';

/* Every transport against different nodes of one cluster: it is the same broker, whatever a client comes by. */

const test = suite('e2e: transports');

const TRANSPORTS = ['tls', 'mtls', 'ws', 'wss', 'proxied', 'proxiedTls'] as const;
type Name = (typeof TRANSPORTS)[number];

const fixture = (name: string): string => fileURLToPath(new URL(`../support/certificates/${name}`, import.meta.url));
const ca = readFileSync(fixture('ca.pem'));
const cert = readFileSync(fixture('client.pem'));
const key = readFileSync(fixture('client.key'));

let cluster: TestCluster;
let folder: string;
let clients: MqttClient[] = [];
let serial = 0;
const ports = new Map<string, number>();

function listenersOf(id: string): object[] {
  const files = { certFile: join(folder, 'tls.pem'), keyFile: join(folder, 'tls.key') };
  const byName: Readonly<Record<Name, object>> = {
    tls: { transport: 'tls', tls: files },
    mtls: { transport: 'tls', tls: { ...files, caFile: fixture('ca.pem'), clientCertificates: 'require' } },
    ws: { transport: 'ws' },
    wss: { transport: 'wss', tls: files },
    proxied: { transport: 'tcp', proxyProtocol: 'required' },
    proxiedTls: { transport: 'tls', tls: files, proxyProtocol: 'required' },
  };
  return TRANSPORTS.map((name) => ({ name, bind: `127.0.0.1:${String(portOf(id, name))}`, ...byName[name] }));
}

function portOf(id: string, name: Name): number {
  const port = ports.get(`${id} ${name}`);
  assert.type(port, 'number');
  return port as number;
}

function useCertificate(name: string): void {
  copyFileSync(fixture(`${name}.pem`), join(folder, 'tls.pem'));
  copyFileSync(fixture(`${name}.key`), join(folder, 'tls.key'));
}

test.before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-transports-'));
  useCertificate('server');
  const free = await freePorts(3 * TRANSPORTS.length);
  for (const id of ['n1', 'n2', 'n3']) for (const name of TRANSPORTS) ports.set(`${id} ${name}`, free.pop() as number);
  cluster = await startCluster({
    prepare: (node) => {
      const file = join(folder, `${node.id}.yaml`);
      writeFileSync(file, JSON.stringify({ listeners: listenersOf(node.id), log: { level: 'debug' } }));
      node.reconfigure({ env: { QUORATE_CONFIG: file } });
    },
  });
});
test.after.each(async () => {
  await Promise.all(clients.map((client) => disconnect(client, true)));
  clients = [];
});
test.after(async () => {
  await cluster.stopAll();
  rmSync(folder, { recursive: true, force: true });
});

async function at(port: number, options: ConnectOptions): Promise<MqttClient> {
  const client = await connect(port, { host: 'localhost', clientId: `c${String(++serial)}`, ca: [ca], ...options });
  clients.push(client);
  return client;
}

/** Takes a PROXY header's place in front of a node, as a load balancer does. */
async function balancer(header: string | Buffer, port: number): Promise<{ port: number; close: () => void }> {
  const server = net.createServer((inner) => {
    const outer = net.connect(port, '127.0.0.1');
    for (const socket of [inner, outer]) socket.on('error', () => {});
    outer.write(header);
    inner.pipe(outer);
    outer.pipe(inner);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as net.AddressInfo).port, close: () => server.close() };
}

test('each transport and plain TCP reach each other, across nodes, in every QoS', async () => {
  const v1 = await balancer('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n', portOf('n1', 'proxied'));
  const v2Bytes = Buffer.from('0d0a0d0a000d0a515549540a2111000cc0000208c633640100dc01bb', 'hex');
  const v2 = await balancer(v2Bytes, portOf('n2', 'proxiedTls'));
  const [n1, n2] = cluster.nodes as [NodeProcess, NodeProcess];
  const all: Readonly<Record<string, MqttClient>> = {
    tcp: await at(n1.mqttPort, {}),
    tls: await at(portOf('n2', 'tls'), { protocol: 'mqtts' }),
    mtls: await at(portOf('n3', 'mtls'), { protocol: 'mqtts', cert, key }),
    ws: await at(portOf('n1', 'ws'), { protocol: 'ws', path: '/mqtt' }),
    'ws, 3.1.1': await at(portOf('n3', 'ws'), { protocol: 'ws', path: '/mqtt', protocolVersion: 4 }),
    wss: await at(portOf('n2', 'wss'), { protocol: 'wss', path: '/mqtt' }),
    v1: await at(v1.port, {}),
    'v2, tls': await at(v2.port, { protocol: 'mqtts' }),
  };
  const boxes = Object.fromEntries(Object.entries(all).map(([name, client]) => [name, collect(client)]));
  await Promise.all(Object.values(all).map((client) => subscribe(client, 'transport/#', 2)));
  // Larger than one frame of TLS, one chunk of a socket, and one buffer of WebSocket.
  const payload = Buffer.alloc(200_000, 'x');
  for (const [name, client] of Object.entries(all)) {
    for (const qos of [0, 1, 2] as const) await publish(client, `transport/${name}/${String(qos)}`, payload, { qos });
  }
  const wanted = Object.keys(all)
    .flatMap((name) => [0, 1, 2].map((qos) => `transport/${name}/${String(qos)}`))
    .sort();
  for (const [name, box] of Object.entries(boxes)) {
    await waitFor(() => box.length >= wanted.length, { what: `all messages at ${name}, not ${String(box.length)}` });
    assert.equal(box.map((each) => each.topic).sort(), wanted, name);
    assert.ok(
      box.every((each) => each.payload.equals(payload)),
      name,
    );
  }
  // The address that the load balancer saw, and not its own.
  assert.match(n1.logs(), /"remoteAddress":"192\.0\.2\.7:56324"/);
  assert.match(n2.logs(), /"remoteAddress":"192\.0\.2\.8:220"/);
  v1.close();
  v2.close();
});

test('each listener is in the log and in the metrics', async () => {
  const [n1] = cluster.nodes as [NodeProcess];
  for (const [name, spoken] of [
    ['tls', 'TLS'],
    ['ws', 'WebSocket'],
    ['wss', 'secure WebSocket'],
  ] as const) {
    const line = `listening for MQTT over ${spoken} on 127.0.0.1:${String(portOf('n1', name))}`;
    assert.ok(n1.logs().includes(line), line);
  }
  const client = await at(portOf('n1', 'wss'), { protocol: 'wss', path: '/mqtt' });
  const stranger = net.connect(portOf('n1', 'tls'), '127.0.0.1');
  stranger.on('error', () => {});
  stranger.write('GET / HTTP/1.1\r\n\r\n');
  await new Promise((done) => stranger.resume().once('close', done));
  const { body } = await n1.get('/metrics');
  assert.match(body, /^quorate_listener_connections\{listener="wss"\} 1$/m);
  assert.match(body, /^quorate_listener_connections\{listener="mqtt"\} 0$/m);
  assert.match(body, /^quorate_listener_handshake_failures_total\{listener="tls"\} 1$/m);
  assert.match(body, /^quorate_listener_refused_total\{listener="ws"\} 0$/m);
  assert.ok(client.connected);
});

test('where certificates are required, a client without one does not get in', async () => {
  await assert.rejects(at(portOf('n1', 'mtls'), { protocol: 'mqtts' }));
  await waitFor(() => cluster.node('n1').logs().includes('it showed no certificate'), { what: 'a line in the log' });
});

/** The name in the certificate that a new client of the node sees. */
async function shown(id: string): Promise<string> {
  const socket = tls.connect({ host: '127.0.0.1', port: portOf(id, 'tls'), ca, servername: 'localhost' });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

test('certificates are replaced: at SIGHUP, or a little later; nobody is disconnected and no node restarts', async () => {
  const [n1, n2] = cluster.nodes as [NodeProcess, NodeProcess];
  const stays = [
    await at(portOf('n1', 'tls'), { protocol: 'mqtts' }),
    await at(portOf('n2', 'wss'), { protocol: 'wss', path: '/mqtt' }),
  ];
  const pid = n1.pid as number;
  assert.is(await shown('n1'), 'first server');
  useCertificate('renewed');
  process.kill(pid, 'SIGHUP');
  await waitFor(async () => (await shown('n1')) === 'renewed server', { what: 'the new certificate at SIGHUP' });
  const later = async (): Promise<boolean> => (await shown('n2')) === 'renewed server';
  await waitFor(later, { what: 'the new certificate without a signal', timeoutMs: 20_000, intervalMs: 250 });
  assert.is(n1.pid, pid);
  const box = collect(stays[1] as MqttClient);
  await subscribe(stays[1] as MqttClient, 'renewed', 1);
  await publish(stays[0] as MqttClient, 'renewed', 'still here', { qos: 1 });
  await waitFor(() => box.length === 1, { what: 'the message' });
  assert.ok(n2.isRunning());
});

test('a node stops in order with clients of every transport', async () => {
  const node = cluster.node('n3');
  const left = await Promise.all([
    at(portOf('n3', 'tls'), { protocol: 'mqtts' }),
    at(portOf('n3', 'wss'), { protocol: 'wss', path: '/mqtt' }),
  ]);
  const told = left.map(
    (client) => new Promise<IDisconnectPacket>((done) => client.once('disconnect', (packet) => done(packet))),
  );
  const startedAtMs = performance.now();
  await node.stop();
  assert.ok(performance.now() - startedAtMs < 10_000);
  for (const { reasonCode, properties } of await Promise.all(told)) {
    assert.is(reasonCode, 0x9c);
    assert.is(properties?.serverReference, undefined, 'they would be sent to an address of another transport');
  }
});

test.run();
