import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import {
  type AccessControl,
  type AuthenticationExchange,
  type AuthenticationOutcome,
  type Credentials,
  DocumentCollection,
} from '@quorate/broker';
import { PasswordMethod } from '../../../../packages/node/src/identity/password-method.ts';
import { ScramExchange } from '../../../../packages/node/src/identity/scram.ts';
import { saslPrep, scramKeysOf } from '../../../../packages/node/src/identity/scram-keys.ts';
import { unmatchable } from '../../../../packages/node/src/identity/scrypt.ts';
import type { User } from '../../../../packages/node/src/identity/users.ts';
import { assert, suite } from '../../../support/suite.ts';
import { ANN, CHEAP, codeOf, World } from './support.ts';

const test = suite('identity: SCRAM-SHA-256');

/** Enhanced authentication without a user name or password in CONNECT. */
const CLIENT: Credentials = { ...ANN, userName: null, password: null };

function send(exchange: AuthenticationExchange, text: string | null): AuthenticationOutcome {
  let outcome: AuthenticationOutcome | null = null;
  exchange.step(text === null ? null : Buffer.from(text), (given) => {
    assert.is(outcome, null, 'answered once');
    outcome = given;
  });
  if (outcome === null) throw new Error('it answers at once');
  return outcome;
}

function dataOf(outcome: AuthenticationOutcome): string {
  if (outcome.kind === 'refused') assert.unreachable(outcome.refusal.detail);
  return Buffer.from(outcome.kind === 'refused' ? [] : (outcome.data ?? [])).toString();
}

/** A client of its own, by RFC 5802: nothing of the server's code is in it. */
class Client {
  readonly #password: string;
  readonly #nonce = 'fyko+d2lbbFgONRv9qkxdawL';
  readonly #user: string;
  readonly #gs2: string;
  serverSignature = '';

  constructor(user: string, password: string, gs2 = 'n,,') {
    this.#user = user;
    this.#password = password;
    this.#gs2 = gs2;
  }

  get #bare(): string {
    return `n=${this.#user},r=${this.#nonce}`;
  }

  first(): string {
    return this.#gs2 + this.#bare;
  }

  final(serverFirst: string, change: { readonly gs2?: string; readonly nonce?: string } = {}): string {
    const [, nonce = '', salt = '', iterations = ''] = /^r=([^,]*),s=([^,]*),i=(\d+)$/.exec(serverFirst) ?? [];
    const salted = pbkdf2Sync(this.#password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256');
    const hmac = (key: Buffer, text: string) => createHmac('sha256', key).update(text).digest();
    const clientKey = hmac(salted, 'Client Key');
    const storedKey = createHash('sha256').update(clientKey).digest();
    const binding = Buffer.from(change.gs2 ?? this.#gs2).toString('base64');
    const withoutProof = `c=${binding},r=${change.nonce ?? nonce}`;
    const message = `${this.#bare},${serverFirst},${withoutProof}`;
    const signature = hmac(storedKey, message);
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)));
    this.serverSignature = hmac(hmac(salted, 'Server Key'), message).toString('base64');
    return `${withoutProof},p=${proof.toString('base64')}`;
  }
}

async function world(): Promise<World> {
  const made = new World();
  await made.addUser('ann', 'secret');
  return made;
}

function exchangeOf(access: AccessControl, credentials: Credentials, expected: string | null): AuthenticationExchange {
  const exchange = access.beginExchange('SCRAM-SHA-256', credentials, expected);
  if (exchange === null) throw new Error('no exchange');
  return exchange;
}

function begin(made: World, credentials = CLIENT, expected: string | null = null, limits = {}) {
  const access = made.access([new PasswordMethod({ directory: made.directory })], limits);
  return exchangeOf(access, credentials, expected);
}

test('the example of RFC 7677 section 3', async () => {
  const keys = await scramKeysOf('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4096);
  const user: User = {
    ...{ name: 'user', revision: 1, superuser: false, credentialsId: 'x' },
    ...{ password: unmatchable(CHEAP), scram: keys },
  };
  const exchange = new ScramExchange({
    findUser: (name) => (name === 'user' ? user : undefined),
    secret: Buffer.alloc(32),
    credentials: CLIENT,
    expectedUserName: null,
    refusalOf: () => null,
    onRefused: (_name, _code, detail) => assert.unreachable(detail),
    grant: (_user, data) => ({ kind: 'continue', data }),
    nonce: () => '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  });
  const first = send(exchange, 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
  assert.is(dataOf(first), 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096');
  const final = send(
    exchange,
    'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  );
  assert.is(dataOf(final), 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
});

test('a client that knows the password is granted, and told that the server knows it too', async () => {
  for (const gs2 of ['n,,', 'y,,', 'n,a=ann,']) {
    const made = await world();
    const exchange = begin(made);
    const client = new Client('ann', 'secret', gs2);
    const final = send(exchange, client.final(dataOf(send(exchange, client.first()))));
    assert.is(final.kind === 'granted' && final.grant.userName, 'ann');
    assert.is(dataOf(final), `v=${client.serverSignature}`);
    assert.equal([...made.counts], [['scram granted', 1]]);
  }
});

test('nobody gets in by another password, a changed nonce or header, or half of an exchange', async () => {
  const made = await world();
  const limits = { perUser: 100, perAddress: 100 };
  const cases: readonly (readonly [Client, object])[] = [
    [new Client('ann', 'Secret'), {}],
    [new Client('bob', 'secret'), {}],
    [new Client('ann', 'secret'), { nonce: 'fyko+d2lbbFgONRv9qkxdawL' }],
    [new Client('ann', 'secret', 'y,,'), { gs2: 'n,,' }],
  ];
  for (const [client, change] of cases) {
    const exchange = begin(made, CLIENT, null, limits);
    const outcome = send(exchange, client.final(dataOf(send(exchange, client.first())), change));
    assert.is(codeOf(outcome), 0x87);
  }
  for (const text of [
    null,
    '',
    'p=tls-unique,,n=ann,r=x',
    'n,a=bob,n=ann,r=x',
    'n,,m=ext,n=ann,r=x',
    'n,,n=a=nn,r=x',
    'n,,n=,r=x',
    'n,,n=ann',
    'n,,n=ann,r=',
    'x'.repeat(5000),
  ]) {
    assert.is(codeOf(send(begin(made, CLIENT, null, limits), text)), 0x87, String(text));
  }
  const client = new Client('ann', 'secret');
  const used = begin(made, CLIENT, null, limits);
  const final = client.final(dataOf(send(used, client.first())));
  assert.is(codeOf(send(begin(made, CLIENT, null, limits), final)), 0x87, 'of another exchange');
  assert.is(codeOf(send(used, `${final.slice(0, -4)}AAAA`)), 0x87);
  assert.is(codeOf(send(used, final)), 0x87, 'a second try needs a new challenge');
});

test('a name that nobody has is answered like any other, the same each time and on each node', async () => {
  const nodes = [await world(), await world()];
  for (const made of nodes) made.put(DocumentCollection.secrets, 'scram', Buffer.alloc(32, 7));
  const answers = [...nodes, ...nodes].map((made) => dataOf(send(begin(made), new Client('nobody', 'x').first())));
  const salts = answers.map((text) => /s=([^,]*),/.exec(text)?.[1]);
  assert.is(new Set(salts).size, 1);
  assert.match(answers[0] ?? '', /^r=fyko\+d2lbbFgONRv9qkxdawL[A-Za-z0-9+/]{24},s=[A-Za-z0-9+/]{22}==,i=15000$/);
  const other = dataOf(send(begin(nodes[0] as World), new Client('nobody2', 'x').first()));
  assert.not.match(other, new RegExp(`s=${(salts[0] ?? '').replaceAll(/[+/]/g, '.')},`));
});

test('the name goes with that of CONNECT, and a re-authentication stays the same user', async () => {
  const made = await world();
  await made.addUser('bob', 'secret');
  const first = new Client('ann', 'secret').first();
  assert.is(codeOf(send(begin(made, { ...CLIENT, userName: 'bob' }), first)), 0x87);
  assert.is(codeOf(send(begin(made, { ...CLIENT, userName: 'ann' }), first)), 'continue');
  assert.is(codeOf(send(begin(made, CLIENT, 'bob'), first)), 0x87);
  assert.is(codeOf(send(begin(made, CLIENT, 'ann'), first)), 'continue');
});

test('a name is prepared, and may have commas in it', async () => {
  const made = await world();
  await made.addUser('a,b=c', 'secret');
  const exchange = begin(made);
  const client = new Client('a=2Cb=3Dc', 'secret');
  assert.is(send(exchange, client.final(dataOf(send(exchange, client.first())))).kind, 'granted');
  // RFC 4013 section 3.
  assert.is(saslPrep('I\u00adX'), 'IX');
  assert.is(saslPrep('\u00aa'), 'a');
  assert.is(saslPrep('\u2168'), 'IX');
  assert.is(saslPrep('\u0007'), null);
  assert.is(saslPrep(''), null);
});

test('bans and failed logins are looked at before anything is answered', async () => {
  const made = await world();
  made.ban('user', 'ann');
  assert.is(codeOf(send(begin(made), new Client('ann', 'secret').first())), 0x8a);
  const access = made.access([new PasswordMethod({ directory: made.directory })], { perUser: 2 });
  const tryBob = (): AuthenticationOutcome => {
    const exchange = exchangeOf(access, CLIENT, null);
    const client = new Client('bob', 'wrong');
    const first = send(exchange, client.first());
    return first.kind === 'continue' ? send(exchange, client.final(dataOf(first))) : first;
  };
  assert.equal([tryBob(), tryBob(), tryBob()].map(codeOf), [0x87, 0x87, 0x9f]);
});

test('there is no exchange without passwords, nor by another method', async () => {
  const made = await world();
  assert.is(made.access([]).beginExchange('SCRAM-SHA-256', CLIENT, null), null);
  const access = made.access([new PasswordMethod({ directory: made.directory })]);
  assert.is(access.beginExchange('SCRAM-SHA-1', CLIENT, null), null);
  assert.is(access.beginExchange('scram-sha-256', CLIENT, null), null);
});

test.run();
