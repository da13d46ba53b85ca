import {
  type Begun,
  type ClusterSettings,
  NEMESES,
  type Nemesis,
  type NemesisContext,
  seededRandom,
} from '@quorate/jepsen-style-tests';
import { assert, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';

const test = suite('partition tests: changed settings');

const DEFAULTS: ClusterSettings = {
  sharedSubscriptionStrategy: 'round_robin',
  fullQueuePolicy: 'drop_newest',
  sessions: 4_000_000,
  queuedMessagesPerSession: 100_000,
  queuedBytesPerSession: 268_435_456,
  sharedInflightPerSession: 1024,
  queuedMessagesPerGroup: 100_000,
  queuedBytesPerGroup: 268_435_456,
  retainedMessages: 4_000_000,
  retainedBytes: 2_147_483_648,
  documentsPerCollection: 100_000,
};

/** Three nodes of which each keeps settings; a change reaches all, unless `deaf` says otherwise. */
class FakeCluster {
  readonly nodes = ['n1', 'n2', 'n3'].map((id) => ({ id, running: true }));
  readonly own = new Map<string, ClusterSettings | null>(this.nodes.map(({ id }) => [id, DEFAULTS]));
  readonly asked: string[] = [];
  readonly deaf = new Set<string>();
  readonly refusing = new Set<string>();
  outcome: 'done' | 'unknown' = 'done';
  builds: readonly string[] = ['one'];

  isReady(): Promise<boolean> {
    return Promise.resolve(true);
  }

  settingsOf(id: string): Promise<ClusterSettings | null> {
    return Promise.resolve(this.own.get(id) ?? null);
  }

  changeSettings(at: string, change: ClusterSettings): Promise<'done' | 'refused' | 'unknown'> {
    this.asked.push(at);
    if (this.refusing.has(at)) return Promise.resolve('refused');
    for (const [id, own] of this.own) if (own !== null && !this.deaf.has(id)) this.own.set(id, { ...own, ...change });
    return Promise.resolve(this.outcome);
  }
}

function nemesis(): Nemesis {
  const found = NEMESES.find(({ name }) => name === 'changed settings');
  assert.ok(found !== undefined);
  return found;
}

async function begin(cluster: FakeCluster, notes: string[] = []): Promise<Begun | null> {
  const context = { cluster, note: (text: string) => notes.push(text) } as unknown as NemesisContext;
  assert.is(nemesis().unavailable(context), null);
  return nemesis().begin(context, seededRandom(3));
}

test('every node is asked for changes, all settings move, and in the end they are what they were', async () => {
  const cluster = new FakeCluster();
  const begun = await begin(cluster);
  assert.ok(begun !== null);
  const seen = new Map<string, Set<unknown>>();
  const look = (): boolean => {
    for (const [name, value] of Object.entries(cluster.own.get('n1') ?? {})) {
      seen.set(name, (seen.get(name) ?? new Set()).add(value));
    }
    return new Set(cluster.asked).size === 3 && (seen.get('sharedInflightPerSession')?.size ?? 0) > 2;
  };
  await waitFor(look, { what: 'changes at every node', timeoutMs: 15_000 });
  await begun.end();
  for (const { id } of cluster.nodes) assert.equal(cluster.own.get(id), DEFAULTS);
});

test('a node that refuses for now is passed over', async () => {
  const cluster = new FakeCluster();
  cluster.refusing.add('n1').add('n2');
  const begun = await begin(cluster);
  await waitFor(() => cluster.asked.filter((id) => id === 'n3').length >= 3, { what: 'changes at the third node' });
  await begun?.end();
  assert.equal(cluster.own.get('n1'), DEFAULTS);
});

test('a node that goes by something else in the end is found, unless a change had no answer', async () => {
  const cluster = new FakeCluster();
  cluster.deaf.add('n2');
  cluster.own.set('n2', { ...DEFAULTS, sessions: 7 });
  const begun = await begin(cluster);
  // What it was before is what the first node says.
  await assert.rejects(begun?.end() ?? Promise.resolve(), /n2 goes by sessions 7, not 4000000/);

  cluster.outcome = 'unknown';
  const notes: string[] = [];
  const again = await begin(cluster, notes);
  await again?.end();
  assert.match(notes.join(), /to change the settings back was unknown/);
});

test('an older build would stop: nothing is changed while a node may be one', async () => {
  const cluster = new FakeCluster();
  cluster.own.set('n3', { sharedSubscriptionStrategy: 'round_robin' });
  assert.is(await begin(cluster), null);
  cluster.own.set('n3', null);
  cluster.builds = ['old', 'new'];
  assert.is(await begin(cluster), null);
  cluster.builds = ['one'];
  const begun = await begin(cluster);
  assert.ok(begun !== null, 'a node that is away is of the only build there is');
  await begun.end();
  assert.is(nemesis().unavailable({ cluster: {} } as unknown as NemesisContext) === null, false);
});

test.run();
