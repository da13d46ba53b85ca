import type { Configuration } from '@quorate/consensus';
import { Scheduler } from '../../../support/scheduler.ts';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import { configurationOf, MembersWorld, member, wantedBy } from './members-support.ts';

const test = suite('member duties');

const THREE = ['n1', 'n2', 'n3'];

/** n1 leads three voters, all connected and up. */
function three(): MembersWorld {
  const world = new MembersWorld(configurationOf(THREE));
  for (const id of THREE) {
    world.up(id);
    if (id !== 'n1') world.hello(id);
  }
  return world;
}

/** n3 is back with another data directory, and the cluster has given the old one up. */
function wiped(): MembersWorld {
  const world = three();
  world.up('n3', false);
  world.hello('n3', 'new');
  return world;
}

test('where everybody is who they are nothing is done', () => {
  assert.is(three().step(), 'nothing');
});

test('a wiped voter: remembered, out, in as a learner, and a voter again', () => {
  const world = wiped();
  assert.is(world.step(), 'put n3 voter for nobody');
  world.apply();
  assert.is(world.step(), 'voters n1,n2 learners');
  world.commit();
  assert.is(world.step(), 'voters n1,n2 learners n3 n3=new');
  world.commit();
  assert.is(world.step(), 'nothing', 'it has not caught up');
  world.caughtUp.add('n3');
  assert.is(world.step(), 'voters n1,n2,n3 learners');
  world.commit();
  assert.equal(world.configuration.memberTags, { n1: 'd-n1', n2: 'd-n2', n3: 'new' });
  assert.is(world.step(), 'nothing');
});

test('nothing is done as long as the process of before may serve', () => {
  const world = wiped();
  world.up('n3');
  assert.is(world.step(), 'nothing');
  world.up('n3', false);
  assert.is(world.step(), 'put n3 voter for nobody');
  // It registers between the steps.
  world.apply();
  world.up('n3');
  assert.is(world.step(), 'nothing');
  const learner = new MembersWorld(configurationOf(['n1', 'n2'], ['n3']));
  learner.hello('n3', 'new');
  learner.up('n3');
  assert.is(learner.step(), 'nothing');
  learner.up('n3', false);
  assert.is(learner.step(), 'voters n1,n2 learners n3 n3=new');
});

test('a wiped learner begins anew under its new tag, and becomes what it was to become', () => {
  for (const [record, last] of [
    [member('n3'), 'voters n1,n2,n3 learners'],
    [member('n3', { voter: false }), 'nothing'],
    [null, 'nothing'],
  ] as const) {
    const world = new MembersWorld(configurationOf(['n1', 'n2'], ['n3']));
    if (record !== null) world.put(record);
    world.hello('n3', 'new');
    assert.is(world.step(), 'voters n1,n2 learners n3 n3=new');
    world.commit();
    world.caughtUp.add('n3');
    assert.is(world.step(), last);
  }
});

test('a node that is to be a member is let in when it is there and says which data directory it has', () => {
  const world = three();
  world.put(member('n4'));
  assert.is(world.step(), 'nothing', 'it is not connected');
  world.hello('n4', '');
  assert.is(world.step(), 'nothing', 'any directory of that name could come in');
  world.hello('n4');
  assert.is(world.step(), 'voters n1,n2,n3 learners n4 n4=d-n4');
});

test('a change tells where everybody is, for those who will go by it before they have applied what says so', () => {
  const world = three();
  world.put(member('n4'));
  world.hello('n4');
  assert.is(world.step(), 'voters n1,n2,n3 learners n4 n4=d-n4');
  const known = { ...Object.fromEntries(THREE.map((id) => [id, world.peers.addressOf(id)])), n4: 'h:4' };
  assert.equal(world.asked.at(-1)?.memberAddresses, known);
  assert.is(world.peers.addressOf('n1'), world.state.nodes.get('n1')?.peer, 'the leader too');
});

test('a learner that has caught up gets a vote only if it is to have one', () => {
  const world = new MembersWorld(configurationOf(THREE, ['n4']));
  world.caughtUp.add('n4');
  assert.is(world.step(), 'nothing');
  world.put(member('n4', { voter: false }));
  assert.is(world.step(), 'nothing');
  world.put(member('n4'));
  assert.is(world.step(), 'voters n1,n2,n3,n4 learners');
});

test('who is replaced leaves in the same change, and is forgotten before it', () => {
  const world = new MembersWorld(configurationOf(THREE, ['n4']));
  world.caughtUp.add('n4');
  world.put(member('n4', { replaces: 'n3' }));
  world.put(member('n3'));
  assert.is(world.step(), 'forget n3');
  world.apply();
  assert.is(world.step(), 'voters n1,n2,n4 learners');
  world.commit();
  world.hello('n3');
  assert.is(world.step(), 'nothing', 'it is not let in again');
});

test('who is replaced and came back without its disk meanwhile leaves too', () => {
  for (const learners of [['n3', 'n4'], ['n4']]) {
    const world = new MembersWorld(configurationOf(['n1', 'n2'], learners));
    for (const id of learners) world.hello(id);
    world.caughtUp.add('n4');
    world.put(member('n4', { replaces: 'n3' }));
    world.put(member('n3'));
    assert.is(world.step(), 'forget n3');
    world.apply();
    assert.is(world.step(), 'voters n1,n2,n4 learners');
    world.commit();
    world.caughtUp.add('n3');
    world.hello('n3');
    assert.is(world.step(), 'nothing');
  }
});

test('who is gone already is not replaced, but the vote is given', () => {
  const world = new MembersWorld(configurationOf(['n1', 'n2'], ['n4']));
  world.caughtUp.add('n4');
  world.put(member('n4', { replaces: 'n3' }));
  assert.is(world.step(), 'voters n1,n2,n4 learners');
});

test('a leader that is to be replaced hands over; the next one does it', () => {
  const world = new MembersWorld(configurationOf(THREE, ['n4']));
  world.caughtUp.add('n4');
  world.put(member('n4', { replaces: 'n1' }));
  assert.is(world.step(), 'hand over');
  assert.equal(world.asked, []);
});

test('a leader that is to be replaced and is the only voter has nobody to hand over to: it does it itself', () => {
  const world = new MembersWorld(configurationOf(['n1'], ['n4']));
  world.caughtUp.add('n4');
  world.put(member('n4', { replaces: 'n1' }));
  world.put(member('n1'));
  assert.is(world.step(), 'forget n1');
  world.apply();
  assert.is(world.step(), 'voters n4 learners');
});

test('a voter that is wiped later replaces nobody any more', () => {
  const world = new MembersWorld(configurationOf([...THREE, 'n4']));
  world.put(member('n4', { replaces: 'n3' }));
  world.hello('n4', 'new');
  assert.is(world.step(), 'put n4 voter for nobody');
});

test('nothing begins before the leader is ready for it', () => {
  const notReady: [why: string, change: (world: MembersWorld) => void][] = [
    ['does not lead', (world) => Object.assign(world, { status: { ...world.status, role: 'follower' } })],
    ['has not committed', (world) => Object.assign(world, { status: { ...world.status, termCommitted: false } })],
    ['has not applied', (world) => Object.assign(world.state, { appliedTerm: 0 })],
    ['is not registered', (world) => Object.assign(world, { registered: false })],
    ['is joint', (world) => Object.assign(world, { status: { ...world.status, joint: true } })],
    [
      'has an uncommitted configuration',
      (world) => Object.assign(world, { status: { ...world.status, configurationCommitted: false } }),
    ],
  ];
  for (const [why, change] of notReady) {
    const world = wiped();
    change(world);
    assert.is(world.step(), 'nothing', why);
    assert.not.ok(world.duties.ready, why);
  }
});

test('one change at a time; a refused one is tried again, not at once', () => {
  const world = wiped();
  world.put(member('n3'));
  assert.is(world.step(), 'voters n1,n2 learners');
  const [change] = world.asked;
  world.asked.length = 0;
  world.tick();
  world.tick();
  assert.equal(world.asked, [], 'the one before is not answered');
  world.answer({ id: 77, ok: true });
  assert.not.ok(world.duties.idle, 'another answer');
  world.answer({ id: change?.id ?? 0, ok: false, code: 'QUORUM_UNREACHABLE', reason: 'alone' });
  assert.match(world.log.at(-1) ?? '', /stay as they are: alone/);
  assert.is(world.step(), 'voters n1,n2 learners');
  const again = three();
  again.put(member('n4'));
  again.hello('n4');
  again.duties.tick(5_000);
  const [first] = again.asked.splice(0);
  again.answer({ id: first?.id ?? 0, ok: false, code: 'NOT_READY' });
  again.duties.tick(5_200);
  assert.equal(again.asked, []);
  again.duties.tick(5_250);
  assert.is(again.asked.length, 1);
});

test('whom an operator takes out is not let in again meanwhile, nor given a vote', () => {
  for (const world of [wiped(), three(), new MembersWorld(configurationOf(['n1', 'n2'], ['n3']))]) {
    world.put(member('n3'));
    world.caughtUp.add('n3');
    world.duties.leaving.add('n3');
    if (world.configuration.voters.includes('n3')) world.hello('n3', 'new');
    world.up('n3', false);
    assert.is(world.step(), 'nothing');
  }
  const gone = new MembersWorld(configurationOf(['n1', 'n2']));
  gone.put(member('n3'));
  gone.hello('n3');
  gone.duties.leaving.add('n3');
  assert.is(gone.step(), 'nothing');
  gone.duties.stepDown();
  assert.is(gone.step(), 'voters n1,n2 learners n3 n3=d-n3');
});

test('the last voter is never taken out', () => {
  const world = new MembersWorld(configurationOf(['n2'], ['n1']));
  world.hello('n2', 'new');
  assert.is(world.step(), 'nothing');
});

/**
 * Leaders come and go between any two steps: a proposal may be lost or applied, a change may be lost, half done (which
 * the core ends by itself) or done. In the end the members are as they are to be, and no voter ever had a tag that its
 * data directory has not.
 */
test('any leader goes on where the last one stopped', () => {
  const first = seedFor('leaders');
  for (let seed = 0; seed < 300; seed++) {
    const random = new Scheduler(first + seed);
    const world = three();
    // n3 is wiped, n4 is to come for n2, n5 was to come and is wiped as a learner.
    world.up('n3', false);
    world.hello('n3', 'new');
    world.put(member('n2'));
    world.put(member('n4', { replaces: 'n2' }));
    world.hello('n4');
    world.put(member('n5', { voter: false }));
    world.status = { ...world.status, configuration: configurationOf(THREE, ['n5']) };
    world.hello('n5', 'new');
    for (const id of ['n3', 'n4', 'n5']) world.caughtUp.add(id);
    const directories: Record<string, string> = { n3: 'new', n5: 'new' };
    for (let step = 0; step < 400 && !isDone(world.configuration); step++) {
      world.tick();
      for (const id of world.configuration.voters) {
        const tag = world.configuration.memberTags?.[id];
        const old = id === 'n3' && tag === 'd-n3';
        assert.ok(old || tag === (directories[id] ?? `d-${id}`), `seed ${String(seed)}: ${id} votes as ${String(tag)}`);
      }
      assert.ok(world.configuration.voters.length >= 2);
      const [change] = world.asked;
      const lost = random.chance(0.3);
      if (world.proposed.length > 0 && random.chance(0.7)) world.apply();
      if (change !== undefined && random.chance(0.7)) {
        // In force for the next leader, too; or it came to nothing, or the answer did.
        if (lost) world.status = { ...world.status, configuration: wantedBy(change, world.configuration) };
        else world.commit();
      }
      if (lost) world.newLeader();
    }
    assert.equal([...world.configuration.voters].sort(), ['n1', 'n3', 'n4'], `seed ${String(seed)}`);
    assert.equal(world.configuration.memberTags, { n1: 'd-n1', n3: 'new', n4: 'd-n4', n5: 'new' });
  }
});

function isDone({ voters, learners, memberTags }: Configuration): boolean {
  const wanted = ['n1', 'n3', 'n4'].every((id) => voters.includes(id)) && voters.length === 3;
  return wanted && learners.join() === 'n5' && memberTags?.['n3'] === 'new' && memberTags['n5'] === 'new';
}

test.run();
