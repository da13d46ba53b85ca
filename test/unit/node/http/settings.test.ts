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

function setUp(withSettings = true) {
  let current: ClusterSettings = { sharedSubscriptionStrategy: 'round_robin' };
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
  assert.equal(await get(), { status: 200, body: { sharedSubscriptionStrategy: 'round_robin' } });
  for (const sharedSubscriptionStrategy of ['sticky', 'hash_client_id', 'hash_topic', 'round_robin']) {
    const expected = { status: 200, body: { sharedSubscriptionStrategy } };
    assert.equal(await put(JSON.stringify({ sharedSubscriptionStrategy })), expected);
    assert.equal(await get(), expected);
  }
  assert.match(lines[0] ?? '', /"settings":\{"sharedSubscriptionStrategy":"sticky"\},"change":"settings"/);
});

test('another value, another key, nothing at all, another content type', async () => {
  const { put } = setUp();
  for (const body of ['{"sharedSubscriptionStrategy":"random"}', '{"other":1}', '{}', '[]']) {
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
  assert.equal((await get()).body, { sharedSubscriptionStrategy: 'round_robin' });
  const without = setUp(false);
  assert.equal((await without.get()).body['code'], 'NOT_AVAILABLE');
  assert.equal((await without.put('{"sharedSubscriptionStrategy":"sticky"}')).body['code'], 'NOT_AVAILABLE');
});

test.run();
