import { assert, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';
import { Nodes } from './nodes.ts';

/* Users, access rules and bans of a real cluster, over HTTP: what one node is told, all know. */

const test = suite('node: users, access rules and bans');

let nodes: Nodes;

test.before(async () => {
  nodes = await Nodes.create(3);
  await nodes.startAll();
});

test.after(async () => {
  await nodes.close();
});

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE';

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask(id: string, method: Method, path: string, body?: unknown): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${String(nodes.port(id, 'http'))}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function list(id: string, path: string): Promise<readonly Record<string, unknown>[]> {
  const { status, body } = await ask(id, 'GET', path);
  assert.is(status, 200);
  return body['data'] as Record<string, unknown>[];
}

/** Waits until a node shows what another one has answered already: it applies it a moment later. */
async function shows(id: string, path: string, holds: (data: readonly Record<string, unknown>[]) => boolean) {
  await waitFor(async () => holds(await list(id, path)), { what: `${id} to show the change of ${path}` });
}

test('a user that is added through one node is known on another, without anything of its password', async () => {
  const added = await ask('n1', 'POST', '/api/v1/users', { name: 'ann', password: 'correct horse', superuser: true });
  assert.equal(added, { status: 201, body: { name: 'ann', superuser: true } });
  assert.equal(await list('n1', '/api/v1/users'), [{ name: 'ann', superuser: true }], 'at once where it was asked');
  await shows('n3', '/api/v1/users', (users) => users.some(({ name }) => name === 'ann'));
  assert.not(nodes.log.includes('correct horse'));
  const again = await ask('n3', 'POST', '/api/v1/users', { name: 'ann', password: 'other' });
  assert.equal([again.status, again.body['code']], [409, 'ALREADY_EXISTS']);
});

test('a user is changed and removed through any node', async () => {
  await ask('n1', 'POST', '/api/v1/users', { name: 'ünal/x', password: 'p' });
  const path = `/api/v1/users/${encodeURIComponent('ünal/x')}`;
  await shows('n2', '/api/v1/users', (users) => users.some(({ name }) => name === 'ünal/x'));
  const changed = await ask('n2', 'PATCH', path, { superuser: true, password: 'q' });
  assert.equal(changed, { status: 200, body: { name: 'ünal/x', superuser: true } });
  await shows('n3', '/api/v1/users', (users) =>
    users.some((user) => user['name'] === 'ünal/x' && user['superuser'] === true),
  );
  assert.is((await ask('n3', 'DELETE', path)).status, 200);
  assert.equal((await ask('n3', 'DELETE', path)).body['code'], 'NOT_FOUND');
  assert.equal((await ask('n3', 'PATCH', path, { password: 'x' })).body['code'], 'NOT_FOUND');
});

test('of two that add the same user at once one is told that it was too late', async () => {
  const body = { name: 'twin', password: 'p' };
  const answers = await Promise.all(['n1', 'n2', 'n3'].map((id) => ask(id, 'POST', '/api/v1/users', body)));
  assert.equal(answers.map(({ status }) => status).sort(), [201, 409, 409]);
  await ask('n1', 'DELETE', '/api/v1/users/twin');
});

test('a request that can not be right is refused with what was expected', async () => {
  const bad: readonly (readonly [Method, string, unknown, RegExp])[] = [
    ['POST', '/api/v1/users', { name: 'x' }, /password is missing: expected a password/],
    ['POST', '/api/v1/users', { name: 'a\u0007b', password: 'p' }, /The name of the user is "a\\u0007b": expected/],
    ['POST', '/api/v1/users', { name: 'x', password: 'a\u0000b' }, /The password is not usable/],
    ['PATCH', '/api/v1/users/ann', {}, /expected an object with password, superuser or both/],
    ['GET', '/api/v1/users?limit=0', undefined, /limit is "0": expected an integer from 1 to 1000/],
    [
      'POST',
      '/api/v1/acl/rules',
      { permission: 'allow', topics: ['a/#/b'] },
      /topics has "a\/#\/b": expected a topic filter/,
    ],
    ['POST', '/api/v1/acl/rules', { permission: 'maybe', topics: ['a'] }, /permission is "maybe": expected/],
    ['POST', '/api/v1/bans', { kind: 'address', value: 'here' }, /value is "here": expected an IP address or a block/],
    [
      'POST',
      '/api/v1/bans',
      { kind: 'user', value: 'x', until: '2001-01-01' },
      /until is "2001-01-01": expected a time to come/,
    ],
    ['POST', '/api/v1/acl/test', { action: 'publish', topic: 'a/+' }, /topic is "a\/\+": expected a topic name/],
  ];
  for (const [method, path, body, reason] of bad) {
    const answer = await ask('n2', method, path, body);
    assert.equal([answer.status, answer.body['code']], [400, 'INVALID'], path);
    assert.match(String(answer.body['reason']), reason);
  }
});

test('lists come in pages', async () => {
  const names = ['p1', 'p2', 'p3', 'p4', 'p5'];
  for (const value of names) await ask('n1', 'POST', '/api/v1/bans', { kind: 'clientId', value });
  const seen: unknown[] = [];
  let cursor: string | null = null;
  do {
    const { body } = await ask('n1', 'GET', `/api/v1/bans?limit=2${cursor === null ? '' : `&cursor=${cursor}`}`);
    const data = body['data'] as { value: string }[];
    assert.ok(data.length <= 2);
    seen.push(...data.map(({ value }) => value));
    const meta = body['meta'] as { limit: number; cursor: string | null };
    assert.is(meta.limit, 2);
    cursor = meta.cursor;
  } while (cursor !== null);
  assert.equal(seen, names);
  for (const value of names) assert.is((await ask('n1', 'DELETE', `/api/v1/bans/clientId/${value}`)).status, 200);
});

test('access rules have an order, and changes through several nodes at once all count', async () => {
  const add = (id: string, topic: string, more: object = {}) =>
    ask(id, 'POST', '/api/v1/acl/rules', { id: topic, permission: 'allow', topics: [topic], ...more });
  await add('n1', 'a');
  const answers = await Promise.all([
    add('n1', 'b'),
    add('n2', 'c'),
    add('n3', 'd'),
    add('n1', 'first', { position: 0 }),
  ]);
  assert.equal(
    answers.map(({ status }) => status),
    [201, 201, 201, 201],
  );
  await shows('n2', '/api/v1/acl/rules', (rules) => rules.length === 5);
  const rules = await list('n2', '/api/v1/acl/rules');
  assert.is(rules[0]?.['id'], 'first');
  assert.equal(rules.map(({ id }) => id).sort(), ['a', 'b', 'c', 'd', 'first']);
  assert.is((await ask('n3', 'DELETE', '/api/v1/acl/rules/first')).status, 200);
  assert.is((await ask('n3', 'DELETE', '/api/v1/acl/rules/first')).status, 404);
  const { body } = await ask('n1', 'GET', '/api/v1/acl/rules?limit=2');
  assert.is((body['data'] as unknown[]).length, 2);
  assert.ok((body['meta'] as { cursor: string | null }).cursor !== null);
});

test('all rules are replaced at once, and the answers of another node follow', async () => {
  const rules = [
    { permission: 'deny', topics: ['secret/#'], who: { address: '10.0.0.0/8' } },
    { id: 'own', permission: 'allow', topics: ['clients/%c/#'], qos: [0, 1] },
    { permission: 'deny', topics: ['#'] },
  ];
  const replaced = await ask('n1', 'PUT', '/api/v1/acl/rules', { rules });
  assert.is(replaced.status, 200);
  assert.is((replaced.body['data'] as unknown[]).length, 3);
  await shows('n3', '/api/v1/acl/rules', (found) => found.length === 3);
  const may = async (question: object) => {
    const { body } = await ask('n3', 'POST', '/api/v1/acl/test', { clientId: 'c1', action: 'publish', ...question });
    return [body['allowed'], body['rule']];
  };
  assert.equal(await may({ topic: 'clients/c1/x' }), [true, 'own']);
  assert.equal((await may({ topic: 'clients/c1/x', qos: 2 }))[0], false);
  assert.equal((await may({ topic: 'clients/c2/x' }))[0], false);
  assert.equal(await may({ topic: 'clients/c1/#', action: 'subscribe' }), [true, null]);
  assert.equal(await may({ topic: '$share/g/clients/c1/#', action: 'subscribe' }), [true, null]);
  assert.equal(await may({ topic: '#', action: 'subscribe' }), [false, null]);
  assert.equal(await may({ topic: 'clients/c2/x', userName: 'ann' }), [true, null], 'a superuser');
});

test('a ban ends by itself, on every node', async () => {
  const answer = await ask('n2', 'POST', '/api/v1/bans', {
    kind: 'address',
    value: '10.9.8.7/16',
    reason: 'noise',
    expiresInSec: 1,
  });
  assert.is(answer.status, 201);
  assert.equal([answer.body['value'], answer.body['reason']], ['10.9.0.0/16', 'noise']);
  await shows('n1', '/api/v1/bans', (bans) => bans.length === 1);
  await shows('n1', '/api/v1/bans', (bans) => bans.length === 0);
  await shows('n3', '/api/v1/bans', (bans) => bans.length === 0);
});

test('a node that starts again has users, rules and bans, and the metrics count them', async () => {
  await ask('n1', 'POST', '/api/v1/bans', { kind: 'user', value: 'mallory' });
  await shows('n3', '/api/v1/bans', (bans) => bans.length === 1);
  await nodes.stop('n3');
  await nodes.start('n3');
  await nodes.ready('n3');
  assert.equal(await list('n3', '/api/v1/users'), [{ name: 'ann', superuser: true }]);
  assert.is((await list('n3', '/api/v1/acl/rules')).length, 3);
  assert.is((await list('n3', '/api/v1/bans')).length, 1);
  const metrics = await nodes.node('n3').view.metrics();
  assert.match(metrics, /\nquorate_users 1\n/);
  assert.match(metrics, /\nquorate_acl_rules 3\n/);
  assert.match(metrics, /\nquorate_bans 1\n/);
});

test('without a majority a change is refused or its end unknown, and never half done', async () => {
  await Promise.all(['n2', 'n3'].map((id) => nodes.stop(id)));
  await waitFor(() => nodes.node('n1').view.leader() === null, { what: 'n1 to know of no leader' });
  const answer = await ask('n1', 'POST', '/api/v1/bans', { kind: 'user', value: 'x' });
  assert.equal([answer.status, answer.body['code']], [503, 'NO_LEADER']);
});

test.run();
