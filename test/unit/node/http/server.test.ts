import { connect } from 'node:net';
import { createHttpServer, createLogger, type LeaderView, type NodeView, type Readiness } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('http: server');

interface Controls {
  readiness: Readiness;
  leader: LeaderView | null;
  failing: boolean;
}

const LEADER: LeaderView = {
  id: 'n2',
  term: 4,
  http: '127.0.0.1:18084',
  mqtt: '127.0.0.1:1884',
  peer: '127.0.0.1:7002',
};

function setUp() {
  const controls: Controls = {
    readiness: { ready: true, code: 'READY', reason: 'Ready' },
    leader: LEADER,
    failing: false,
  };
  const view: NodeView = {
    nodeId: 'n1',
    readiness: () => controls.readiness,
    leader: () => controls.leader,
    cluster: () => {
      if (controls.failing) throw new Error('secret detail');
      const nodes = [
        {
          id: 'n1',
          role: 'follower',
          mqtt: '127.0.0.1:1883',
          http: '127.0.0.1:18083',
          peer: '127.0.0.1:7001',
          self: true,
        },
        { id: 'n3', role: 'unreachable', mqtt: null, http: null, peer: '127.0.0.1:7003', self: false },
      ] as const;
      return { clusterId: 'c', term: 4, leader: 'n2', commitIndex: 7, appliedIndex: 6, nodes };
    },
    metrics: () => Promise.resolve('quorate_serving 1\n'),
  };
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const logger = createLogger({ nodeId: 'n1', log: { level: 'info', pretty: 'auto' } }, destination);
  return { app: createHttpServer({ view, logger }), controls, lines };
}

async function get(app: ReturnType<typeof setUp>['app'], url: string) {
  const response = await app.inject(url);
  return { status: response.statusCode, body: response.json<Record<string, unknown>>(), headers: response.headers };
}

test('livez is 200 whatever the node does', async () => {
  const { app, controls } = setUp();
  controls.readiness = { ready: false, code: 'NO_QUORUM', reason: 'x' };
  const { status, body, headers } = await get(app, '/livez');
  assert.is(status, 200);
  assert.equal(body, { status: 'live' });
  assert.is(headers['cache-control'], 'no-store');
});

test('readyz follows the view', async () => {
  const { app, controls } = setUp();
  assert.is((await get(app, '/readyz')).status, 200);
  controls.readiness = { ready: false, code: 'NO_QUORUM', reason: 'No majority' };
  const refused = await get(app, '/readyz');
  assert.is(refused.status, 503);
  assert.equal(refused.body, { code: 'NO_QUORUM', reason: 'No majority' });
});

test('leader answers with the leader or 503', async () => {
  const { app, controls } = setUp();
  assert.equal((await get(app, '/api/v1/leader')).body, { ...LEADER });
  controls.leader = null;
  const none = await get(app, '/api/v1/leader');
  assert.is(none.status, 503);
  assert.is(none.body['code'], 'NO_LEADER');
  assert.type(none.body['reason'], 'string');
});

test('cluster answers with every field, null addresses included', async () => {
  const { app } = setUp();
  const { status, body } = await get(app, '/api/v1/cluster');
  assert.is(status, 200);
  assert.equal(body, {
    clusterId: 'c',
    term: 4,
    leader: 'n2',
    commitIndex: 7,
    appliedIndex: 6,
    nodes: [
      {
        id: 'n1',
        role: 'follower',
        mqtt: '127.0.0.1:1883',
        http: '127.0.0.1:18083',
        peer: '127.0.0.1:7001',
        self: true,
      },
      { id: 'n3', role: 'unreachable', mqtt: null, http: null, peer: '127.0.0.1:7003', self: false },
    ],
  });
});

test('metrics are Prometheus text', async () => {
  const { app } = setUp();
  const response = await app.inject('/metrics');
  assert.is(response.statusCode, 200);
  assert.is(response.headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.is(response.body, 'quorate_serving 1\n');
});

test('every kind of error is in the envelope', async () => {
  const { app, controls, lines } = setUp();
  const notFound = await get(app, '/api/v2/x?y=1');
  assert.is(notFound.status, 404);
  assert.equal(notFound.body, {
    code: 'NOT_FOUND',
    reason: 'There is no GET /api/v2/x; /api/v1/openapi.json lists what there is',
  });
  const post = await app.inject({ method: 'POST', url: '/livez', payload: { a: 1 } });
  assert.is(post.statusCode, 404);
  assert.is(post.json<Record<string, unknown>>()['code'], 'NOT_FOUND');
  const badUrl = await get(app, '/%zz');
  assert.is(badUrl.status, 400);
  assert.equal(Object.keys(badUrl.body), ['code', 'reason']);
  controls.failing = true;
  const failed = await get(app, '/api/v1/cluster');
  assert.is(failed.status, 500);
  assert.is(failed.body['code'], 'INTERNAL_ERROR');
  assert.not.match(JSON.stringify(failed.body), /secret/);
  assert.match(lines.join(''), /secret detail/);
});

test('what is not HTTP is answered in the envelope too', async () => {
  const { app } = setUp();
  await app.listen({ host: '127.0.0.1', port: 0 });
  const [address] = app.addresses();
  assert.ok(typeof address === 'object', 'it listens on TCP');
  const answer = await new Promise<string>((done, fail) => {
    let text = '';
    const socket = connect({ host: '127.0.0.1', port: address.port }, () => socket.write('\x10\x0cMQTT\r\n\r\n'));
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.once('end', () => {
      done(text);
    });
    socket.once('error', fail);
  });
  await app.close();
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(answer, /\r\n\r\n\{"code":"BAD_REQUEST","reason":"[^"]+"\}$/);
});

test('the OpenAPI document lists every route with its error envelope', async () => {
  const { app } = setUp();
  const { body } = await get(app, '/api/v1/openapi.json');
  assert.match(String(body['openapi']), /^3\.1/);
  const paths = body['paths'] as Record<string, { get: { responses: Record<string, unknown> } }>;
  assert.equal(Object.keys(paths).sort(), [
    '/api/v1/cluster',
    '/api/v1/leader',
    '/api/v1/members',
    '/api/v1/members/{id}',
    '/api/v1/openapi.json',
    '/api/v1/settings',
    '/livez',
    '/metrics',
    '/readyz',
  ]);
  assert.equal(Object.keys(paths['/api/v1/leader']?.get.responses ?? {}), ['200', '500', '503']);
});

test('probes leave no lines in the log', async () => {
  const { app, lines } = setUp();
  await app.inject('/livez');
  await app.inject('/nowhere');
  assert.equal(lines, []);
});

test.run();
