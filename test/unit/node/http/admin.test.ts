import {
  type AdminResult,
  createHttpServer,
  createLogger,
  type JoinRequest,
  type LeaderView,
  type NodeAdmin,
  type NodeView,
} from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('http: changes of the cluster');

const JSON_TYPE = { 'content-type': 'application/json' };

function leaderAt(id: string, term: number): LeaderView {
  return { id, term, http: null, mqtt: null, peer: null };
}

interface Controls {
  result: AdminResult;
  leader: LeaderView | null;
  /** Called in `transfer` before it resolves. */
  onTransfer: () => void;
  readonly calls: unknown[];
}

function setUp(withAdmin = true) {
  const controls: Controls = {
    result: { ok: true, code: 'OK', reason: 'It is done' },
    leader: leaderAt('n1', 4),
    onTransfer: () => {},
    calls: [],
  };
  const answer = (call: unknown): Promise<AdminResult> => {
    controls.calls.push(call);
    return Promise.resolve(controls.result);
  };
  const admin: NodeAdmin = {
    join: (request: JoinRequest) => answer(['join', request]),
    remove: (id) => answer(['remove', id]),
    transfer: (to) => {
      controls.onTransfer();
      return answer(['transfer', to]);
    },
  };
  const view: NodeView = {
    nodeId: 'n1',
    readiness: () => ({ ready: true, code: 'READY', reason: 'Ready' }),
    leader: () => controls.leader,
    cluster: () => {
      const shared = { mqtt: null, http: null, peer: null };
      const nodes = [
        { id: 'n1', role: 'leader', voter: true, state: 'member', self: true, ...shared },
        { id: 'n4', role: 'unreachable', voter: false, state: 'joining', self: false, ...shared },
      ] as const;
      return { clusterId: 'c', term: 4, leader: 'n1', commitIndex: 7, appliedIndex: 6, nodes };
    },
    metrics: () => Promise.resolve(''),
  };
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ nodeId: 'n1', log: { level: 'info', pretty: 'auto' } }, destination);
  const app = createHttpServer({ view, logger, newLeaderMs: 200, ...(withAdmin ? { admin } : {}) });
  const send = async (method: 'POST' | 'DELETE', url: string, payload?: object) => {
    const body = payload === undefined ? {} : { payload: JSON.stringify(payload), headers: JSON_TYPE };
    const response = await app.inject({ method, url, ...body });
    return { status: response.statusCode, body: response.json<Record<string, unknown>>() };
  };
  return { app, controls, lines, send };
}

test('a join passes what was asked for, a voter that replaces nobody by default', async () => {
  const { controls, send, lines } = setUp();
  const joined = await send('POST', '/api/v1/members', { id: 'n4', peer: 'Node4.example:7001' });
  assert.equal(joined, { status: 202, body: { id: 'n4', code: 'ACCEPTED', reason: 'It is done' } });
  await send('POST', '/api/v1/members', { id: 'n5', peer: '[::1]:7001', voter: false });
  await send('POST', '/api/v1/members', { id: 'n6', peer: '10.0.0.6:7001', voter: true, replaces: 'n3' });
  assert.equal(controls.calls, [
    ['join', { id: 'n4', peer: 'node4.example:7001', voter: true, replaces: null }],
    ['join', { id: 'n5', peer: '[::1]:7001', voter: false, replaces: null }],
    ['join', { id: 'n6', peer: '10.0.0.6:7001', voter: true, replaces: 'n3' }],
  ]);
  assert.match(lines[0] ?? '', /"member":\{"id":"n4".*"change":"join","from":"127\.0\.0\.1","code":"OK"/);
});

test('a removal names the node', async () => {
  const { controls, send } = setUp();
  controls.result = { ok: true, code: 'REMOVED', reason: 'n3 has left' };
  assert.equal(await send('DELETE', '/api/v1/members/n3'), {
    status: 200,
    body: { id: 'n3', code: 'REMOVED', reason: 'n3 has left' },
  });
  assert.equal(controls.calls, [['remove', 'n3']]);
});

test('a hand-over is answered with the new leader, as soon as this node knows of it', async () => {
  const { controls, send } = setUp();
  controls.onTransfer = () => {
    controls.leader = null;
    setTimeout(() => {
      controls.leader = leaderAt('n2', 5);
    }, 30);
  };
  assert.equal(await send('POST', '/api/v1/leader', {}), { status: 200, body: { id: 'n2', term: 5 } });
  controls.onTransfer = () => {
    setTimeout(() => {
      controls.leader = leaderAt('n3', 6);
    }, 30);
  };
  assert.equal(await send('POST', '/api/v1/leader', { to: 'n3' }), { status: 200, body: { id: 'n3', term: 6 } });
  controls.onTransfer = () => {};
  assert.equal(await send('POST', '/api/v1/leader', { to: 'n3' }), { status: 200, body: { id: 'n3', term: 6 } });
  assert.equal(controls.calls, [
    ['transfer', null],
    ['transfer', 'n3'],
    ['transfer', 'n3'],
  ]);
});

test('a hand-over whose new leader nobody hears of is no success', async () => {
  const { send } = setUp();
  const { status, body } = await send('POST', '/api/v1/leader', { to: 'n2' });
  assert.is(status, 504);
  assert.is(body['code'], 'TIMEOUT');
});

test('every refusal has its status', async () => {
  const { controls, send } = setUp();
  const statuses: Readonly<Record<string, number>> = {
    NO_LEADER: 503,
    NOT_A_MEMBER: 404,
    ALREADY_A_MEMBER: 409,
    CHANGE_IN_PROGRESS: 409,
    NOT_READY: 503,
    QUORUM_UNREACHABLE: 409,
    PEER_UNREACHABLE: 502,
    LAST_VOTER: 409,
    INVALID: 400,
    TIMEOUT: 504,
    LEADERSHIP_LOST: 503,
    NOT_AVAILABLE: 503,
    SOMETHING_NEW: 500,
    toString: 500,
  };
  for (const [code, status] of Object.entries(statuses)) {
    controls.result = { ok: false, code, reason: 'Because' };
    const expected = { status, body: { code, reason: 'Because' } };
    assert.equal(await send('POST', '/api/v1/members', { id: 'n4', peer: 'a:1' }), expected, code);
    assert.equal(await send('DELETE', '/api/v1/members/n4'), expected, code);
    assert.equal(await send('POST', '/api/v1/leader', {}), expected, code);
  }
});

test('a body that is not right is refused with field, value and what is expected', async () => {
  const { controls, send } = setUp();
  const id = 'a name of 1 to 63 letters, digits, ".", "_" or "-"';
  const peer = 'HOST:PORT, for example 10.0.0.4:7001';
  const cases: readonly (readonly [string, object, string])[] = [
    ['members', { peer: 'a:1' }, `id is missing: expected the node that joins: ${id}`],
    ['members', { id: 'n4' }, 'peer is missing: expected HOST:PORT where that node listens for peers'],
    ['members', { id: 'n 4', peer: 'a:1' }, `id is "n 4": expected the node that joins: ${id}`],
    ['members', { id: 4, peer: 'a:1' }, `id is 4: expected the node that joins: ${id}`],
    ['members', { id: 'n4', peer: 'a' }, `peer is "a": expected ${peer}`],
    [
      'members',
      { id: 'n4', peer: '0.0.0.0:1' },
      'peer is "0.0.0.0:1": expected an address that other nodes can connect to',
    ],
    [
      'members',
      { id: 'n4', peer: 'a:1', voter: 'false' },
      'voter is "false": expected true for a voter, false for a node that stays a learner',
    ],
    [
      'members',
      { id: 'n4', peer: 'a:1', replace: 'n3' },
      'unknown field "replace": expected id, peer, voter, replaces',
    ],
    [
      'members',
      { id: 'n4', peer: 'a:1', replaces: 'n4' },
      'replaces is "n4", the node that joins: expected another member',
    ],
    [
      'members',
      { id: 'n4', peer: 'a:1', voter: false, replaces: 'n3' },
      'voter is false and replaces is "n3": expected voter true: only a new voter takes the place of a member',
    ],
    ['members', [], 'body is []: expected an object with id and peer'],
    ['leader', { to: '' }, `to is "": expected the next leader: ${id}`],
    ['leader', { node: 'n2' }, 'unknown field "node": expected to'],
  ];
  for (const [path, payload, reason] of cases) {
    const { status, body } = await send('POST', `/api/v1/${path}`, payload);
    assert.equal({ status, body }, { status: 400, body: { code: 'INVALID', reason } });
  }
  const removal = await send('DELETE', '/api/v1/members/n%203');
  assert.equal(removal.body, { code: 'INVALID', reason: `id is "n 3": expected a member: ${id}` });
  assert.equal(controls.calls, []);
});

test('what a page of another site can send without asking is not taken', async () => {
  const { app, controls } = setUp();
  const payload = '{"id":"n4","peer":"10.0.0.4:7001"}';
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x'];
  const tricks = ['text/plain; x=application/json', 'application/jsonp', ''];
  for (const url of ['/api/v1/members', '/api/v1/leader']) {
    for (const type of [...types, ...tricks]) {
      const response = await app.inject({ method: 'POST', url, payload, headers: { 'content-type': type } });
      assert.is(response.statusCode, 415, type);
      assert.is(response.json<Record<string, unknown>>()['code'], 'UNSUPPORTED_MEDIA_TYPE');
    }
    const bare = await app.inject({ method: 'POST', url });
    assert.is(bare.statusCode, 415);
    const preflight = await app.inject({
      method: 'OPTIONS',
      url,
      headers: { origin: 'http://elsewhere.example', 'access-control-request-method': 'POST' },
    });
    assert.is(preflight.statusCode, 404);
    assert.is(preflight.headers['access-control-allow-origin'], undefined);
  }
  const empty = await app.inject({ method: 'POST', url: '/api/v1/leader', headers: JSON_TYPE });
  assert.is(empty.statusCode, 400);
  assert.equal(controls.calls, []);
  const headers = { 'content-type': 'Application/JSON; charset=utf-8' };
  const taken = await app.inject({ method: 'POST', url: '/api/v1/members', payload, headers });
  assert.is(taken.statusCode, 202);
});

test('a node without administration says so', async () => {
  const { send } = setUp(false);
  for (const answer of [
    await send('POST', '/api/v1/members', { id: 'n4', peer: 'a:1' }),
    await send('DELETE', '/api/v1/members/n4'),
    await send('POST', '/api/v1/leader', {}),
  ]) {
    assert.is(answer.status, 503);
    assert.is(answer.body['code'], 'NOT_AVAILABLE');
  }
});

test('a fault inside is for the log only', async () => {
  const { controls, send, lines } = setUp();
  controls.onTransfer = () => {
    throw new Error('secret detail');
  };
  const { status, body } = await send('POST', '/api/v1/leader', {});
  assert.is(status, 500);
  assert.is(body['code'], 'INTERNAL_ERROR');
  assert.not.match(JSON.stringify(body), /secret/);
  assert.match(lines.join(''), /secret detail/);
});

test('the cluster shows who has a vote and who is joining', async () => {
  const { app } = setUp();
  const { nodes } = (await app.inject('/api/v1/cluster')).json<{ nodes: Record<string, unknown>[] }>();
  assert.equal(
    nodes.map(({ id, voter, state }) => [id, voter, state]),
    [
      ['n1', true, 'member'],
      ['n4', false, 'joining'],
    ],
  );
});

test('the OpenAPI document has every status of the changes', async () => {
  const { app } = setUp();
  type Operation = { responses: Record<string, unknown>; requestBody?: { content: Record<string, unknown> } };
  const { paths } = (await app.inject('/api/v1/openapi.json')).json<{
    paths: Record<string, Record<string, Operation>>;
  }>();
  const join = paths['/api/v1/members']?.['post'];
  const remove = paths['/api/v1/members/{id}']?.['delete'];
  const transfer = paths['/api/v1/leader']?.['post'];
  const refusals = ['400', '404', '409', '500', '502', '503', '504'];
  assert.equal(Object.keys(join?.responses ?? {}).sort(), ['202', ...refusals, '413', '415'].sort());
  assert.equal(Object.keys(remove?.responses ?? {}).sort(), ['200', ...refusals].sort());
  assert.equal(Object.keys(transfer?.responses ?? {}).sort(), ['200', ...refusals, '413', '415'].sort());
  assert.equal(Object.keys(join?.requestBody?.content ?? {}), ['application/json']);
});

test.run();
