import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import type { MqttClient } from 'mqtt';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { type ConnectOptions, collect, connect, disconnect, publish, subscribe } from '../support/mqtt.ts';
import { assert, suite } from '../support/suite.ts';
import { run } from '../unit/cli/support/process.ts';

/* Real clients and a real cluster: what one node is told holds on all of them, at once and without a restart. */

const test = suite('e2e: identity');

const SECRET = randomBytes(32).toString('base64');

let cluster: TestCluster;
let folder: string;
let clients: MqttClient[] = [];

test.before(
  async () => {
    folder = mkdtempSync(join(tmpdir(), 'quorate-identity-'));
    const secretFile = join(folder, 'secret');
    writeFileSync(secretFile, SECRET);
    const jwt = { secretFile, aclClaim: 'acl', clockToleranceSec: 0 };
    const config = { authentication: [{ method: 'jwt', jwt }, { method: 'password' }] };
    cluster = await startCluster({ config, readyTimeoutMs: 45_000 });
    for (const name of ['ann', 'bob']) await ask('n1', 'POST', '/api/v1/users', { name, password: `${name}'s` });
  },
  { timeoutMs: 150_000 },
);

test.after.each(async () => {
  await Promise.all(clients.map((client) => client.endAsync(true)));
  clients = [];
  await ask('n1', 'PUT', '/api/v1/acl/rules', { rules: [] });
});

test.after(async () => {
  await cluster.stopAll();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(id: string, method: string, path: string, body?: unknown): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${String(cluster.node(id).httpPort)}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${text}`);
}

async function client(id: string, options: ConnectOptions): Promise<MqttClient> {
  const made = await connect(cluster.node(id).mqttPort, options);
  clients.push(made);
  return made;
}

function as(name: string, more: ConnectOptions = {}): ConnectOptions {
  return { username: name, password: `${name}'s`, ...more };
}

/** The reason code of a CONNACK that refuses. */
async function refusal(id: string, options: ConnectOptions): Promise<unknown> {
  try {
    await client(id, { ...options, retryUnavailable: false });
    return 'connected';
  } catch (error) {
    return (error as { readonly code?: unknown }).code;
  }
}

/** Waits until a login has this outcome: another node applies a change a moment later than the one that was asked. */
async function becomes(id: string, options: ConnectOptions, code: unknown): Promise<void> {
  const what = `a login at ${id} to end with ${String(code)}`;
  await waitFor(async () => (await refusal(id, options)) === code, { what });
}

/** The reason codes of a SUBACK; MQTT.js makes an error of the first that refuses. */
async function granted(made: MqttClient, filters: string[]): Promise<unknown> {
  const codes = new Promise((resolve) => {
    made.on('packetreceive', (packet) => {
      if (packet.cmd === 'suback') resolve(packet.granted);
    });
  });
  await made.subscribeAsync(filters, { qos: 1 }).catch(() => {});
  return await codes;
}

function closed(made: MqttClient): Promise<void> {
  return new Promise((resolve) => {
    if (made.disconnected || !made.connected) resolve();
    else made.once('close', () => resolve());
  });
}

test('only those come in who prove who they are', async () => {
  await client('n1', as('ann'));
  await becomes('n3', as('ann'), 'connected');
  assert.is(await refusal('n2', { username: 'ann', password: 'bobs' }), 0x86);
  assert.is(await refusal('n2', { username: 'eve', password: 'x' }), 0x86);
  assert.is(await refusal('n2', {}), 0x87);
  assert.is(await refusal('n2', { username: 'ann', password: 'x', protocolVersion: 4 }), 4);
});

test('a user that the command adds at one node comes in at another, until it is removed', async () => {
  const file = join(folder, 'password');
  writeFileSync(file, `cay's\n`);
  const url = `http://127.0.0.1:${String(cluster.node('n2').httpPort)}`;
  const added = await run(['user', 'add', 'cay', '--password-file', file, '--url', url]);
  assert.equal(added, { code: 0, stdout: 'user cay was added\n', stderr: '' });
  await becomes('n3', as('cay'), 'connected');
  const [made] = clients.splice(-1) as [MqttClient];
  const end = closed(made);
  assert.is((await run(['user', 'remove', 'cay', '--url', url])).code, 0);
  await end;
  await becomes('n3', as('cay'), 0x86);
});

test('rules hold for clients that are connected already, on every node', async () => {
  const [reader, writer] = [await client('n3', as('bob')), await client('n2', as('ann', { clientId: 'w' }))];
  const got = collect(reader);
  assert.equal(await subscribe(reader, 'open/#'), [1]);
  await publish(writer, 'open/a', '1', { qos: 1 });
  await waitFor(() => got.length === 1, { what: 'the message before any rule' });
  await ask('n1', 'PUT', '/api/v1/acl/rules', {
    rules: [
      { permission: 'allow', topics: ['open/#'] },
      { permission: 'allow', topics: ['clients/%c/#'], action: 'publish' },
      { permission: 'deny', topics: ['#'] },
    ],
  });
  await waitFor(
    async () => {
      const refused = await publish(writer, 'secret/a', 'x', { qos: 1 }).then(
        () => null,
        (error: unknown) => (error as { readonly code?: unknown }).code,
      );
      return refused === 0x87;
    },
    { what: 'a publish to be refused' },
  );
  await publish(writer, 'clients/w/a', 'x', { qos: 1 });
  await publish(writer, 'open/a', '2', { qos: 1 });
  await waitFor(() => got.length === 2, { what: 'the message that is allowed' });
  assert.equal(await granted(reader, ['open/b', '#', 'secret/a']), [1, 0x87, 0x87]);
});

test('a ban ends a connection on another node, and keeps the client out until it ends', async () => {
  const made = await client('n3', as('bob', { clientId: 'noisy' }));
  const end = closed(made);
  await ask('n1', 'POST', '/api/v1/bans', { kind: 'clientId', value: 'noisy', expiresInSec: 2 });
  await end;
  assert.is(await refusal('n3', as('bob', { clientId: 'noisy' })), 0x8a);
  await becomes('n3', as('bob', { clientId: 'noisy' }), 'connected');
});

test('a new password ends the connections that were made with the old one', async () => {
  const made = await client('n2', as('bob'));
  const end = closed(made);
  await ask('n3', 'PATCH', '/api/v1/users/bob', { password: 'new' });
  await end;
  await becomes('n1', { username: 'bob', password: 'new' }, 'connected');
  assert.is(await refusal('n1', as('bob')), 0x86);
  await ask('n3', 'PATCH', '/api/v1/users/bob', { password: "bob's" });
});

test('a token says who the client is, what it may do, and when that ends', async () => {
  const acl = { publish: ['up/%u'], subscribe: [] };
  const exp = Math.floor(Date.now() / 1000) + 3;
  const key = Buffer.from(SECRET);
  const password = await new SignJWT({ sub: 'pump', exp, acl }).setProtectedHeader({ alg: 'HS256' }).sign(key);
  const made = await client('n2', { username: 'anything', password });
  const end = closed(made);
  await publish(made, 'up/pump', 'x', { qos: 1 });
  await assert.rejects(publish(made, 'up/other', 'x', { qos: 1 }), /Not authorized/i);
  await end;
  assert.is(await refusal('n2', { username: 'anything', password }), 0x86);
});

/** SCRAM-SHA-256 of a client (RFC 5802), by MQTT's enhanced authentication. */
function scram(name: string, password: string): ConnectOptions & { readonly authenticate: (data: Buffer) => Buffer } {
  const bare = `n=${name},r=clientnonce`;
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();
  return {
    properties: { authenticationMethod: 'SCRAM-SHA-256', authenticationData: Buffer.from(`n,,${bare}`) },
    authenticate: (data) => {
      const first = data.toString();
      const [, nonce = '', salt = '', count = ''] = /^r=([^,]*),s=([^,]*),i=(\d+)$/.exec(first) ?? [];
      const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(count), 32, 'sha256');
      const clientKey = hmac(salted, 'Client Key');
      const withoutProof = `c=biws,r=${nonce}`;
      const stored = createHash('sha256').update(clientKey).digest();
      const signature = hmac(stored, `${bare},${first},${withoutProof}`);
      const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)));
      return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
    },
  };
}

test('SCRAM proves a password without sending it', async () => {
  const { default: mqtt } = await import('mqtt');
  const login = (password: string): Promise<unknown> =>
    new Promise((resolve) => {
      const { authenticate, ...options } = scram('ann', password);
      const port = cluster.node('n2').mqttPort;
      const common = { host: '127.0.0.1', protocolVersion: 5, reconnectPeriod: 0, manualConnect: true } as const;
      const made = mqtt.connect({ ...common, port, ...options });
      clients.push(made);
      made.handleAuth = (packet, callback) => {
        const data = packet.properties?.authenticationData ?? Buffer.alloc(0);
        const properties = { authenticationMethod: 'SCRAM-SHA-256', authenticationData: authenticate(data) };
        callback(undefined, { cmd: 'auth', reasonCode: 0x18, properties });
      };
      made.once('connect', () => resolve('connected'));
      made.once('error', (error) => resolve((error as { readonly code?: unknown }).code));
      made.connect();
    });
  assert.is(await login("ann's"), 'connected');
  assert.is(await login('other'), 0x87);
});

test('logins that fail again and again are not looked at for a while', async () => {
  const codes: unknown[] = [];
  for (let times = 0; times < 21; times++) codes.push(await refusal('n3', { username: 'victim', password: 'x' }));
  assert.equal(codes, [...Array<number>(20).fill(0x86), 0x9f]);
  await disconnect(await client('n3', as('ann')));
});

test.run();
