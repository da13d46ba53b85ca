import type { AdminRequest } from '@quorate/protocol';
import { Operations } from '../../../../packages/node/src/runtime/operations.ts';
import { assert, suite } from '../../../support/suite.ts';
import { configurationOf, MembersWorld, member } from './members-support.ts';

const test = suite('operations');

const THREE = ['n1', 'n2', 'n3'];

function make(world = new MembersWorld(configurationOf(THREE))) {
  const transfers: (string | null)[] = [];
  const operations = new Operations({
    broker: world.broker,
    peers: world.peers,
    duties: world.duties,
    status: () => world.fullStatus(),
    transfer: (to) => transfers.push(to),
    nowMs: () => world.nowMs,
  });
  const dialled = new Set<string>();
  const at = {
    world,
    operations,
    transfers,
    dialled: () => {
      world.peers.dial({ setPeer: (id) => dialled.add(id), removePeer: (id) => dialled.delete(id) });
      return dialled;
    },
    /** Begins an operation and takes it as far as it gets; the code of its answer is in `code` when there is one. */
    begin(request: object) {
      const answer: { code: string | null; ok: boolean; reason: string } = { code: null, ok: false, reason: '' };
      operations.begin({ id: 1, ...request } as AdminRequest, (result) => {
        assert.is(answer.code, null, 'answered twice');
        Object.assign(answer, result);
      });
      operations.tick();
      return answer;
    },
    /** Begins to remove a node, and no record of it is left. */
    beginRemoval(nodeId: string) {
      const answer = at.begin(remove(nodeId));
      at.world.apply();
      at.operations.tick();
      return answer;
    },
    /** Lets time pass, with everything that is under way standing still. */
    pass(ms: number) {
      for (const endMs = world.nowMs + ms; world.nowMs < endMs; ) {
        world.nowMs += 10;
        operations.tick();
      }
    },
    lead(is: boolean, leader: string | null = null) {
      const role = is ? ('leader' as const) : ('follower' as const);
      world.status = { ...world.status, role, term: world.status.term + 1, leader: is ? 'n1' : leader };
      if (!is) world.duties.stepDown();
    },
    /** What the core did to the members by itself. */
    members(voters: readonly string[], learners: readonly string[] = []) {
      world.status = { ...world.status, configuration: configurationOf(voters, learners) };
    },
  };
  return at;
}

const join = (part: object = {}) => ({ kind: 'join', nodeId: 'n4', peer: 'h:4', voter: true, replaces: null, ...part });
const remove = (nodeId: string) => ({ kind: 'remove', nodeId });
const transfer = (to: string | null) => ({ kind: 'transfer', to });

test('join: dials, hears, writes down; answered when the node is a learner', () => {
  const at = make();
  const answer = at.begin(join({ replaces: 'n3' }));
  assert.ok(at.dialled().has('n4'));
  at.pass(100);
  assert.equal([answer.code, at.world.proposed], [null, []], 'it has not been heard');
  at.world.hello('n4');
  at.pass(10);
  assert.equal(at.world.proposed, [{ nodeId: 'n4', member: member('n4', { replaces: 'n3' }) }]);
  at.world.apply();
  at.pass(10);
  assert.is(answer.code, null, 'it is not in yet');
  assert.ok(at.dialled().has('n4'), 'by its record now');
  at.world.status = { ...at.world.status, configurationCommitted: false };
  at.members(THREE, ['n4']);
  at.pass(10);
  assert.is(answer.code, null, 'not committed');
  at.world.status = { ...at.world.status, configurationCommitted: true };
  at.pass(10);
  assert.equal([answer.ok, answer.code], [true, 'ACCEPTED']);
  assert.match(answer.reason, /n4 is a learner and becomes a voter/);
});

test('join: refused at once', () => {
  const cases: [object, string, RegExp][] = [
    [join({ peer: 'nowhere' }), 'INVALID', /HOST:PORT/],
    [join({ nodeId: 'n2' }), 'ALREADY_A_MEMBER', /remove it first/],
    [join({ replaces: 'n9' }), 'NOT_A_MEMBER', /n9, which n4 is to replace/],
  ];
  for (const [request, code, reason] of cases) {
    const at = make();
    const answer = at.begin(request);
    assert.equal([answer.ok, answer.code], [false, code]);
    assert.match(answer.reason, reason);
    assert.equal([[...at.dialled()].includes('n4'), at.world.proposed], [false, []]);
  }
  const learner = make(new MembersWorld(configurationOf(THREE, ['n4'])));
  assert.is(learner.begin(join()).code, 'ALREADY_A_MEMBER');
  assert.is(learner.begin(join({ nodeId: 'n5', replaces: 'n4' })).code, 'NOT_A_MEMBER', 'a learner has no vote');
  const leaving = make();
  leaving.world.status = {
    ...leaving.world.status,
    configuration: { voters: ['n1'], learners: [], outgoing: ['n1', 'n2'] },
  };
  assert.is(leaving.begin(join({ nodeId: 'n2' })).code, 'ALREADY_A_MEMBER', 'still in the outgoing half');
});

test('join: a node that is not heard in 5 s is not dialled any more', () => {
  const at = make();
  const answer = at.begin(join());
  at.pass(4_990);
  assert.is(answer.code, null);
  at.pass(10);
  assert.is(answer.code, 'PEER_UNREACHABLE');
  assert.match(answer.reason, /n4 answers peers at h:4/);
  assert.not.ok(at.dialled().has('n4'));
  assert.equal(at.world.proposed, []);
});

test('join: what is written down and not done yet is accepted; what is not written down is not known', () => {
  const at = make();
  at.world.hello('n4');
  const answer = at.begin(join());
  at.pass(5_000);
  assert.is(answer.code, 'TIMEOUT');
  const later = make();
  later.world.hello('n4');
  const accepted = later.begin(join({ voter: false }));
  later.world.apply();
  later.pass(5_010);
  assert.equal([accepted.ok, accepted.code], [true, 'ACCEPTED']);
  assert.match(accepted.reason, /will be let in when/);
});

test('join: with leadership lost the caller is told so, wherever it stood', () => {
  const waiting = make();
  const unheard = waiting.begin(join());
  waiting.lead(false);
  waiting.pass(5_000);
  assert.is(unheard.code, 'LEADERSHIP_LOST');
  assert.not.ok(waiting.dialled().has('n4'));
  const proposed = make();
  proposed.world.hello('n4');
  const unknown = proposed.begin(join());
  proposed.lead(false);
  proposed.pass(5_000);
  assert.is(unknown.code, 'LEADERSHIP_LOST');
  const written = make();
  written.world.hello('n4');
  const half = written.begin(join());
  written.world.apply();
  written.lead(false);
  written.pass(5_010);
  assert.is(half.code, 'LEADERSHIP_LOST');
});

test('join: what does not come of it is not answered for, though a record of another join is there', () => {
  const at = make();
  at.world.hello('n4');
  at.world.put(member('n4'));
  const stale = at.begin(join({ voter: false }));
  at.world.apply('stale');
  at.pass(10);
  assert.is(stale.code, 'LEADERSHIP_LOST');
  const refused = at.begin(join());
  at.world.apply('refused');
  at.pass(10);
  assert.is(refused.code, 'INVALID');
  assert.match(refused.reason, /^n4 is not taken in: a cluster has at most 64 members/);
  // Heard when another node leads already: nothing is proposed in its name.
  const late = make();
  const unheard = late.begin(join());
  late.lead(false);
  late.world.hello('n4');
  late.pass(10);
  assert.equal([unheard.code, late.world.proposed], ['LEADERSHIP_LOST', []]);
});

test('a node that is taken out and asked back in is let in', () => {
  const at = make();
  at.world.hello('n4');
  at.world.duties.leaving.add('n4');
  at.begin(join());
  assert.not.ok(at.world.duties.leaving.has('n4'));
});

test('remove: the record first, then the membership; nobody lets it in again meanwhile', () => {
  const world = new MembersWorld(configurationOf(THREE, ['n4']));
  world.put(member('n4'));
  world.caughtUp.add('n4');
  const at = make(world);
  const answer = at.begin(remove('n4'));
  assert.equal(world.proposed, [{ nodeId: 'n4', member: null }]);
  at.pass(100);
  assert.equal(world.asked, [], 'not before the record is gone');
  assert.ok(world.duties.leaving.has('n4'));
  world.apply();
  at.pass(10);
  const [change] = world.asked;
  assert.equal([change?.voters, change?.learners], [THREE, []]);
  assert.is(answer.code, null);
  world.commit();
  at.pass(10);
  assert.equal([answer.ok, answer.code], [true, 'COMMITTED']);
  assert.not.ok(world.duties.leaving.has('n4'));
});

test('remove: of a voter, and of one that was only waited for', () => {
  const at = make();
  const answer = at.beginRemoval('n3');
  assert.equal(at.world.asked[0]?.voters, ['n1', 'n2']);
  at.world.commit();
  at.pass(10);
  assert.is(answer.code, 'COMMITTED');
  const waited = make();
  waited.world.put(member('n9'));
  const forgotten = waited.begin(remove('n9'));
  waited.world.apply();
  waited.pass(10);
  assert.equal([forgotten.ok, forgotten.code, waited.world.asked], [true, 'ACCEPTED', []]);
});

test('remove: refused', () => {
  assert.is(make().begin(remove('n9')).code, 'NOT_A_MEMBER');
  const alone = make(new MembersWorld(configurationOf(['n1'], ['n2'])));
  assert.is(alone.beginRemoval('n1').code, 'LAST_VOTER');
  assert.equal(alone.world.asked, []);
  for (const [code, expected] of [
    ['QUORUM_UNREACHABLE', 'QUORUM_UNREACHABLE'],
    ['CHANGE_IN_PROGRESS', 'CHANGE_IN_PROGRESS'],
    ['NOT_LEADER', 'LEADERSHIP_LOST'],
    ['LEADERSHIP_LOST', 'LEADERSHIP_LOST'],
  ] as const) {
    const at = make();
    const answer = at.beginRemoval('n3');
    const id = at.world.asked[0]?.id ?? 0;
    at.world.answer({ id, ok: false, code, reason: 'so' });
    at.pass(10);
    assert.equal([answer.ok, answer.code, answer.reason], [false, expected, 'so']);
    assert.not.ok(at.world.duties.leaving.has('n3'));
  }
});

test('remove: another change under way is waited for, 3 s', () => {
  const at = make();
  at.world.status = { ...at.world.status, joint: true };
  const answer = at.beginRemoval('n3');
  at.pass(2_990);
  assert.is(answer.code, null);
  at.world.status = { ...at.world.status, joint: false };
  at.pass(10);
  assert.is(at.world.asked.length, 1);
  const never = make();
  never.world.status = { ...never.world.status, joint: true };
  const refused = never.beginRemoval('n3');
  never.pass(3_000);
  assert.is(refused.code, 'CHANGE_IN_PROGRESS');
  assert.not.ok(never.world.duties.leaving.has('n3'));
});

test('remove: what does not end in time is not known; with leadership lost it is said', () => {
  const record = make();
  const unproposed = record.begin(remove('n3'));
  record.pass(5_000);
  assert.is(unproposed.code, 'TIMEOUT');
  const change = make();
  const uncommitted = change.beginRemoval('n3');
  change.pass(5_000);
  assert.is(uncommitted.code, 'TIMEOUT');
  assert.match(uncommitted.reason, /may still be removed/);
  const early = make();
  const unheard = early.begin(remove('n3'));
  early.lead(false);
  early.pass(5_000);
  assert.is(unheard.code, 'LEADERSHIP_LOST');
  const late = make();
  late.world.status = { ...late.world.status, joint: true };
  const waiting = late.beginRemoval('n3');
  late.lead(false);
  late.pass(5_000);
  assert.is(waiting.code, 'LEADERSHIP_LOST');
  // It led again by the time: what it said in its earlier term is void, and a record may be there still.
  const again = make();
  const stale = again.begin(remove('n3'));
  again.world.apply('stale');
  again.pass(10);
  assert.is(stale.code, 'LEADERSHIP_LOST');
  assert.equal(again.world.asked, []);
});

test('remove: of a member whose record is on its way, since it is back without its disk: it does not come back', () => {
  const { world, ...at } = make();
  world.hello('n3', 'another');
  world.up('n3', false);
  assert.is(world.step(), 'put n3 voter for nobody');
  const answer = at.begin(remove('n3'));
  world.apply();
  at.pass(10);
  assert.equal(world.asked[0]?.voters, ['n1', 'n2']);
  world.commit();
  at.pass(10);
  assert.is(answer.code, 'COMMITTED');
  assert.is(world.step(), 'nothing');
});

test('transfer: answered when another node is known to lead a later term', () => {
  const at = make();
  const answer = at.begin(transfer('n2'));
  assert.equal(at.transfers, ['n2']);
  at.lead(false, null);
  at.pass(100);
  assert.is(answer.code, null, 'nobody leads yet');
  at.lead(false, 'n2');
  at.pass(10);
  assert.equal([answer.ok, answer.reason], [true, 'n2 leads']);
  const same = make();
  const stepped = same.begin(transfer(null));
  assert.equal(same.transfers, [null]);
  same.world.status = { ...same.world.status, role: 'follower', leader: 'n2' };
  same.pass(100);
  assert.is(stepped.code, null, 'of the same term');
});

test('transfer: refused, and given up after 5 s', () => {
  const learner = make(new MembersWorld(configurationOf(THREE, ['n4'])));
  assert.is(learner.begin(transfer('n4')).code, 'NOT_A_MEMBER');
  assert.is(learner.begin(transfer('n9')).code, 'NOT_A_MEMBER');
  const self = learner.begin(transfer('n1'));
  assert.equal([self.ok, self.code], [true, 'ACCEPTED']);
  assert.is(make(new MembersWorld(configurationOf(['n1']))).begin(transfer(null)).code, 'LAST_VOTER');
  assert.equal(learner.transfers, []);
  const at = make();
  const answer = at.begin(transfer('n3'));
  at.pass(5_000);
  assert.is(answer.code, 'TIMEOUT');
  assert.match(answer.reason, /n3 did not take over/);
});

test('asked of a node that has just lost the leadership: nothing is begun', () => {
  for (const request of [join(), remove('n3'), transfer('n2')]) {
    const at = make();
    at.lead(false);
    at.world.hello('n4');
    assert.is(at.begin(request).code, 'LEADERSHIP_LOST');
    assert.equal([at.world.asked, at.world.proposed, at.transfers], [[], [], []]);
  }
});

test('operations go on side by side, each with a place of its own, 16 at most', () => {
  const at = make();
  const first = at.begin(join({ nodeId: 'n4' }));
  const answers = Array.from({ length: 15 }, (_, which) => at.begin(join({ nodeId: `n${String(which + 5)}` })));
  assert.is(at.begin(join({ nodeId: 'n99' })).code, 'CHANGE_IN_PROGRESS');
  at.world.hello('n4');
  at.pass(10);
  at.world.apply();
  at.members(THREE, ['n4']);
  at.pass(10);
  assert.is(first.code, 'ACCEPTED');
  assert.ok(answers.every(({ code }) => code === null));
  assert.is(at.begin(transfer('n1')).code, 'ACCEPTED', 'there is room again');
  at.pass(5_000);
  assert.ok(answers.every(({ code }) => code === 'PEER_UNREACHABLE'));
  assert.equal([...at.dialled()].sort(), ['n4']);
});

test.run();
