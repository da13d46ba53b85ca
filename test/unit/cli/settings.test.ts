import { assert, suite } from '../../support/suite.ts';
import { FakeNode } from './support/fake-node.ts';
import { run } from './support/process.ts';

const test = suite('cli: settings');

let node: FakeNode;

test.before.each(async () => {
  node = new FakeNode();
  await node.listen();
});
test.after.each(() => node.close());

test('shows what the cluster goes by', async () => {
  node.answer = { status: 200, body: '{"sharedSubscriptionStrategy":"sticky"}' };
  const { code, stdout, stderr } = await run(['settings', '--url', node.url]);
  assert.equal([code, stdout, stderr], [0, 'sharedSubscriptionStrategy=sticky\n', '']);
  assert.equal(node.requests, [{ method: 'GET', path: '/api/v1/settings', type: undefined, body: '' }]);
});

test('changes what is named and shows the outcome', async () => {
  node.answer = { status: 200, body: '{"sharedSubscriptionStrategy":"hash_topic"}' };
  const { code, stdout } = await run(['settings', 'sharedSubscriptionStrategy=hash_topic', '--url', node.url]);
  assert.equal([code, stdout], [0, 'sharedSubscriptionStrategy=hash_topic\n']);
  const body = '{"sharedSubscriptionStrategy":"hash_topic"}';
  assert.equal(node.requests, [{ method: 'PUT', path: '/api/v1/settings', type: 'application/json', body }]);
});

test('numbers are sent as numbers, several settings at once', async () => {
  node.answer = { status: 200, body: '{"fullQueuePolicy":"drop_oldest","sessions":500}' };
  const { code, stdout } = await run(['settings', 'sessions=500', 'fullQueuePolicy=drop_oldest', '--url', node.url]);
  assert.equal([code, stdout], [0, 'fullQueuePolicy=drop_oldest\nsessions=500\n']);
  assert.is(node.requests[0]?.body, '{"sessions":500,"fullQueuePolicy":"drop_oldest"}');
});

test('a value that the node does not take', async () => {
  const reason = 'body/sessions must be >= 1';
  node.answer = { status: 400, body: JSON.stringify({ code: 'INVALID', reason }) };
  const { code, stderr } = await run(['settings', 'sessions=0', '--url', node.url]);
  assert.is(code, 1);
  assert.match(stderr, /cannot change the settings: body\/sessions must be >= 1 \(INVALID\)/);
  assert.is(node.requests[0]?.body, '{"sessions":0}');
});

test('what is refused, and what is no setting at all', async () => {
  node.answer = { status: 503, body: '{"code":"NOT_READY","reason":"no majority"}' };
  const refused = await run(['settings', 'sharedSubscriptionStrategy=sticky', '--url', node.url]);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, /cannot change the settings: no majority \(NOT_READY\): ask again in a few seconds/);
  const shown = await run(['settings', '--url', node.url]);
  assert.is(shown.code, 1);
  assert.match(shown.stderr, /answered 503: no majority/);
  for (const given of ['sticky', '=sticky', 'sharedSubscriptionStrategy=']) {
    const { code, stderr } = await run(['settings', given, '--url', node.url]);
    assert.is(code, 2);
    assert.match(stderr, /expected KEY=VALUE/);
  }
});

test.run();
