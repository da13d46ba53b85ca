import type { Status } from '@quorate/consensus';
import { type AdminRequest, decodeAdminRequest, encodeAdminResponse } from '@quorate/protocol';
import type { AdminResult } from '../../../../packages/node/src/http/index.ts';
import { Admin } from '../../../../packages/node/src/runtime/admin.ts';
import { Channel } from '../../../../packages/node/src/runtime/channels.ts';
import type { Operations } from '../../../../packages/node/src/runtime/operations.ts';
import { assert, suite } from '../../../support/suite.ts';
import { settle } from '../raft/support.ts';

const test = suite('admin');

const JOIN = { id: 'n4', peer: 'h:4', voter: false, replaces: 'n3' };
const DONE: AdminResult = { ok: true, code: 'ACCEPTED', reason: 'so be it' };

interface World {
  readonly begun: { readonly request: AdminRequest; readonly done: (result: AdminResult) => void }[];
  readonly sent: { readonly to: string; readonly channel: number; readonly payload: Uint8Array }[];
  leader: string | null;
  reachable: boolean;
  nowMs: number;
  ticks: number;
}

function make(leader: string | null = 'n2'): { admin: Admin; world: World } {
  const world: World = { begun: [], sent: [], leader, reachable: true, nowMs: 0, ticks: 0 };
  const operations = {
    begin: (request: AdminRequest, done: (result: AdminResult) => void) => world.begun.push({ request, done }),
    tick: () => world.ticks++,
  };
  const admin = new Admin({
    nodeId: 'n1',
    operations: operations as unknown as Operations,
    status: () => ({ leader: world.leader }) as Status,
    send: (to, channel, payload) => {
      if (world.reachable) world.sent.push({ to, channel, payload });
      return world.reachable;
    },
    nowMs: () => world.nowMs,
  });
  return { admin, world };
}

test('the leader carries it out itself', async () => {
  const { admin, world } = make('n1');
  const answers = [admin.join(JOIN), admin.remove('n3'), admin.transfer(null)];
  assert.equal(
    world.begun.map(({ request }) => ({ ...request, id: 0 })),
    [
      { id: 0, kind: 'join', nodeId: 'n4', peer: 'h:4', voter: false, replaces: 'n3' },
      { id: 0, kind: 'remove', nodeId: 'n3' },
      { id: 0, kind: 'transfer', to: null },
    ],
  );
  for (const { done } of world.begun) done(DONE);
  for (const answer of answers) assert.equal(await answer, DONE);
  assert.equal(world.sent, []);
});

test('any other node asks the leader, and gives its answer back to who asked', async () => {
  const { admin, world } = make('n2');
  const [first, second] = [admin.join(JOIN), admin.transfer('n3')];
  const requests = world.sent.map(({ to, channel, payload }) => {
    assert.equal([to, channel], ['n2', Channel.adminRequest]);
    return decodeAdminRequest(payload);
  });
  assert.equal(
    requests.map(({ id: _id, ...request }) => request),
    [
      { kind: 'join', nodeId: 'n4', peer: 'h:4', voter: false, replaces: 'n3' },
      { kind: 'transfer', to: 'n3' },
    ],
  );
  assert.equal(world.begun, []);
  const refused: AdminResult = { ok: false, code: 'TIMEOUT', reason: 'no' };
  admin.onResponse(encodeAdminResponse({ ...refused, id: requests[1]?.id ?? 0 }));
  assert.equal(await second, refused, 'in any order');
  admin.onResponse(encodeAdminResponse({ ...DONE, id: requests[0]?.id ?? 0 }));
  assert.equal(await first, DONE);
  // Again, or of nobody: nothing.
  admin.onResponse(encodeAdminResponse({ ...DONE, id: requests[0]?.id ?? 0 }));
  admin.onResponse(encodeAdminResponse({ ...DONE, id: 99 }));
});

test('a leader that is asked by another node answers that node, under its number', () => {
  const { admin, world } = make('n2');
  void admin.remove('n3');
  const { payload } = world.sent.splice(0)[0] ?? { payload: new Uint8Array() };
  const leader = make('n1');
  leader.admin.onRequest('n7', payload);
  assert.equal(leader.world.begun[0]?.request, decodeAdminRequest(payload));
  leader.world.begun[0]?.done(DONE);
  const [answer] = leader.world.sent;
  assert.equal([answer?.to, answer?.channel], ['n7', Channel.adminResponse]);
  assert.equal(answer?.payload, encodeAdminResponse({ ...DONE, id: decodeAdminRequest(payload).id }));
});

test('without a leader, or without a connection to it, it is said at once', async () => {
  const { admin, world } = make(null);
  assert.is((await admin.remove('n3')).code, 'NO_LEADER');
  world.leader = 'n2';
  world.reachable = false;
  assert.is((await admin.remove('n3')).code, 'NO_LEADER');
  world.nowMs = 60_000;
  admin.tick(world.nowMs);
});

test('a leader that does not answer is given up after 20 s, and its late answer is for nobody', async () => {
  const { admin, world } = make('n2');
  const answers: AdminResult[] = [];
  void admin.remove('n3').then((result) => answers.push(result));
  world.nowMs = 10_000;
  void admin.remove('n4').then((result) => answers.push(result));
  admin.tick(19_999);
  await settle();
  assert.equal(answers, []);
  admin.tick(20_000);
  await settle();
  assert.equal(
    answers.map(({ ok, code }) => [ok, code]),
    [[false, 'TIMEOUT']],
  );
  const id = decodeAdminRequest(world.sent[0]?.payload ?? new Uint8Array()).id;
  admin.onResponse(encodeAdminResponse({ ...DONE, id }));
  admin.tick(30_000);
  await settle();
  assert.is(answers.length, 2);
  assert.is(world.ticks, 3, 'operations go on with every tick');
});

test('64 wait for the leader at most', async () => {
  const { admin, world } = make('n2');
  const waiting = Array.from({ length: 64 }, () => admin.remove('n3'));
  assert.is((await admin.remove('n3')).code, 'NOT_READY');
  assert.is(world.sent.length, 64);
  const id = decodeAdminRequest(world.sent[0]?.payload ?? new Uint8Array()).id;
  admin.onResponse(encodeAdminResponse({ ...DONE, id }));
  assert.equal(await waiting[0], DONE);
  void admin.remove('n3');
  assert.is(world.sent.length, 65, 'there is room again');
});

test('what can not be read is the sender’s fault', () => {
  const { admin } = make('n1');
  assert.throws(() => admin.onRequest('n2', Uint8Array.of(255, 255)));
  assert.throws(() => admin.onResponse(Uint8Array.of(255, 255)));
});

test.run();
