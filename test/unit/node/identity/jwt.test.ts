import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { JwtConfig } from '../../../../packages/node/src/config/authentication.ts';
import { fromUrl, KeySet } from '../../../../packages/node/src/identity/jwks.ts';
import { JwtMethod, type TokenKeys } from '../../../../packages/node/src/identity/jwt-method.ts';
import { assert, suite } from '../../../support/suite.ts';
import { ANN, settle } from './support.ts';

const test = suite('identity: tokens');

const SECRET = randomBytes(64);
/** 2030. */
const WALL_MS = 1_893_456_000_000;
const NOW_MS = 5_000;
const NOW_SEC = WALL_MS / 1000;

const CONFIG: JwtConfig = {
  keys: { kind: 'secretFile', path: '' },
  refreshSec: 300,
  minRefetchSec: 10,
  issuer: null,
  audience: [],
  userNameClaim: 'sub',
  userNameMustMatch: false,
  aclClaim: null,
  requireExpiry: true,
  clockToleranceSec: 5,
};

function method(part: Partial<JwtConfig> = {}, keys: TokenKeys = { kind: 'secret', secret: SECRET }): JwtMethod {
  return new JwtMethod({ config: { ...CONFIG, ...part }, keys, nowMs: () => NOW_MS, wallClockMs: () => WALL_MS });
}

type Key = Parameters<SignJWT['sign']>[0];

function token(
  claims: JWTPayload = {},
  header: { alg?: string; kid?: string } = {},
  key: Key = SECRET,
): Promise<string> {
  const payload = { sub: 'pump', exp: NOW_SEC + 60, ...claims };
  return new SignJWT(payload).setProtectedHeader({ alg: 'HS256', ...header }).sign(key);
}

async function verdict(by: JwtMethod, text: string, userName: string | null = null): Promise<string> {
  const settled = await settle(by, { ...ANN, userName, password: Buffer.from(text) });
  if (settled.kind === 'granted') return `granted ${String(settled.proven.userName)}`;
  return settled.kind === 'refused' ? `refused ${settled.reasonCode.toString(16)} ${settled.detail}` : settled.kind;
}

test('a token says who the client is, and until when', async () => {
  const settled = await settle(method(), { ...ANN, password: Buffer.from(await token()) });
  assert.is(settled.kind === 'granted' && settled.proven.userName, 'pump');
  assert.is(settled.kind === 'granted' && settled.proven.expiresAtMs, NOW_MS + 60_000);
  assert.is(settled.kind === 'granted' && settled.proven.own, null);
  const endless = method({ requireExpiry: false });
  const text = await new SignJWT({ sub: 'pump' }).setProtectedHeader({ alg: 'HS256' }).sign(SECRET);
  const forEver = await settle(endless, { ...ANN, password: Buffer.from(text) });
  assert.is(forEver.kind === 'granted' && forEver.proven.expiresAtMs, Number.POSITIVE_INFINITY);
  assert.match(await verdict(method(), text), /^refused 86 .*"exp"/);
});

test('times, issuer and audience are checked as configured', async () => {
  const strict = method({ issuer: 'https://issuer', audience: ['mqtt', 'other'] });
  const good = { iss: 'https://issuer', aud: 'mqtt' };
  assert.is(await verdict(strict, await token(good)), 'granted pump');
  assert.is(await verdict(strict, await token({ ...good, aud: ['x', 'other'] })), 'granted pump');
  assert.is(await verdict(strict, await token({ ...good, exp: NOW_SEC - 4, nbf: NOW_SEC + 4 })), 'granted pump');
  const bad: readonly JWTPayload[] = [
    { ...good, iss: 'https://other' },
    { aud: 'mqtt' },
    { ...good, aud: 'elsewhere' },
    { iss: 'https://issuer' },
    { ...good, exp: NOW_SEC - 6 },
    { ...good, nbf: NOW_SEC + 6 },
  ];
  for (const claims of bad)
    assert.match(await verdict(strict, await token(claims)), /^refused 86/, JSON.stringify(claims));
});

test('a token that somebody else signed, or nobody, is refused', async () => {
  assert.match(await verdict(method(), await token({}, {}, randomBytes(32))), /^refused 86/);
  const [, payload = ''] = (await token()).split('.');
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.`;
  assert.match(await verdict(method(), none), /^refused 86/);
  const whole = await token();
  const changed = `${whole.slice(0, -2)}${whole.endsWith('AA') ? 'BB' : 'AA'}`;
  assert.match(await verdict(method(), changed), /^refused 86/);
  assert.match(await verdict(method(), await token({}, { alg: 'HS384' })), /^refused 86/);
});

test('what is no token is left to other methods', async () => {
  for (const text of [
    'secret',
    'a.b.c',
    '..',
    `${Buffer.from('{"a":1}').toString('base64url')}.b.c`,
    'x'.repeat(20_000),
  ]) {
    assert.is(await verdict(method(), text), 'notMine', text.slice(0, 20));
  }
  assert.is((await settle(method(), { ...ANN, password: null })).kind, 'notMine');
});

test('the user name is in the claim that is configured, and has to be that of CONNECT if it is configured so', async () => {
  const other = method({ userNameClaim: 'client' });
  assert.is(await verdict(other, await token({ client: 'c7' })), 'granted c7');
  for (const client of [undefined, '', 7, ['x']]) {
    assert.match(
      await verdict(other, await token({ client })),
      /^refused 86 the token has no user name in claim client/,
    );
  }
  const same = method({ userNameMustMatch: true });
  assert.is(await verdict(same, await token(), 'pump'), 'granted pump');
  assert.match(await verdict(same, await token(), 'other'), /^refused 86 .*another one/);
  assert.match(await verdict(same, await token()), /^refused 86/);
});

test('a claim says what the client may do, and one that is not understood lets nobody in', async () => {
  const by = method({ aclClaim: 'acl' });
  const settled = await settle(by, {
    ...ANN,
    password: Buffer.from(await token({ acl: { publish: ['up/%u'], subscribe: ['down/#'] } })),
  });
  assert.equal(settled.kind === 'granted' && settled.proven.own, { publish: ['up/%u'], subscribe: ['down/#'] });
  assert.is(await verdict(by, await token()), 'granted pump');
  for (const acl of [
    [],
    'all',
    { publish: 'up' },
    { publish: ['a/#/b'] },
    { publishes: ['a'] },
    null,
    { publish: [1] },
  ]) {
    assert.match(await verdict(by, await token({ acl })), /^refused 86 claim acl/, JSON.stringify(acl));
  }
});

/** An issuer with keys that can be changed, and a set that can be unreachable. */
class Issuer {
  keys: JWK[] = [];
  reads = 0;
  down = false;
  nowMs = 0;
  readonly failures: unknown[] = [];

  readonly set = new KeySet({
    read: () => {
      this.reads++;
      return this.down
        ? Promise.reject(new Error('unreachable'))
        : Promise.resolve(JSON.stringify({ keys: this.keys }));
    },
    refreshMs: 300_000,
    minIntervalMs: 10_000,
    nowMs: () => this.nowMs,
    onFailure: (error) => void this.failures.push(error),
  });

  async add(alg: string, kid: string) {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    this.keys.push({ ...(await exportJWK(publicKey)), kid, alg });
    return (claims: JWTPayload = {}) => token(claims, { alg, kid }, privateKey);
  }

  get method(): JwtMethod {
    return method({}, { kind: 'public', find: this.set.find });
  }
}

test('public keys of the usual kinds are taken from a set, which is read once', async () => {
  const issuer = new Issuer();
  const signers = [await issuer.add('RS256', 'r'), await issuer.add('ES256', 'e'), await issuer.add('EdDSA', 'd')];
  for (const sign of signers) assert.is(await verdict(issuer.method, await sign()), 'granted pump');
  assert.is(issuer.reads, 1);
});

test('a public key is never taken for a shared secret', async () => {
  const issuer = new Issuer();
  await issuer.add('RS256', 'r');
  const asSecret = Buffer.from(JSON.stringify(issuer.keys[0]));
  assert.match(await verdict(issuer.method, await token({}, { kid: 'r' }, asSecret)), /^refused 86/);
  issuer.keys.push({ kty: 'oct', k: SECRET.toString('base64url'), kid: 's', alg: 'HS256' });
  issuer.nowMs = 1_000_000;
  assert.match(await verdict(issuer.method, await token({}, { kid: 's' })), /^refused 86/);
});

test('a key that is new is looked for, but not for every token that names one', async () => {
  const issuer = new Issuer();
  const first = await issuer.add('ES256', 'one');
  assert.is(await verdict(issuer.method, await first()), 'granted pump');
  const second = await issuer.add('ES256', 'two');
  assert.match(await verdict(issuer.method, await second()), /^refused 86/, 'within the least interval');
  issuer.nowMs = 10_000;
  assert.is(await verdict(issuer.method, await second()), 'granted pump');
  const stranger = await new Issuer().add('ES256', 'three');
  issuer.nowMs = 20_000;
  await Promise.all(Array.from({ length: 20 }, async () => verdict(issuer.method, await stranger())));
  assert.is(issuer.reads, 3);
});

test('while the set can not be read the keys of last time count; without any nobody is let in', async () => {
  const issuer = new Issuer();
  const sign = await issuer.add('ES256', 'one');
  issuer.down = true;
  assert.match(await verdict(issuer.method, await sign()), /^refused 88/);
  issuer.down = false;
  assert.match(await verdict(issuer.method, await sign()), /^refused 88/, 'not asked again at once');
  issuer.nowMs = 10_000;
  assert.is(await verdict(issuer.method, await sign()), 'granted pump');
  issuer.down = true;
  issuer.nowMs = 1_000_000;
  assert.is(await verdict(issuer.method, await sign()), 'granted pump');
  assert.is(await verdict(issuer.method, await sign()), 'granted pump');
  assert.is(issuer.failures.length, 2);
  assert.is(issuer.reads, 3);
});

test('a key that was taken out of the set ends with the next reading', async () => {
  const issuer = new Issuer();
  const sign = await issuer.add('ES256', 'one');
  assert.is(await verdict(issuer.method, await sign()), 'granted pump');
  issuer.keys = [];
  issuer.nowMs = 300_000;
  await verdict(issuer.method, await sign());
  await new Promise(setImmediate);
  assert.match(await verdict(issuer.method, await sign()), /^refused 86/);
});

test('a set is read from an URL, up to a size, and only from an answer that says it is there', async () => {
  let answer = { status: 200, body: '{"keys":[]}' };
  const server = createServer((_request, response) => response.writeHead(answer.status).end(answer.body));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const read = fromUrl(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}/keys`);
  try {
    assert.is(await read(), '{"keys":[]}');
    answer = { status: 404, body: '{"keys":[]}' };
    await assert.rejects(read(), /answered 404/);
    answer = { status: 200, body: 'x'.repeat(1024 * 1024 + 1) };
    await assert.rejects(read(), /larger than/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test.run();
