import { PasswordMethod } from '../../../../packages/node/src/identity/password-method.ts';
import { hashPassword, matchesHash, unmatchable } from '../../../../packages/node/src/identity/scrypt.ts';
import { assert, suite } from '../../../support/suite.ts';
import { ANN, CHEAP, settle, World } from './support.ts';

const test = suite('identity: passwords');

const WIDE = { maxRunning: 2, maxWaiting: 100, maxWaitMs: 60_000 };

/** Verifications that a test lets end one by one. */
class Gate {
  readonly waiting: (() => void)[] = [];
  begun = 0;
  running = 0;
  most = 0;
  readonly verify: typeof matchesHash = async (password, expected) => {
    this.begun++;
    this.most = Math.max(this.most, ++this.running);
    await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.running--;
    return matchesHash(password, expected);
  };
}

function counting(): { readonly verify: typeof matchesHash; calls: number; readonly costs: unknown[] } {
  const seen = {
    calls: 0,
    costs: [] as unknown[],
    verify: ((password, expected) => {
      seen.calls++;
      seen.costs.push([expected.logN, expected.r, expected.p, expected.salt.length, expected.hash.length]);
      return matchesHash(password, expected);
    }) as typeof matchesHash,
  };
  return seen;
}

test('a hash knows its password and no other, and has a salt of its own', async () => {
  const [one, two] = [await hashPassword(Buffer.from('p'), CHEAP), await hashPassword(Buffer.from('p'), CHEAP)];
  assert.not.equal(Buffer.from(one.hash), Buffer.from(two.hash));
  assert.is(await matchesHash(Buffer.from('p'), one), true);
  assert.is(await matchesHash(Buffer.from('q'), one), false);
  assert.is(await matchesHash(Buffer.from(''), one), false);
  assert.is(await matchesHash(Buffer.from('p'), unmatchable(CHEAP)), false);
  const usual = await hashPassword(Buffer.from('p'));
  assert.ok(usual.logN >= 15 && usual.r >= 8, 'as costly as is usual today');
});

test('the right password is granted, another one refused, what is none of its own left to others', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  const method = new PasswordMethod({ directory: world.directory });
  const right = await settle(method, ANN);
  assert.is(right.kind === 'granted' && right.proven.userName, 'ann');
  const wrong = await settle(method, { ...ANN, password: Buffer.from('Secret') });
  assert.is(wrong.kind === 'refused' && wrong.reasonCode, 0x86);
  assert.is((await settle(method, { ...ANN, userName: 'bob' })).kind, 'notMine');
  assert.is((await settle(method, { ...ANN, userName: null })).kind, 'notMine');
  assert.is((await settle(method, { ...ANN, password: null })).kind, 'notMine');
});

test('a user that does not exist costs what one costs that does', async () => {
  const world = new World();
  const seen = counting();
  const usual = await hashPassword(Buffer.from('x'));
  const method = new PasswordMethod({ directory: world.directory, verify: seen.verify });
  await settle(method, ANN);
  assert.equal(seen.costs, [[usual.logN, usual.r, usual.p, usual.salt.length, usual.hash.length]]);
});

test('a right password is remembered, a wrong one never, and another user has not the same memory', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  await world.addUser('a', 'nn:secret');
  const seen = counting();
  const method = new PasswordMethod({ directory: world.directory, verify: seen.verify });
  for (let times = 0; times < 50; times++) assert.is((await settle(method, ANN)).kind, 'granted');
  assert.is(seen.calls, 1);
  assert.not(method.authenticate(ANN) instanceof Promise, 'answered at once');
  for (let times = 0; times < 3; times++) await settle(method, { ...ANN, password: Buffer.from('wrong') });
  assert.is(seen.calls, 4);
  assert.is(method.recall({ ...ANN, userName: 'a', password: Buffer.from('nnsecret') }), null);
  assert.is(method.recall({ ...ANN, userName: 'bob' }), null);
});

test('what is remembered ends with the password and with the user', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  const method = new PasswordMethod({ directory: world.directory });
  await settle(method, ANN);
  await world.addUser('ann', 'other');
  assert.is((await settle(method, ANN)).kind, 'refused');
  await world.addUser('ann', 'secret');
  assert.is(method.recall(ANN), null, 'the same password set again is another one');
  await settle(method, ANN);
  assert.is(method.recall(ANN)?.kind, 'granted');
  world.removeUser('ann');
  assert.is((await settle(method, ANN)).kind, 'notMine');
});

test('the memory is bounded, and the oldest goes first', async () => {
  const world = new World();
  const method = new PasswordMethod({ directory: world.directory, cacheSize: 2 });
  const of = (name: string) => ({ ...ANN, userName: name });
  for (const name of ['a', 'b', 'c']) {
    await world.addUser(name, 'secret');
    await settle(method, of(name));
    if (name === 'b') assert.is(method.recall(of('a'))?.kind, 'granted', 'used again, so b is the oldest');
  }
  assert.is(method.cached, 2);
  assert.equal(
    ['a', 'b', 'c'].map((name) => method.recall(of(name))?.kind),
    ['granted', undefined, 'granted'],
  );
});

test('few are verified at once, few wait, and who comes beyond that is told so', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  const gate = new Gate();
  const limits = { maxRunning: 2, maxWaiting: 3, maxWaitMs: 60_000 };
  const method = new PasswordMethod({ directory: world.directory, verify: gate.verify, limits });
  const all = Array.from({ length: 7 }, () => settle(method, ANN));
  const refused = await Promise.all(all.slice(5));
  assert.equal(
    refused.map((each) => each.kind === 'refused' && each.reasonCode),
    [0x97, 0x97],
  );
  assert.is(method.waiting, 3);
  while (gate.begun < 5 || gate.waiting.length > 0) {
    gate.waiting.shift()?.();
    await new Promise(setImmediate);
  }
  assert.equal(
    (await Promise.all(all.slice(0, 5))).map(({ kind }) => kind),
    Array(5).fill('granted'),
  );
  assert.is(gate.most, 2);
});

test('who has waited too long is refused instead of verified', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  const gate = new Gate();
  const limits = { maxRunning: 1, maxWaiting: 3, maxWaitMs: -1 };
  const method = new PasswordMethod({ directory: world.directory, verify: gate.verify, limits });
  const [first, second] = [settle(method, ANN), settle(method, ANN)];
  gate.waiting.shift()?.();
  assert.is((await first).kind, 'granted');
  const late = await second;
  assert.is(late.kind === 'refused' && late.reasonCode, 0x97);
  assert.is(gate.begun, 1);
});

test('a user that goes while its password is verified is not granted by what was', async () => {
  const world = new World();
  await world.addUser('ann', 'secret');
  const gate = new Gate();
  const method = new PasswordMethod({ directory: world.directory, verify: gate.verify, limits: WIDE });
  const access = world.access([method]);
  const outcome = new Promise<string>((resolve) => {
    access.authenticate(ANN, ({ kind }) => resolve(kind));
  });
  world.removeUser('ann');
  gate.waiting.shift()?.();
  assert.is(await outcome, 'refused');
});

test('a password that is too long is verified as any other, and refused', async () => {
  const world = new World();
  await world.addUser('ann', 'x'.repeat(1024));
  const seen = counting();
  const method = new PasswordMethod({ directory: world.directory, verify: seen.verify });
  assert.is((await settle(method, { ...ANN, password: Buffer.from('x'.repeat(1025)) })).kind, 'refused');
  assert.is(seen.calls, 1);
  assert.is((await settle(method, { ...ANN, password: Buffer.from('x'.repeat(1024)) })).kind, 'granted');
});

test.run();
