import { DocumentCollection } from '@quorate/broker';
import { AnonymousMethod } from '../../../../packages/node/src/identity/anonymous-method.ts';
import { Attempts } from '../../../../packages/node/src/identity/attempts.ts';
import { CertificateMethod } from '../../../../packages/node/src/identity/certificate-method.ts';
import {
  type Method,
  type MethodName,
  NOT_MINE,
  type Proven,
  proven,
  refused,
  type Verdict,
} from '../../../../packages/node/src/identity/method.ts';
import { PasswordMethod } from '../../../../packages/node/src/identity/password-method.ts';
import { assert, suite } from '../../../support/suite.ts';
import { ANN, codeOf, granted, login, World } from './support.ts';

const test = suite('identity: access control');

/** A method that says what it is told to, at once or later. */
class Told implements Method {
  readonly name: MethodName;
  readonly #verdict: Verdict;
  readonly #later: boolean;
  asked = 0;

  constructor(verdict: Verdict, later = false, name: MethodName = 'http') {
    this.name = name;
    this.#verdict = verdict;
    this.#later = later;
  }

  authenticate(): Verdict | Promise<Verdict> {
    this.asked++;
    return this.#later ? Promise.resolve(this.#verdict) : this.#verdict;
  }
}

function yes(userName: string | null = 'ann', part: Partial<Proven> = {}): Verdict {
  return { kind: 'granted', proven: proven(userName, part) };
}

const NO = refused(0x86, 'no');

test('methods are asked in their order until one knows the client', async () => {
  for (const later of [false, true]) {
    const world = new World();
    const [first, second, third] = [new Told(NOT_MINE, later), new Told(yes('x'), later), new Told(NO)];
    const grant = await granted(world.access([first, second, third]));
    assert.is(grant.userName, 'x');
    assert.equal([first.asked, second.asked, third.asked], [1, 1, 0]);
    const last = new Told(yes());
    assert.is(codeOf(await login(world.access([first, new Told(NO, later), last]))), 0x86);
    assert.is(last.asked, 0, 'a no is no');
  }
});

test('whom no method knows is refused, by what it has shown', async () => {
  const access = new World().access([new Told(NOT_MINE), new Told(NOT_MINE, true)]);
  assert.is(codeOf(await login(access)), 0x86);
  assert.is(codeOf(await login(access, { userName: null, password: null })), 0x87);
});

test('anonymous clients are let in by the method of that name, and beside others only without credentials', async () => {
  const world = new World();
  const alone = world.access([new AnonymousMethod(true)]);
  assert.is((await granted(alone)).userName, null);
  const last = world.access([new Told(NOT_MINE), new AnonymousMethod(false)]);
  assert.is((await granted(last, { userName: null, password: null })).userName, null);
  assert.is(codeOf(await login(last)), 0x86);
  assert.is(codeOf(await login(last, { userName: null })), 0x86);
});

test('a certificate says the user name, and CONNECT has to agree if it says one', async () => {
  const certificate = { commonName: 'pump', subjectAltNames: ['DNS:a.example', 'URI:urn:device:7', 'DNS:b.example'] };
  const world = new World();
  const by = (userName: 'commonName' | 'dns' | 'uri' | 'email', userNameMustMatch = true) =>
    world.access([new CertificateMethod({ userName, userNameMustMatch })], { perUser: 99, perAddress: 99 });
  const silent = { certificate, userName: null, password: null };
  assert.is((await granted(by('commonName'), silent)).userName, 'pump');
  assert.is((await granted(by('uri'), silent)).userName, 'urn:device:7');
  assert.is((await granted(by('commonName'), { ...silent, userName: 'pump' })).userName, 'pump');
  assert.is(codeOf(await login(by('commonName'), { ...silent, userName: 'other' })), 0x86);
  assert.is((await granted(by('commonName', false), { ...silent, userName: 'other' })).userName, 'pump');
  assert.is(codeOf(await login(by('dns'), silent)), 0x87, 'two names: which one?');
  assert.is(codeOf(await login(by('email'), silent)), 0x87);
  assert.is(codeOf(await login(by('commonName'), { ...silent, certificate: null })), 0x87);
  const nameless = { commonName: '', subjectAltNames: [] };
  assert.is(codeOf(await login(by('commonName'), { ...silent, certificate: nameless })), 0x87);
});

test('bans come before any method, by client id, user and address', async () => {
  const world = new World();
  const method = new Told(yes());
  const access = world.access([method]);
  for (const [kind, value] of [
    ['clientId', 'c1'],
    ['user', 'ann'],
    ['address', '10.0.0.0/8'],
    ['address', '10.0.0.1'],
  ] as const) {
    world.ban(kind, value);
    assert.is(codeOf(await login(access)), 0x8a, `${kind} ${value}`);
    assert.is(method.asked, 0);
    world.remove(DocumentCollection.bans, `${kind}:${value}`);
    await granted(access);
    method.asked = 0;
  }
  for (const value of ['10.0.0.1', '10.0.0.9']) world.ban('address', value);
  world.remove(DocumentCollection.bans, 'address:10.0.0.9');
  assert.is(codeOf(await login(access)), 0x8a, 'the other one of that length is still there');
  world.remove(DocumentCollection.bans, 'address:10.0.0.1');
  world.ban('user', 'proven');
  assert.is(codeOf(await login(world.access([new Told(yes('proven'), true)]))), 0x8a, 'the name that was proven');
});

test('too many failed logins of a user or an address are not looked at, until their time is over', async () => {
  const world = new World();
  const no = new Told(NO);
  const access = world.access([no], { perUser: 3, perAddress: 5 });
  for (let times = 0; times < 3; times++) assert.is(codeOf(await login(access)), 0x86);
  assert.is(codeOf(await login(access)), 0x9f);
  assert.is(codeOf(await login(access, { remoteAddress: '10.0.0.2' })), 0x9f, 'from anywhere');
  assert.is(no.asked, 3);
  for (const userName of ['b', 'c']) assert.is(codeOf(await login(access, { userName })), 0x86);
  assert.is(codeOf(await login(access, { userName: 'd' })), 0x9f, 'the address');
  assert.is(codeOf(await login(access, { userName: 'd', remoteAddress: '10.0.0.3' })), 0x86);
  world.nowMs += 60_000;
  assert.is(codeOf(await login(access)), 0x86);
  assert.equal([...world.counts].sort(), [
    ['http refused', 7],
    ['none limited', 3],
  ]);
});

test('whose password is remembered as right is not kept out by others who try wrong ones', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  const access = world.access([new PasswordMethod({ directory: world.directory })], { perUser: 2 });
  await granted(access);
  for (let times = 0; times < 2; times++) await login(access, { password: Buffer.from('x'), remoteAddress: '6.6.6.6' });
  assert.is(codeOf(await login(access, { password: Buffer.from('y') })), 0x9f);
  await granted(access);
});

test('what could not be looked at for want of room is no failed login', async () => {
  const world = new World();
  const access = world.access([new Told(refused(0x97, 'full'))], { perUser: 2 });
  for (let times = 0; times < 5; times++) assert.is(codeOf(await login(access)), 0x97);
  assert.equal([...world.counts], [['http unavailable', 5]]);
});

test('failed logins are counted for a bounded number of users and addresses', () => {
  const attempts = new Attempts({ perUser: 1, perAddress: 1, windowSec: 60 }, () => 0, 10);
  for (let at = 0; at < 100; at++) attempts.failed(`address ${String(at)}`, null);
  assert.is(attempts.counted, 10);
  assert.is(attempts.isBlocked('address 99', null), true);
  assert.is(attempts.isBlocked('address 0', null), false);
});

test('failures are written of, but not without end', async () => {
  const world = new World();
  const access = world.access([new Told(NO)], { perUser: 1_000, perAddress: 1_000 });
  for (let times = 0; times < 50; times++) await login(access);
  assert.is(world.lines.length, 10);
  world.nowMs += 10_000;
  await login(access);
  assert.match(JSON.stringify(world.lines.at(-1)), /"unwritten":40/);
  assert.match(world.lines[0]?.message ?? '', /a login of user 'ann' from 10\.0\.0\.1 was refused: no/);
  assert.not.match(JSON.stringify(world.lines), /secret/);
});

test('a grant follows the rules as they change', async () => {
  const world = new World();
  const grant = await granted(world.access([new Told(yes())]));
  assert.is(grant.mayPublish('a', 0, false), true, 'no rules, and the default is to allow');
  world.setRules({ permission: 'deny', topics: ['a/#'] });
  assert.equal([grant.mayPublish('a', 0, false), grant.mayPublish('b', 0, false)], [false, true]);
  assert.is(grant.maySubscribe('#', 0), false);
  world.setRules();
  assert.is(grant.mayPublish('a', 0, false), true);
  const strict = await granted(world.access([new Told(yes())], { allowsOtherwise: false }));
  assert.is(strict.mayPublish('a', 0, false), false);
  assert.is(strict.maySubscribe('a', 0), false);
});

test('rules of a later version allow nothing, loudly', async () => {
  const world = new World();
  const grant = await granted(world.access([new Told(yes())]));
  world.put(DocumentCollection.aclRules, 'rules', Buffer.from('{"version":2,"rules":[]}'));
  assert.equal([grant.mayPublish('$x', 0, false), grant.maySubscribe('a', 0)], [false, false]);
  assert.match(world.errors[0] ?? '', /can not read the access rules: nothing is allowed .*upgrade this node/);
  world.setRules();
  assert.is(grant.mayPublish('a', 0, false), true);
});

test('rules do not hold for a superuser, for as long as it is one', async () => {
  const world = new World();
  world.setRules({ permission: 'deny', topics: ['#'] });
  await world.addUser('ann', 'secret', true);
  const { credentialsId = null } = world.directory.users.get('ann') ?? {};
  const grant = await granted(world.access([new Told(yes('ann', { credentialsId }))]));
  assert.equal([grant.mayPublish('a', 0, false), grant.maySubscribe('#', 2)], [true, true]);
  const hooked = await granted(world.access([new Told(yes('x', { superuser: true }))]));
  assert.is(hooked.mayPublish('a', 0, false), true);
  await world.addUser('ann', 'secret', false);
  assert.is(grant.mayPublish('a', 0, false), false);
  const named = await granted(world.access([new Told(yes('ann'))]));
  await world.addUser('ann', 'secret', true);
  assert.is(named.mayPublish('a', 0, false), false, 'a token of that name is not that user');
});

test('what a client brought narrows the rules and never widens them', async () => {
  const world = new World();
  const own = { publish: ['up/#'], subscribe: ['down/#'] };
  const grant = await granted(world.access([new Told(yes('ann', { own }))], { allowsOtherwise: false }));
  assert.is(grant.mayPublish('up/x', 0, false), true, 'the default does not count beside it');
  assert.is(grant.mayPublish('other', 0, false), false);
  world.setRules({ topics: ['other'] });
  assert.is(grant.mayPublish('other', 0, false), false);
  world.setRules({ permission: 'deny', topics: ['up/secret', 'down/secret'] });
  assert.equal([grant.mayPublish('up/secret', 0, false), grant.mayPublish('up/x', 0, false)], [false, true]);
  assert.equal([grant.maySubscribe('down/#', 0), grant.maySubscribe('down/x', 0)], [false, true]);
  assert.equal([grant.maySubscribe('other', 0), grant.maySubscribe('#', 0)], [false, false]);
});

test('a grant is revoked by a ban, by the end of its user, and by a new password', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  const access = world.access([new PasswordMethod({ directory: world.directory })]);
  const grant = await granted(access);
  assert.is(grant.revoked(), null);
  world.ban('address', '10.0.0.0/24');
  assert.is(grant.revoked()?.reasonCode, 0x8a);
  world.remove(DocumentCollection.bans, 'address:10.0.0.0/24');
  assert.is(grant.revoked(), null);
  await world.addUser('ann', 'other');
  assert.match(grant.revoked()?.detail ?? '', /another password/);
  world.removeUser('ann');
  assert.match(grant.revoked()?.detail ?? '', /is gone/);
  const token = await granted(world.access([new Told(yes('ann', { expiresAtMs: 7 }))]));
  assert.is(token.revoked(), null, 'not a user of the cluster');
  assert.is(token.expiresAtMs, 7);
});

test('a directory takes another state in the place of its own', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  world.setRules({ topics: ['a'] });
  world.ban('user', 'x');
  world.put(DocumentCollection.secrets, 'scram', Buffer.alloc(32));
  const { generation } = world.directory;
  const { Documents } = await import('@quorate/broker');
  world.directory.load(new Documents());
  const { users, rules, bans, scramSecret } = world.directory;
  assert.equal([users.size, rules.length, bans.size, scramSecret], [0, 0, 0, null]);
  assert.ok(world.directory.generation > generation);
  assert.is(world.directory.sortedBans().length, 0);
});

test('users and bans of a later version keep out rather than let in', () => {
  const world = new World();
  world.put(DocumentCollection.users, 'ann', Buffer.from('{"version":9}'));
  world.put(DocumentCollection.bans, 'user:bob', Buffer.from('not JSON'));
  world.put(DocumentCollection.bans, 'planet:x', Buffer.from('{"version":1}'));
  assert.is(world.directory.users.has('ann'), false);
  assert.is(world.directory.bans.find('c', 'bob', '10.0.0.1')?.kind, 'user');
  assert.is(world.errors.length, 3);
  for (const line of world.errors) assert.match(line, /can not read/);
  assert.is(ANN.userName, 'ann');
});

test.run();
