import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { type CommandResult, quorate } from '../support/command.ts';
import { INTERRUPTED_MS } from '../support/load.ts';
import type { HttpAnswer, NodeProcess } from '../support/node-process.ts';
import { endRoamers } from '../support/roamer.ts';
import { SteadyLoad } from '../support/steady-load.ts';
import { assert, note, suite } from '../support/suite.ts';

/* Nodes join, leave and move under load, by the command and by HTTP: nothing acknowledged is lost. */

const test = suite('e2e: membership');

const RECENT_LOG_BYTES = 1024 * 1024;
const MESSAGE_BYTES = 4_000;

let cluster: TestCluster;

test.before(async () => {
  // So little log is kept, on disk and in memory, that every node that joins needs a snapshot.
  const checkpoint = { compactEntries: 1, keepLogBytes: 0, intervalMs: 200 };
  const raft = { recentLogBytes: RECENT_LOG_BYTES };
  cluster = await startCluster({ config: { serving: { leaseMs: 700 }, checkpoint, raft } });
});
test.after.each(endRoamers);
test.after(() => cluster.stopAll());

const url = (node: NodeProcess): string => `http://127.0.0.1:${String(node.httpPort)}`;
const peerOf = (node: NodeProcess): string => `127.0.0.1:${String(node.peerPort)}`;

function succeeded(result: CommandResult): void {
  assert.is(result.code, 0, result.stderr + result.stdout);
}

function refusedWith(answer: HttpAnswer, status: number, code: string): void {
  const body = JSON.parse(answer.body) as { readonly code: string; readonly reason: string };
  assert.is(body.code, code, answer.body);
  assert.is(answer.status, status, answer.body);
  assert.match(body.reason, / /);
}

/** Starts a node that is to join, and waits until it says why it is not ready. */
async function newcomer(id: string): Promise<NodeProcess> {
  const node = await cluster.add(id);
  await node.start();
  // A leader that is not in its list of first members can not tell it that it is none of its own.
  const waits = async (): Promise<boolean> => ['NOT_A_MEMBER', 'NO_QUORUM'].includes((await node.readiness()) ?? '');
  await waitFor(waits, { what: `${id} to wait for its join` });
  return node;
}

/** The member that leads, and members that do not. */
async function roles(ids: readonly string[]): Promise<{ leader: NodeProcess; followers: NodeProcess[] }> {
  const leader = cluster.node(await cluster.leader());
  return { leader, followers: ids.filter((id) => id !== leader.id).map((id) => cluster.node(id)) };
}

test(
  'three become five under load, each by a snapshot, and two of the five may die',
  async () => {
    const [first, second] = cluster.nodes as [NodeProcess, NodeProcess];
    const load = await SteadyLoad.start({ name: 'grow', nodes: [...cluster.nodes], paddingBytes: MESSAGE_BYTES });
    await waitFor(() => load.acked * MESSAGE_BYTES > 2 * RECENT_LOG_BYTES, { what: 'a log that does not fit' });
    const startedAtMs = performance.now();
    const [fourth, fifth] = [await newcomer('n4'), await newcomer('n5')];
    succeeded(await quorate('join', `n4=${peerOf(fourth)}`, '--url', url(first)));
    await cluster.waitVoters(['n1', 'n2', 'n3', 'n4']);
    const accepted = await second.send('POST', '/api/v1/members', { id: 'n5', peer: peerOf(fifth) });
    assert.is(accepted.status, 202, accepted.body);
    await cluster.waitVoters(['n1', 'n2', 'n3', 'n4', 'n5']);
    for (const node of [fourth, fifth]) assert.match(node.logs(), /a snapshot of n\d up to entry \d+ is installed/);
    await load.goesOn();
    const gapMs = load.longestGapMs(startedAtMs, performance.now());
    assert.ok(gapMs < INTERRUPTED_MS, `no acknowledgement for ${String(gapMs)} ms`);

    const { leader, followers } = await roles(['n1', 'n2', 'n3', 'n4', 'n5']);
    const victims = [leader, followers.find((node) => node.id <= 'n3') as NodeProcess];
    await Promise.all(victims.map((node) => node.kill('SIGKILL')));
    // Three of five: the two that joined have votes that count.
    await load.goesOn();
    await Promise.all(victims.map((node) => node.start()));
    await cluster.waitVoters(['n1', 'n2', 'n3', 'n4', 'n5']);
    const acked = await load.finish();
    note(`grown to five: longest gap ${String(Math.round(gapMs))} ms, ${String(acked)} messages acknowledged`);
  },
  { timeoutMs: 150_000 },
);

test(
  'a new node takes the place of one that is dead',
  async () => {
    const load = await SteadyLoad.start({ name: 'replace', nodes: cluster.nodes.filter((node) => node.id !== 'n5') });
    await cluster.node('n5').kill('SIGKILL');
    const sixth = await newcomer('n6');
    const join = await quorate('join', `n6=${peerOf(sixth)}`, '--replaces', 'n5', '--url', url(cluster.node('n1')));
    succeeded(join);
    assert.match(join.stdout, /n5 has left/);
    await cluster.waitVoters(['n1', 'n2', 'n3', 'n4', 'n6']);
    await load.finish();
  },
  { timeoutMs: 150_000 },
);

test(
  'five become three under load, the leader leaves first; who left says so, also after a restart',
  async () => {
    const five = ['n1', 'n2', 'n3', 'n4', 'n6'];
    const { leader, followers } = await roles(five);
    const [keep1, keep2, keep3, leaver] = followers as [NodeProcess, NodeProcess, NodeProcess, NodeProcess];
    const stay = [keep1, keep2, keep3];
    const load = await SteadyLoad.start({ name: 'shrink', nodes: stay });
    const startedAtMs = performance.now();
    succeeded(await quorate('remove', leader.id, '--url', url(leader)));
    await cluster.waitVoters([...stay, leaver].map((node) => node.id));
    const removed = await keep1.send('DELETE', `/api/v1/members/${leaver.id}`);
    assert.is(removed.status, 200, removed.body);
    await cluster.waitVoters(stay.map((node) => node.id));
    await load.goesOn();
    const gapMs = load.longestGapMs(startedAtMs, performance.now());
    assert.ok(gapMs < INTERRUPTED_MS, `no acknowledgement for ${String(gapMs)} ms`);
    for (const node of [leader, leaver]) {
      const saysSo = async (): Promise<boolean> => (await node.readiness()) === 'NOT_A_MEMBER';
      await waitFor(saysSo, { what: `${node.id} to know that it has left` });
      await node.kill('SIGKILL');
      await node.start();
      await waitFor(saysSo, { what: `${node.id} to know that it has left, after a restart` });
    }
    await load.goesOn();
    const acked = await load.finish();
    note(`shrunk to three: longest gap ${String(Math.round(gapMs))} ms, ${String(acked)} messages acknowledged`);
    // Both may come back: with the data of before, under the same name.
    succeeded(await quorate('join', `${leaver.id}=${peerOf(leaver)}`, '--url', url(keep1)));
    await cluster.waitVoters([...stay, leaver].map((node) => node.id));
    succeeded(await quorate('remove', leaver.id, '--url', url(keep2)));
    await cluster.waitVoters(stay.map((node) => node.id));
    await Promise.all([leader, leaver].map((node) => node.kill('SIGKILL')));
  },
  { timeoutMs: 150_000 },
);

/** The three that are left. */
const left = (): NodeProcess[] => cluster.live();

test('a member that is started at another peer address is found', async () => {
  const ids = left().map((node) => node.id);
  const mover = (await roles(ids)).followers.find((node) => node.id <= 'n3') as NodeProcess;
  const load = await SteadyLoad.start({ name: 'move', nodes: left() });
  await mover.kill('SIGKILL');
  await cluster.move(mover);
  await mover.start();
  await cluster.waitVoters(ids);
  // Its new address is in the log: it is found also by those who have not heard of it by themselves.
  const other = cluster.node(ids.find((id) => id !== mover.id) as string);
  await other.kill('SIGKILL');
  await other.start();
  await cluster.waitVoters(ids);
  await load.finish();
});

test('refused: joining twice, a node of another cluster, a node that is not there, removing a stranger', async () => {
  const [node, other] = left() as [NodeProcess, NodeProcess];
  const twice = await node.send('POST', '/api/v1/members', { id: other.id, peer: peerOf(other) });
  refusedWith(twice, 409, 'ALREADY_A_MEMBER');
  refusedWith(await node.send('DELETE', '/api/v1/members/n99'), 404, 'NOT_A_MEMBER');

  const foreign = await startCluster({ nodes: 1 });
  try {
    const [stranger] = foreign.nodes as [NodeProcess];
    // Its own name is one that this cluster does not have.
    const named = await startStranger(stranger);
    const [joined, absent, last] = await Promise.all([
      node.send('POST', '/api/v1/members', { id: 'm1', peer: peerOf(named) }),
      node.send('POST', '/api/v1/members', { id: 'm2', peer: '127.0.0.1:1' }),
      named.send('DELETE', '/api/v1/members/m1'),
    ]);
    refusedWith(joined, 502, 'PEER_UNREACHABLE');
    refusedWith(absent, 502, 'PEER_UNREACHABLE');
    refusedWith(last, 409, 'LAST_VOTER');
    assert.is(await named.readiness(), 'READY');
    assert.ok((await cluster.members(node))?.every((each) => each.id !== 'm1'));
  } finally {
    await foreign.stopAll();
  }
});

test('refused: a node whose own cluster is founded and has no name yet', async () => {
  const [node] = left() as [NodeProcess];
  // Nobody leads it, and so names it, for as long as this takes.
  const env = { QUORATE_RAFT__ELECTION_TIMEOUT_MS: '20000' };
  const foreign = await startCluster({ nodes: 1, env, readyTimeoutMs: 0 });
  try {
    const [stranger] = foreign.nodes as [NodeProcess];
    await renamed(stranger);
    await waitFor(() => /the cluster is founded by m1/.test(stranger.logs()), { what: 'the other cluster' });
    const answer = await node.send('POST', '/api/v1/members', { id: 'm1', peer: peerOf(stranger) });
    refusedWith(answer, 502, 'PEER_UNREACHABLE');
    assert.ok((await cluster.members(node))?.every((each) => each.id !== 'm1'));
  } finally {
    await foreign.stopAll();
  }
});

/** Starts the only node of a cluster anew as m1, a name that the cluster under test does not have. */
async function renamed(node: NodeProcess): Promise<void> {
  await node.kill('SIGKILL');
  node.wipe();
  node.reconfigure({ id: 'm1', args: ['--cluster', `m1=${peerOf(node)}`] });
  await node.start();
}

/** A cluster of one node called m1, in place of one of the usual name. */
async function startStranger(node: NodeProcess): Promise<NodeProcess> {
  await renamed(node);
  const named = async (): Promise<boolean> =>
    (await node.isReady()) && /"clusterId": "/.test(readFileSync(join(node.dataDir, 'identity.json'), 'utf8'));
  await waitFor(named, { what: 'the other cluster' });
  return node;
}

test('a minority changes nothing', async () => {
  const all = left() as [NodeProcess, NodeProcess, NodeProcess];
  const [node, gone, other] = all;
  await Promise.all([gone, other].map((each) => each.kill('SIGKILL')));
  await waitFor(async () => (await node.readiness()) === 'NO_QUORUM', { what: 'the end of the quorum' });
  const answer = await node.send('DELETE', `/api/v1/members/${gone.id}`);
  const { code } = JSON.parse(answer.body) as { readonly code: string };
  assert.ok(['NO_LEADER', 'LEADERSHIP_LOST', 'QUORUM_UNREACHABLE', 'NOT_READY', 'TIMEOUT'].includes(code), answer.body);
  await Promise.all([gone, other].map((each) => each.start()));
  // What is answered to be unknown is in the log of that node: when it leads the others, they do it together.
  const mayHappen = ['LEADERSHIP_LOST', 'TIMEOUT'].includes(code);
  const happened = async (): Promise<boolean> => mayHappen && (await areVoters([node, other]));
  await waitFor(async () => (await areVoters(all)) || (await happened()), { what: 'all to agree on the members' });
  await cluster.waitReady([node.id, other.id]);
});

/** Whether these and no others have a vote, in the eyes of all of them. */
async function areVoters(nodes: readonly NodeProcess[]): Promise<boolean> {
  const idsOf = (each: readonly { readonly id: string }[]): string =>
    each
      .map(({ id }) => id)
      .sort()
      .join();
  const seen = await Promise.all(nodes.map((node) => cluster.members(node)));
  return seen.every((members) => members !== undefined && idsOf(members.filter(({ voter }) => voter)) === idsOf(nodes));
}

test.run();
