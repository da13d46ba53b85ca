import { Readmitted, StateDiverged } from '@quorate/node/runtime';
import { MemoryDisk } from '@quorate/storage';
import type { FakeClient } from '../../../support/log-bus-client.ts';
import { assert, suite } from '../../../support/suite.ts';
import { connectPacket } from '../../broker/support.ts';
import { settle } from '../raft/support.ts';
import { TestCluster } from './cluster-support.ts';

/* Three nodes of the product: founding, a member that lost its data, one that is too far behind for the log. */

const test = suite('replica: three nodes');

const IDS = ['n1', 'n2', 'n3'];
/** No log is kept for anybody who is away. */
const SHORT_LOG = { checkpoint: { intervalMs: 100, keepLogBytes: 0, compactEntries: 1 } };
const CLUSTER_LINE = 'an MQTT client is served';

async function founded(values: object = {}): Promise<TestCluster> {
  const cluster = new TestCluster(IDS, values);
  await cluster.startAll();
  await cluster.until(() => cluster.serving(...IDS), 10_000, 'everybody serves');
  return cluster;
}

function isVoter(cluster: TestCluster, id: string): boolean {
  const status = cluster.leader?.replica.driver.status();
  if (status === undefined || status.joint === true || status.configurationCommitted !== true) return false;
  const { voters, memberTags } = status.configuration;
  return voters.includes(id) && memberTags?.[id] === cluster.node(id).identity.directoryId;
}

async function connect(cluster: TestCluster, node: string, clientId: string, expirySec = 0): Promise<FakeClient> {
  const client = cluster.client(node);
  client.send(connectPacket(clientId, { expirySec }));
  await cluster.until(() => client.received.length > 0, 5_000, CLUSTER_LINE);
  assert.is(client.next('connack').reasonCode, 0);
  return client;
}

let packetIds = 0;

async function publish(cluster: TestCluster, client: FakeClient, topic: string, payload: string): Promise<void> {
  const messageId = (packetIds++ % 60_000) + 1;
  client.send({ cmd: 'publish', topic, payload, qos: 1, messageId, dup: false, retain: true });
  await cluster.until(() => client.find('puback') !== null, 5_000, `${topic} is taken`);
}

/** Payloads of retained messages, as a new client of `node` gets them. */
async function retained(cluster: TestCluster, node: string, filter: string): Promise<string[]> {
  const client = await connect(cluster, node, `reader of ${filter}`);
  const subscriptions = [{ topic: filter, qos: 1 as const, nl: false, rap: false, rh: 0 }];
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions });
  await cluster.until(() => client.find('suback') !== null, 5_000, CLUSTER_LINE);
  await cluster.run(500);
  const payloads = client.takeAll('publish').map(({ payload }) => payload.toString());
  client.close();
  return payloads.sort();
}

/** Messages and time until nobody's log goes back to where `away` stands. */
async function beyondTheLog(cluster: TestCluster, client: FakeClient, away: string): Promise<void> {
  const { scheduler } = cluster;
  const from = scheduler.nowMs;
  for (let at = 0; at < 10; at++) {
    await publish(cluster, client, `late/${String(at)}`, String(at));
    await cluster.run(200);
  }
  assert.ok(scheduler.nowMs > from, away);
  await cluster.run(1_000);
}

async function asked(
  cluster: TestCluster,
  answer: Promise<{ readonly ok: boolean; readonly code: string }>,
): Promise<[boolean, string]> {
  const given: { ok: boolean; code: string }[] = [];
  void answer.then((result) => given.push(result));
  await cluster.until(() => given.length > 0, 25_000, 'an answer');
  const [result] = given;
  return [result?.ok === true, result?.code ?? ''];
}

test('three new nodes found one cluster, by the tags of their data directories', async () => {
  const cluster = await founded();
  const tags = Object.fromEntries(IDS.map((id) => [id, cluster.node(id).identity.directoryId]));
  for (const id of IDS) {
    assert.equal(cluster.configurationOf(id), { voters: IDS, learners: [], outgoing: [], memberTags: tags });
    assert.is(cluster.node(id).identity.clusterId, cluster.node('n1').identity.clusterId);
    assert.ok(cluster.node(id).identity.founding);
  }
  await cluster.stopAll();
});

test('no cluster is founded before every member has been there', async () => {
  const cluster = new TestCluster(IDS);
  await cluster.start('n1');
  await cluster.start('n2');
  await cluster.run(3_000);
  for (const id of ['n1', 'n2']) {
    assert.equal(cluster.configurationOf(id).voters, []);
    assert.equal(cluster.replica(id).membership.foundingWaitsFor, ['n3']);
  }
  await cluster.start('n3');
  await cluster.until(() => cluster.serving(...IDS), 10_000, 'everybody serves');
  await cluster.stopAll();
});

test('a wiped node comes back as a voter by itself, with the data of the others', async () => {
  const cluster = await founded();
  const client = await connect(cluster, 'n1', 'c');
  await publish(cluster, client, 'kept', 'before');
  cluster.crash('n3');
  cluster.wipe('n3');
  await cluster.start('n3');
  const { directoryId } = cluster.node('n3').identity;
  await cluster.until(() => cluster.serving('n3'), 20_000, 'n3 serves again');
  await cluster.until(() => isVoter(cluster, 'n3'), 20_000, 'n3 votes again');
  for (const id of IDS) {
    const { voters, learners, memberTags } = cluster.configurationOf(id);
    assert.equal([[...voters].sort(), learners, memberTags?.['n3']], [IDS, [], directoryId], id);
  }
  assert.equal(await retained(cluster, 'n3', 'kept'), ['before']);
  await cluster.stopAll();
});

test('a wiped node whose clock is behind does not take the starts of before for its own', async () => {
  const cluster = await founded();
  // The log gets two starts of n3, the second one greater by one.
  cluster.crash('n3');
  await cluster.start('n3');
  await cluster.until(() => cluster.serving('n3'), 10_000, 'n3 serves again');
  cluster.crash('n3');
  cluster.wipe('n3', 500);
  await cluster.start('n3');
  await cluster.until(
    () => isVoter(cluster, 'n3') && cluster.serving('n3'),
    20_000,
    'n3 serves under a start of its own',
  );
  assert.ok(cluster.node('n3').identity.incarnation > 1002);
});

test('a node whose stored state knows of greater starts than its own registers under one that is greater still', async () => {
  const cluster = await founded(SHORT_LOG);
  const client = await connect(cluster, 'n1', 'c');
  await beyondTheLog(cluster, client, 'n3');
  cluster.crash('n3');
  // As after a wipe, with the clock behind, and a crash as soon as the snapshot of the others is installed.
  cluster.node('n3').identity.incarnation = 500;
  await cluster.start('n3');
  await cluster.until(() => cluster.serving('n3'), 10_000, 'n3 serves again');
  assert.ok(cluster.node('n3').identity.incarnation > 1001);
  await cluster.stopAll();
});

test('until it is let in again a wiped node neither votes nor acknowledges', async () => {
  const cluster = await founded();
  const leader = cluster.leader?.id ?? '';
  const [wiped, other] = IDS.filter((id) => id !== leader) as [string, string];
  cluster.crash(wiped);
  cluster.wipe(wiped);
  // Alone with it the leader has no quorum: the empty directory must not be one.
  cluster.crash(other);
  await cluster.start(wiped);
  const { commitIndex } = cluster.replica(leader).driver.status();
  await cluster.run(10_000);
  assert.not.ok(cluster.serving(leader) || cluster.serving(wiped));
  assert.is(cluster.replica(leader).driver.status().commitIndex, commitIndex);
  await cluster.start(other);
  await cluster.until(() => cluster.serving(...IDS) && isVoter(cluster, wiped), 30_000, 'all three are back');
  await cluster.stopAll();
});

test('two wiped members found no second cluster, whoever they are', async () => {
  const cluster = await founded();
  const { clusterId } = cluster.node('n3').identity;
  for (const id of IDS) cluster.crash(id);
  for (const id of ['n1', 'n2']) {
    cluster.wipe(id);
    await cluster.start(id);
  }
  await cluster.run(5_000);
  for (const id of ['n1', 'n2']) assert.equal(cluster.configurationOf(id).voters, [], id);
  // Nor with the third one: it has a configuration in which they are others.
  await cluster.start('n3');
  await cluster.run(10_000);
  assert.is(cluster.leader, null);
  for (const id of ['n1', 'n2']) assert.equal(cluster.configurationOf(id).voters, [], id);
  assert.is(cluster.node('n3').identity.clusterId, clusterId);
  await cluster.stopAll();
});

test('a member that is too far behind gets a snapshot, and delivers what was retained meanwhile', async () => {
  const cluster = await founded(SHORT_LOG);
  const client = await connect(cluster, 'n1', 'c');
  await publish(cluster, client, 'early', 'one');
  const away = cluster.leader?.id === 'n3' ? 'n2' : 'n3';
  cluster.crash(away);
  await beyondTheLog(cluster, client, away);
  await cluster.start(away);
  await cluster.until(() => cluster.serving(away), 20_000, `${away} serves again`);
  assert.is(cluster.node(away).installed, 1);
  assert.equal(await retained(cluster, away, 'early'), ['one']);
  assert.equal(await retained(cluster, away, 'late/#'), ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
  // And it goes on with the log from there: also after a restart.
  await publish(cluster, client, 'last', 'two');
  await cluster.run(2_500);
  cluster.crash(away);
  await cluster.start(away);
  await cluster.until(() => cluster.serving(away), 20_000, `${away} serves after a restart`);
  assert.is(cluster.node(away).installed, 1, 'no further snapshot');
  assert.equal(await retained(cluster, away, 'last'), ['two']);
  await cluster.stopAll();
});

test('a node that was cut off closes its connections when a snapshot takes the place of its state', async () => {
  const cluster = await founded({ ...SHORT_LOG, serving: { gracePeriodMs: 600_000 } });
  const away = cluster.leader?.id === 'n3' ? 'n2' : 'n3';
  const stale = await connect(cluster, away, 'stale', 1000);
  const { incarnation } = cluster.node(away).identity;
  cluster.isolate(away);
  await cluster.run(2_000);
  // Gathered by the node that is cut off, and void with its incarnation.
  stale.send({ cmd: 'publish', topic: 'void', payload: 'x', qos: 1, messageId: 7, dup: false, retain: true });
  const client = await connect(cluster, cluster.leader?.id ?? '', 'c');
  await beyondTheLog(cluster, client, away);
  assert.not.ok(stale.isClosed);
  cluster.heal();
  await cluster.until(() => cluster.serving(away), 20_000, `${away} serves again`);
  assert.is(cluster.node(away).installed, 1);
  assert.ok(stale.isClosed);
  assert.not.ok(stale.find('puback'));
  assert.ok(cluster.node(away).identity.incarnation > incarnation);
  assert.equal(await retained(cluster, away, 'void'), []);
  assert.equal(await retained(cluster, away, 'late/9'), ['9']);
  await cluster.stopAll();
});

/** A node that is about to install a snapshot when its disk stands still; `install` is called when `busy` says so. */
async function installing(busy: 'before' | 'after'): Promise<{ cluster: TestCluster; away: string }> {
  const cluster = await founded(SHORT_LOG);
  const client = await connect(cluster, 'n1', 'c');
  const away = cluster.leader?.id === 'n3' ? 'n2' : 'n3';
  cluster.crash(away);
  await beyondTheLog(cluster, client, away);
  const node = await cluster.start(away);
  const { driver } = node.replica;
  const { install } = driver;
  let offered = false;
  driver.install = (installation) => {
    driver.install = install;
    offered = true;
    if (busy === 'before') {
      node.disk.stall();
      // A write that does not end: the driver can not begin with the installation.
      driver.receive(cluster.leader?.id ?? '', { kind: 'heartbeat', term: 50, commitIndex: 0, round: 0 });
      driver.pump();
      assert.is(node.disk.writesInFlight, 1);
    }
    install.call(driver, installation);
    if (busy === 'after') {
      driver.pump();
      node.disk.stall();
    }
  };
  await cluster.until(() => offered, 20_000, 'the snapshot is there');
  return { cluster, away };
}

for (const busy of ['before', 'after'] as const) {
  test(`a node stops ${busy} it has begun to install a snapshot, and serves after a restart`, async () => {
    const { cluster, away } = await installing(busy);
    const node = cluster.node(away);
    const { replica } = node;
    let stopped = false;
    const stopping = replica.stop().then(() => {
      stopped = true;
    });
    await cluster.run(100);
    assert.not.ok(stopped, 'the disk has something to do still');
    node.disk.release();
    await cluster.until(() => stopped, 5_000, 'it has stopped');
    await stopping;
    assert.equal(node.fatal, []);
    cluster.crash(away);
    await cluster.start(away);
    await cluster.until(() => cluster.serving(away), 20_000, 'it serves after a restart');
    assert.equal(await retained(cluster, away, 'late/9'), ['9']);
    await cluster.stopAll();
  });
}

test('a node that loses its process behind the commit of a snapshot is not sent it again and again', async () => {
  const { cluster, away } = await installing('after');
  cluster.node(away).disk.release();
  await settle();
  await settle();
  cluster.crash(away);
  await cluster.start(away);
  assert.ok(cluster.replica(away).broker.machine.state.appliedIndex > 0, 'it stands at the snapshot');
  await cluster.until(() => cluster.serving(away), 20_000, 'it serves, although nothing new is written');
  await cluster.stopAll();
});

test('join, hand-over and removal, asked of a node that does not lead', async () => {
  const cluster = await founded();
  cluster.add('n4');
  await cluster.start('n4');
  await cluster.run(1_000);
  assert.equal(cluster.configurationOf('n4').voters, [], 'it waits');
  const follower = IDS.find((id) => id !== cluster.leader?.id) ?? '';
  const join = { id: 'n4', peer: '127.0.0.1:7004', voter: true, replaces: null };
  assert.equal(await asked(cluster, cluster.replica(follower).membership.admin.join(join)), [true, 'ACCEPTED']);
  await cluster.until(() => cluster.serving('n4') && isVoter(cluster, 'n4'), 20_000, 'n4 is a voter');
  const { admin } = cluster.replica(follower).membership;
  assert.equal(await asked(cluster, admin.join(join)), [false, 'ALREADY_A_MEMBER']);
  assert.equal(await asked(cluster, admin.transfer('n4')), [true, 'ACCEPTED']);
  assert.is(cluster.leader?.id, 'n4');
  assert.equal(await asked(cluster, admin.remove('n4')), [true, 'COMMITTED']);
  await cluster.until(() => cluster.leader !== null && cluster.leader.id !== 'n4', 10_000, 'another node leads');
  assert.equal([...cluster.configurationOf(follower).voters].sort(), IDS);
  await cluster.run(3_000);
  assert.equal([...cluster.configurationOf(follower).voters].sort(), IDS, 'it is not let in again');
  await cluster.until(() => cluster.node('n4').replica.membership.notMember, 5_000, 'n4 is told');
  await cluster.stopAll();
});

test('a node that was replaced stays out, also if it had been joined or let in again before', async () => {
  const cluster = await founded();
  // Of a wiped node the replicated state holds that it wants its vote.
  cluster.crash('n3');
  cluster.wipe('n3');
  await cluster.start('n3');
  await cluster.until(() => isVoter(cluster, 'n3') && cluster.serving('n3'), 20_000, 'n3 votes again');
  cluster.add('n4');
  await cluster.start('n4');
  const { admin } = cluster.replica('n1').membership;
  const join = admin.join({ id: 'n4', peer: '127.0.0.1:7004', voter: true, replaces: 'n3' });
  assert.equal(await asked(cluster, join), [true, 'ACCEPTED']);
  await cluster.until(() => isVoter(cluster, 'n4'), 20_000, 'n4 has its vote');
  await cluster.run(5_000);
  assert.equal([...cluster.configurationOf('n1').voters].sort(), ['n1', 'n2', 'n4']);
  assert.equal(cluster.configurationOf('n1').learners, []);
  await cluster.stopAll();
});

test('a node that is a cluster by itself is replaced by another', async () => {
  const cluster = new TestCluster(['n1']);
  await cluster.startAll();
  await cluster.until(() => cluster.serving('n1'), 10_000, 'n1 serves');
  const client = await connect(cluster, 'n1', 'c');
  await publish(cluster, client, 'kept', 'before');
  cluster.add('n2');
  await cluster.start('n2');
  const { admin } = cluster.replica('n1').membership;
  const join = admin.join({ id: 'n2', peer: '127.0.0.1:7002', voter: true, replaces: 'n1' });
  assert.equal(await asked(cluster, join), [true, 'ACCEPTED']);
  await cluster.until(() => isVoter(cluster, 'n2'), 20_000, 'n2 has the vote');
  await cluster.until(() => cluster.leader?.replica === cluster.replica('n2'), 20_000, 'n2 leads');
  cluster.crash('n1');
  assert.equal(cluster.configurationOf('n2').voters, ['n2']);
  assert.equal(cluster.configurationOf('n2').learners, []);
  await cluster.until(() => cluster.serving('n2'), 20_000, 'n2 serves alone');
  assert.equal(await retained(cluster, 'n2', 'kept'), ['before']);
  await cluster.stopAll();
});

test('what a node replaced long ago is not replaced again when it loses its data', async () => {
  const cluster = await founded();
  cluster.add('n4');
  await cluster.start('n4');
  const ask = async (to: string, peer: string, replaces: string | null) =>
    await asked(cluster, cluster.replica('n1').membership.admin.join({ id: to, peer, voter: true, replaces }));
  assert.equal(await ask('n4', '127.0.0.1:7004', 'n3'), [true, 'ACCEPTED']);
  await cluster.until(() => isVoter(cluster, 'n4'), 20_000, 'n4 is in for n3');
  await cluster.run(1_000);
  assert.equal(await ask('n3', '127.0.0.1:7003', null), [true, 'ACCEPTED']);
  await cluster.until(() => isVoter(cluster, 'n3'), 20_000, 'n3 is in beside it');
  cluster.crash('n4');
  cluster.wipe('n4');
  await cluster.start('n4');
  const { directoryId } = cluster.node('n4').identity;
  const back = (): boolean =>
    cluster.configurationOf('n1').memberTags?.['n4'] === directoryId &&
    cluster.configurationOf('n1').voters.includes('n4');
  await cluster.until(back, 20_000, 'n4 is back');
  await cluster.run(1_000);
  assert.equal([...cluster.configurationOf('n1').voters].sort(), ['n1', 'n2', 'n3', 'n4']);
  await cluster.stopAll();
});

test('a stand-in has no part in anything until the others take it in; then it ends, to begin anew', async () => {
  const cluster = await founded();
  const [, second, third] = IDS as [string, string, string];
  cluster.crash(third);
  const old = cluster.node(third).identity;
  const admittedAs = cluster.newDirectoryId();
  cluster.node(third).identity = { ...old, directoryId: admittedAs, founding: null };
  // Without the other one there is no quorum, and the stand-in must not be one.
  cluster.crash(second);
  const node = await cluster.start(third, { standIn: true });
  await cluster.run(8_000);
  assert.equal(node.fatal, []);
  assert.not.ok(cluster.serving('n1'));
  await cluster.start(second);
  await cluster.until(() => node.fatal.length > 0, 20_000, 'it is let in');
  assert.instance(node.fatal[0], Readmitted);
  assert.is((node.fatal[0] as Readmitted).directoryId, admittedAs);
  cluster.crash(third);
  node.disk = new MemoryDisk();
  node.identity.hasSetAside = true;
  await cluster.start(third);
  await cluster.until(() => isVoter(cluster, third) && cluster.serving(third), 20_000, 'it votes again');
  assert.not.ok(node.identity.hasSetAside, 'what was set aside is of no use any more');
  await cluster.stopAll();
});

test('a node whose state differs from that of the others ends, and its directory is in doubt', async () => {
  const cluster = await founded();
  const client = await connect(cluster, 'n1', 'c');
  await cluster.run(2_500);
  const odd = cluster.node(cluster.leader?.id === 'n2' ? 'n3' : 'n2');
  const { state } = odd.replica.broker.machine;
  for (const node of state.nodes.values()) if (node.nodeId === 'n1') Object.assign(node, { version: 'wrong' });
  state.dirty.nodes.add('n1');
  await publish(cluster, client, 't', 'x');
  await cluster.until(() => odd.fatal.length > 0, 5_000, 'it is found out');
  assert.instance(odd.fatal[0], StateDiverged);
  assert.is(odd.identity.doubts.length, 1);
  for (const { id, fatal } of cluster.nodes.values()) if (id !== odd.id) assert.equal(fatal, [], id);
  cluster.crash(odd.id);
  await assert.rejects(cluster.start(odd.id), 'DATA_DOUBTFUL');
  await cluster.stopAll();
});

test.run();
