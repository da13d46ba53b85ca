import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startCluster, type TestCluster, waitFor } from '../support/cluster.ts';
import { filesOf, flipByte, truncate } from '../support/damage.ts';
import type { NodeProcess } from '../support/node-process.ts';
import { endRoamers } from '../support/roamer.ts';
import { SteadyLoad } from '../support/steady-load.ts';
import { assert, note, suite } from '../support/suite.ts';

/*
 * One node's disk changes what was written. Each fault is found when the node starts, or does no harm; the node has no
 * part in anything until the others take it in anew, and the cluster loses nothing.
 */

const test = suite('e2e: damage');

const EVERYBODY = ['n1', 'n2', 'n3'];
/** Long enough for a node that trusts its data to have led or voted. */
const ALONE_MS = 5_000;

let cluster: TestCluster;
let load: SteadyLoad;

test.before(async () => {
  // So little log is kept that a node which begins anew gets a snapshot.
  const checkpoint = { compactEntries: 200, keepLogBytes: 0, intervalMs: 200 };
  const raft = { recentLogBytes: 1024 * 1024 };
  cluster = await startCluster({ config: { serving: { leaseMs: 400 }, checkpoint, raft } });
  load = await SteadyLoad.start({ name: 'damage', nodes: cluster.nodes, pauseMs: 10, paddingBytes: 4_000 });
});
test.after(async () => {
  await endRoamers();
  await cluster.stopAll();
});

/** What of a node is to be broken, and what must come of it. */
interface Fault {
  readonly name: string;
  readonly damage: (dataDir: string) => void;
  /** `found`: it must be detected. `either`: it may be unreachable, or look like a torn tail of what nobody acknowledged. */
  readonly expect: 'found' | 'either';
}

const FAULTS: readonly Fault[] = [
  {
    name: 'a byte in the middle of the log',
    expect: 'found',
    damage: (at) => flipByte(newest(at, 'log', /\.log$/), 0.5),
  },
  { name: 'the log cut in half', expect: 'either', damage: (at) => truncate(newest(at, 'log', /\.log$/), 0.5) },
  { name: 'the log without its CURRENT', expect: 'found', damage: (at) => rmSync(join(at, 'log', 'CURRENT')) },
  {
    name: 'a byte in the state',
    expect: 'found',
    damage: (at) => flipByte(newest(at, stateFolder(at), /\.(log|ldb)$/), 0.4),
  },
  {
    name: 'the state with a fifth of its manifest',
    expect: 'found',
    damage: (at) => truncate(newest(at, stateFolder(at), /^MANIFEST/), 0.2),
  },
  { name: 'both slots of the superblock', expect: 'found', damage: breakSuperblock },
  {
    name: 'everything but its identity deleted',
    expect: 'found',
    damage: (at) => {
      for (const name of readdirSync(at)) if (name !== 'identity.json') rmSync(join(at, name), { recursive: true });
    },
  },
];

function newest(dataDir: string, folder: string, pattern: RegExp): string {
  return filesOf(join(dataDir, folder), pattern).at(-1) as string;
}

/** One slot may be torn by a crash; two are damage. */
function breakSuperblock(dataDir: string): void {
  const file = join(dataDir, 'superblock-0');
  for (const share of [0.0013, 0.5013]) flipByte(file, share);
}

/** The state database that counts: another one after each snapshot that was installed. */
function stateFolder(dataDir: string): string {
  const pointer = join(dataDir, 'current.json');
  if (!existsSync(pointer)) return 'state';
  return /"(state[^"]*)"\s*[,}]/.exec(readFileSync(pointer, 'utf8'))?.[1] ?? 'state';
}

test(
  'each fault of one disk is found at the start or harmless, and mended by the others',
  async () => {
    const found: string[] = [];
    for (const [at, fault] of FAULTS.entries()) {
      const victim = cluster.nodes[at % 3] as NodeProcess;
      await load.goesOn();
      await victim.kill('SIGKILL');
      const logged = victim.logs().length;
      fault.damage(victim.dataDir);
      await victim.start();
      // Ready again means: it found nothing, or it was taken in anew.
      await cluster.waitVoters(EVERYBODY, 30_000).catch((error: Error) => {
        throw new Error(`${fault.name} on ${victim.id}: ${error.message}`, { cause: error });
      });
      const said = victim.logs().slice(logged);
      const detected = /neither votes nor acknowledges/.test(said);
      if (fault.expect === 'found') assert.ok(detected, `${fault.name} on ${victim.id} was not found`);
      if (detected) {
        assert.match(said, /the cluster takes this node in anew/, fault.name);
        await waitFor(() => !existsSync(join(victim.dataDir, 'set-aside', 'note.json')), {
          what: `what was set aside to be gone, after ${fault.name}`,
        });
      }
      found.push(`${fault.name}: ${detected ? 'found' : 'harmless'}`);
      await load.goesOn();
    }
    note(found.join('; '));
  },
  { timeoutMs: 150_000 },
);

test('a damaged snapshot harms nobody', async () => {
  const holder = cluster.nodes.find((node) => existsSync(join(node.dataDir, 'snapshots-0')));
  assert.ok(holder !== undefined, 'some node has sent or received a snapshot');
  await holder.kill('SIGKILL');
  for (const file of filesOf(join(holder.dataDir, 'snapshots-0'), /./))
    if (statSync(file).size > 0) flipByte(file, 0.5);
  await holder.start();
  await cluster.waitVoters(EVERYBODY);
  await load.goesOn();
});

test('a damaged identity: the node is refused with what to do, and that helps', async () => {
  const [, victim] = cluster.nodes as [NodeProcess, NodeProcess];
  await victim.kill('SIGKILL');
  flipByte(join(victim.dataDir, 'identity.json'), 0.5);
  const logged = victim.logs().length;
  await victim.start();
  assert.is(await victim.ended(), 1);
  assert.match(
    victim.logs().slice(logged),
    /is damaged .*move the whole data directory away and start with an empty one/,
  );
  await load.goesOn(load.awayFrom(victim));
  victim.wipe();
  await victim.start();
  await cluster.waitVoters(EVERYBODY, 30_000);
});

test(
  'two of three damaged: nobody serves, nothing is set aside, and the data as it was brings all of it back',
  async () => {
    await load.goesOn();
    await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
    const damaged = cluster.nodes.slice(1);
    for (const node of damaged) {
      cpSync(node.dataDir, `${node.dataDir}-sound`, { recursive: true });
      flipByte(newest(node.dataDir, 'log', /\.log$/), 0.3);
    }
    await Promise.all(cluster.nodes.map((node) => node.start()));
    const answers = new Set<string>();
    let untilMs = Number.POSITIVE_INFINITY;
    const look = async (): Promise<boolean> => {
      for (const node of cluster.nodes) answers.add(`${node.id} ${(await node.readiness()) ?? 'has no answer yet'}`);
      const said = damaged.every((node) => answers.has(`${node.id} DATA_DOUBTFUL`));
      if (said) untilMs = Math.min(untilMs, performance.now() + ALONE_MS);
      return performance.now() >= untilMs;
    };
    await waitFor(look, { what: 'both to say that they are in doubt', intervalMs: 100, timeoutMs: 30_000 });
    note(`two damaged: ${[...answers].sort().join(', ')}`);
    for (const node of damaged) {
      assert.not(existsSync(join(node.dataDir, 'set-aside', 'note.json')), `${node.id} keeps its data where it is`);
    }
    assert.not(
      [...answers].some((each) => each.endsWith('READY')),
      [...answers].join(', '),
    );
    await Promise.all(cluster.nodes.map((node) => node.kill('SIGKILL')));
    for (const node of damaged) {
      node.wipe();
      cpSync(`${node.dataDir}-sound`, node.dataDir, { recursive: true });
    }
    await Promise.all(cluster.nodes.map((node) => node.start()));
    await cluster.waitVoters(EVERYBODY);
    await load.goesOn();
    note(`${String(await load.finish())} messages acknowledged`);
  },
  { timeoutMs: 150_000 },
);

test.run();
