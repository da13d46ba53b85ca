import { type Configuration, Random } from '@quorate/consensus';
import { seedFor } from '../../support/seed.ts';
import { assert, suite } from '../../support/suite.ts';
import { Violation } from './support/checker.ts';
import { Simulation, type World } from './support/simulation.ts';

const test = suite('consensus under faults');

const CONFIGURATIONS: readonly Configuration[] = [
  { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: [] },
  { voters: ['n1', 'n2', 'n3'], learners: ['n4'], outgoing: [] },
  { voters: ['n1', 'n2', 'n3', 'n4', 'n5'], learners: [], outgoing: [] },
  { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: ['n3', 'n4', 'n5'] },
  { voters: ['n1'], learners: ['n2'], outgoing: [] },
];

function worldOf(seed: number): World {
  const random = new Random(seed ^ 0x5eed);
  const configuration = CONFIGURATIONS[random.below(CONFIGURATIONS.length)] as Configuration;
  return {
    configuration,
    dropPerMille: random.below(3) * 40,
    duplicatePerMille: random.below(3) * 30,
    maxDelayMs: 1 + random.below(15),
    maxWriteMs: 1 + random.below(20),
    holdWrite: random.below(2) === 0,
  };
}

/** One random misfortune, or its end. */
function misfortune(sim: Simulation): void {
  const node = sim.pick();
  switch (sim.random.below(12)) {
    case 0:
    case 1:
      return sim.crash(node);
    case 2:
    case 3:
    case 4:
      return sim.restart(node);
    case 5:
      return isolate(sim);
    case 6:
      return void sim.cut.add(`${node.id}>${sim.pick().id}`);
    case 7:
      return sim.cut.clear();
    case 8:
      return sim.input(node, { kind: 'transferLeadership', to: sim.chance(500) ? null : sim.pick().id });
    case 9:
      node.stalledUntilMs = sim.nowMs + sim.random.below(300);
      return sim.chance(500) ? sim.input(node, { kind: 'storageStalled' }) : undefined;
    case 10:
      return sim.input(node, { kind: 'peerLost', peer: sim.pick().id });
    default:
      return sim.input(node, { kind: 'peerUnreachable', peer: sim.pick().id });
  }
}

/** Cuts the cluster in two at random. */
function isolate(sim: Simulation): void {
  const side = new Map(sim.nodes.map((node) => [node.id, sim.random.below(2)]));
  for (const from of sim.nodes) {
    for (const to of sim.nodes) if (side.get(from.id) !== side.get(to.id)) sim.cut.add(`${from.id}>${to.id}`);
  }
}

function runSeed(seed: number, world: World): Simulation {
  const sim = new Simulation(seed, world);
  try {
    sim.run(2000, () => {
      if (sim.chance(25)) misfortune(sim);
      if (sim.chance(100)) sim.propose(sim.leader() ?? sim.pick());
      if (sim.chance(60)) sim.read(sim.pick());
    });
    sim.heal();
    sim.demandLiveness(1500);
  } catch (error) {
    throw new Error(`seed ${seed} at ${sim.nowMs} ms: ${String((error as Error).stack)}`, { cause: error });
  }
  return sim;
}

const SEEDS = 200;

test('keeps every safety property, and lives again when healed', () => {
  const base = seedFor('consensus simulation');
  let committed = 0;
  let reads = 0;
  let logReads = 0;
  for (let offset = 0; offset < SEEDS; offset++) {
    const seed = (base + offset) >>> 0;
    const sim = runSeed(seed, worldOf(seed));
    committed += sim.checker.maxCommitIndex;
    reads += sim.readsServed;
    logReads += sim.logReads;
  }
  // The runs did something: else the properties would hold for want of events.
  assert.ok(committed > SEEDS * 50, `committed ${committed}`);
  assert.ok(reads > SEEDS * 20, `reads ${reads}`);
  assert.ok(logReads > SEEDS, `log reads ${logReads}`);
});

test('keeps votes through crashes in the middle of elections', () => {
  const base = seedFor('consensus elections');
  let terms = 0;
  for (let offset = 0; offset < 100; offset++) {
    const seed = (base + offset) >>> 0;
    // Slow disks and short timeouts: most crashes hit a vote that is not durable yet.
    const options = { electionTimeoutMs: 30, heartbeatIntervalMs: 10 };
    const sim = new Simulation(seed, { ...worldOf(seed), maxDelayMs: 4, maxWriteMs: 40, options });
    try {
      sim.run(1000, () => {
        if (!sim.chance(30)) return;
        const node = sim.leader() ?? sim.pick();
        sim.crash(node);
        sim.restart(node);
        if (sim.chance(300)) sim.propose(sim.pick());
      });
    } catch (error) {
      throw new Error(`seed ${seed} at ${sim.nowMs} ms: ${String((error as Error).stack)}`, { cause: error });
    }
    terms += Math.max(...sim.nodes.map((node) => node.core.status().term));
  }
  assert.ok(terms > 500, `terms ${terms}`);
});

test('has a checker that sees what disks which lie about durability do', () => {
  let violations = 0;
  for (let seed = 1; seed <= 10; seed++) {
    try {
      runSeed(seed, { ...worldOf(seed), lyingDisks: true });
    } catch (error) {
      const { cause } = error as Error;
      assert.ok(cause instanceof Violation || (cause as Error).name === 'InvariantError', String(error));
      violations++;
    }
  }
  assert.is(violations, 10);
});

test('gives the same run for the same seed', () => {
  const runs = [1, 2].map(() => runSeed(77, worldOf(77)));
  assert.equal(runs[0]?.checker.committed, runs[1]?.checker.committed);
  assert.is(runs[0]?.readsServed, runs[1]?.readsServed);
});

test.run();
