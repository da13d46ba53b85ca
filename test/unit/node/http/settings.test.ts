import { defaultLimits, LIMIT_NAMES, LIMIT_RANGES } from '@quorate/broker';
import { type AdminResult, type ClusterSettings, createHttpServer, createLogger, type NodeView } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('http: settings');

const JSON_TYPE = { 'content-type': 'application/json' };
const view: NodeView = {
  nodeId: 'n1',
  readiness: () => ({ ready: true, code: 'READY', reason: 'Ready' }),
  leader: () => null,
  cluster: () => ({ clusterId: 'c', term: 1, leader: null, commitIndex: 0, appliedIndex: 0, nodes: [] }),
  metrics: () => Promise.resolve(''),
};

const DEFAULTS: ClusterSettings = {
  sharedSubscriptionStrategy: 'round_robin',
  fullQueuePolicy: 'drop_newest',
  ...defaultLimits(),
};

function setUp(withSettings = true) {
  let current: ClusterSettings = DEFAULTS;
  const controls: { result: AdminResult } = { result: { ok: true, code: 'OK', reason: 'done' } };
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ nodeId: 'n1', log: { level: 'info', pretty: 'auto' } }, destination);
  const settings = {
    current: () => current,
    change: (changes: Partial<ClusterSettings>) => {
      if (controls.result.ok) current = { ...current, ...changes };
      return Promise.resolve(controls.result);
    },
  };
  const app = createHttpServer({ view, logger, ...(withSettings && { settings }) });
  const put = async (payload: string, headers: Record<string, string> = JSON_TYPE) => {
    const response = await app.inject({ method: 'PUT', url: '/api/v1/settings', payload, headers });
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
  };
  const get = async () => {
    const response = await app.inject({ method: 'GET', url: '/api/v1/settings' });
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
  };
  return { controls, lines, put, get };
}

test('each strategy can be set, is answered and seen, and leaves a line in the log', async () => {
  const { put, get, lines } = setUp();
  assert.equal(await get(), { status: 200, body: DEFAULTS });
  for (const sharedSubscriptionStrategy of ['sticky', 'hash_client_id', 'hash_topic', 'round_robin']) {
    const expected = { status: 200, body: { ...DEFAULTS, sharedSubscriptionStrategy } };
    assert.equal(await put(JSON.stringify({ sharedSubscriptionStrategy })), expected);
    assert.equal(await get(), expected);
  }
  assert.match(lines[0] ?? '', /"settings":\{"sharedSubscriptionStrategy":"sticky"\},"change":"settings"/);
});

test('each limit can be set to the ends of its range, and the policy of full queues', async () => {
  const { put, get } = setUp();
  let expected: Record<string, unknown> = { ...DEFAULTS };
  for (const name of LIMIT_NAMES) {
    for (const value of [LIMIT_RANGES[name].min, LIMIT_RANGES[name].max]) {
      expected = { ...expected, [name]: value };
      assert.equal(await put(JSON.stringify({ [name]: value })), { status: 200, body: expected });
    }
  }
  for (const fullQueuePolicy of ['drop_oldest', 'drop_newest']) {
    const { body } = await put(JSON.stringify({ fullQueuePolicy, sessions: 5 }));
    assert.equal(body, { ...expected, fullQueuePolicy, sessions: 5 }, 'several at once');
  }
  assert.is((await get()).body['sessions'], 5);
});

test('a limit outside its range, or no whole number, says what it may be', async () => {
  const { put } = setUp();
  for (const name of LIMIT_NAMES) {
    const { min, max } = LIMIT_RANGES[name];
    for (const value of [min - 1, max + 1, min + 0.5, 'many', null]) {
      const { status, body } = await put(JSON.stringify({ [name]: value }));
      assert.equal([status, body['code']], [400, 'INVALID'], `${name} ${String(value)}`);
      assert.match(String(body['reason']), new RegExp(`${name}.*from ${String(min)} to ${String(max)}`), name);
    }
  }
});

test('another value, another key, nothing at all, another content type', async () => {
  const { put } = setUp();
  for (const body of [
    '{"sharedSubscriptionStrategy":"random"}',
    '{"fullQueuePolicy":"drop_some"}',
    '{"other":1}',
    '{}',
    '[]',
  ]) {
    const { status, body: error } = await put(body);
    assert.equal([status, error['code']], [400, 'INVALID'], body);
  }
  const { status } = await put('{"sharedSubscriptionStrategy":"sticky"}', { 'content-type': 'text/plain' });
  assert.is(status, 415);
});

test('a refusal keeps its code, and a node without settings says so', async () => {
  const { put, get, controls } = setUp();
  controls.result = { ok: false, code: 'NOT_READY', reason: 'no majority' };
  const refused = await put('{"sharedSubscriptionStrategy":"sticky"}');
  assert.equal(refused, { status: 503, body: { code: 'NOT_READY', reason: 'no majority' } });
  assert.equal((await get()).body, DEFAULTS);
  const without = setUp(false);
  assert.equal((await without.get()).body['code'], 'NOT_AVAILABLE');
  assert.equal((await without.put('{"sharedSubscriptionStrategy":"sticky"}')).body['code'], 'NOT_AVAILABLE');
});

test.run();
