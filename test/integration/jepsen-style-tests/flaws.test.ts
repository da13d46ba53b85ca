import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type CheckedHistory,
  Clients,
  checkHistory,
  loadHistory,
  WORKLOADS,
  type Workload,
} from '@quorate/jepsen-style-tests';
import { seedFor } from '../../support/seed.ts';
import { assert, note, suite } from '../../support/suite.ts';
import { waitFor } from '../../support/wait.ts';
import { FakeBroker, type Flaw } from './fake-broker.ts';

/* Real workloads against a plain broker: right, nothing is found; with one flaw, each workload that it concerns finds it. */

const test = suite('integration: partition tests find flaws');

/** `workload: kind` of what must be found. */
const MUST_FIND: Readonly<Record<Flaw, readonly string[]>> = {
  drop: [
    'queue: lost',
    'exactly-once: lost',
    'order: lost',
    'ownership: lost',
    'visibility: not visible',
    'shared: stranded',
  ],
  twice: [
    'queue: duplicate without DUP',
    'exactly-once: delivered twice',
    'ownership: delivered twice',
    'shared: delivered twice',
  ],
  swap: ['queue: reordered', 'exactly-once: order differs', 'order: order differs'],
  stale: ['register: not linearizable'],
  owners: ['ownership: two owners'],
  fork: ['ownership: two owners', 'queue: session lost', 'shared: session lost'],
  'will on disconnect': ['wills: will wrongly sent'],
  'will twice': ['wills: will sent twice'],
  eternal: ['expiry: delivered after expiry', 'expiry: expiry not counted down'],
};
const FLAWS = Object.keys(MUST_FIND) as Flaw[];

/** On a busy machine it takes longer until there is enough to look at. */
const WORK_MS = { least: 6_000, most: 20_000 };
const READY_MS = 20_000;
/** Publications for each workload; those of wills are few. */
const ENOUGH = { wills: 25, others: 80 };
/** How long wills of clients that vanished last may take. */
const SETTLE_MS = 15_000;

/** What a flaw does wrong may go by where no client looks: then it runs again, with another seed. */
const ROUNDS = 4;

let sound: CheckedHistory;
/** `workload: kind` of everything that was found, and for messages a sentence of each. */
const found = new Map<Flaw, ReadonlyMap<string, string>>();
let folder: string;

async function run(flaw: Flaw | null, workloads: readonly Workload[], round: number): Promise<CheckedHistory> {
  const broker = new FakeBroker(flaw);
  const ports = await broker.listen(3);
  const historyFile = join(folder, `${flaw ?? 'none'} ${round}.jsonl`);
  const nodes = ports.map((port, at) => ({ id: `n${at + 1}`, host: '127.0.0.1', port }));
  const clients = new Clients({
    ...{
      name: 'clients',
      run: 'run',
      nodes,
      historyFile,
      seed: seedFor(`${flaw ?? 'none'} ${round}`),
      maxHistoryBytes: 2 ** 27,
    },
    ...{
      zeroNs: String(process.hrtime.bigint()),
      connectTimeoutMs: 2_000,
      ackTimeoutMs: 5_000,
      versions: [5, 4],
      maxQos: 2,
    },
    shares: workloads.map(({ name: workload, actors }) => ({
      ...{ workload, actors, ratePerSec: 12, indices: Array.from({ length: actors }, (_none, index) => index) },
    })),
    cleanUp: false,
  });
  clients.start();
  try {
    await waitFor(() => clients.ready, { what: 'all clients', timeoutMs: READY_MS });
    await new Promise((done) => setTimeout(done, WORK_MS.least));
    const enough = workloads.reduce((sum, { name }) => sum + (name === 'wills' ? ENOUGH.wills : ENOUGH.others), 0);
    const worked = (): boolean => clients.counts().acknowledged >= enough;
    await waitFor(worked, { what: `${enough} acknowledgements`, timeoutMs: WORK_MS.most });
    clients.drain();
    // With a flaw they may wait in vain for what does not come.
    const settled = (): boolean => clients.counts().settled === clients.counts().actors;
    await waitFor(settled, { what: 'all to be settled', timeoutMs: SETTLE_MS }).catch((error: unknown) => {
      if (flaw === null) throw error;
    });
    await clients.stop();
  } finally {
    broker.close();
  }
  const history = await loadHistory([historyFile]);
  return checkHistory(
    history,
    workloads,
    nodes.map(({ id }) => id),
  );
}

function anomaliesOf(history: CheckedHistory): [kind: string, sentence: string][] {
  return history.workloads.flatMap(({ workload, checks }) =>
    checks.flatMap(({ anomalies }) =>
      anomalies.map(({ kind, sentence }): [string, string] => [`${workload}: ${kind}`, sentence]),
    ),
  );
}

/** Runs the workloads that have not found yet what they must. */
async function search(flaw: Flaw): Promise<void> {
  const all = new Map<string, string>();
  found.set(flaw, all);
  for (let round = 1; round <= ROUNDS; round++) {
    const missing = MUST_FIND[flaw].filter((kind) => !all.has(kind));
    const workloads = WORKLOADS.filter(({ name }) => missing.some((kind) => kind.startsWith(`${name}:`)));
    if (workloads.length === 0) return;
    const history = await run(flaw, workloads, round);
    for (const [kind, sentence] of anomaliesOf(history)) all.set(kind, all.get(kind) ?? sentence);
  }
}

test.before(
  async () => {
    folder = mkdtempSync(join(tmpdir(), 'quorate-jepsen-'));
    [sound] = await Promise.all([run(null, WORKLOADS, 1), ...FLAWS.map(search)]);
  },
  { timeoutMs: 240_000 },
);
test.after(() => rmSync(folder, { recursive: true, force: true }));

test('nothing is found where nothing is wrong, and much was looked at', () => {
  assert.equal(anomaliesOf(sound), []);
  const figures = new Map(
    sound.workloads.flatMap(({ workload, checks }) =>
      checks.map((check): [string, typeof check.figures] => [`${workload} ${check.checker}`, check.figures]),
    ),
  );
  const least: readonly (readonly [check: string, figure: string, least: number])[] = [
    ['register register', 'reads', 20],
    ['queue delivery', 'deliveries', 100],
    ['exactly-once delivery', 'deliveries', 100],
    ['order total order', 'deliveries', 100],
    ['ownership ownership', 'messages to contended sessions', 20],
    ['visibility subscribe visibility', 'checked deliveries', 50],
    ['wills wills', 'wills that had to be sent', 3],
    ['wills wills', 'wills that had to be not sent', 3],
    ['shared shared subscriptions', 'deliveries', 50],
    ['expiry expiry', 'deliveries that could expire', 20],
  ];
  for (const [check, figure, atLeast] of least) {
    const seen = figures.get(check)?.[figure] ?? 0;
    assert.ok(seen >= atLeast, `${check}: ${figure} ${seen}, expected ${atLeast}`);
  }
});

for (const flaw of FLAWS) {
  const kinds = MUST_FIND[flaw];
  test(`${flaw}: found by ${kinds.join(', ')}`, () => {
    const all = found.get(flaw) ?? new Map<string, string>();
    for (const kind of kinds) assert.ok(all.has(kind), `not found: ${kind}; found: ${[...all.keys()].join(', ')}`);
    note(`${flaw}: ${kinds[0] as string}: ${all.get(kinds[0] as string) as string}`);
  });
}

test.run();
