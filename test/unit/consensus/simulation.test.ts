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
    compactPerMille: random.below(3) * 100,
  };
}

/** Six nodes, three of which begin. */
function changingWorldOf(seed: number): World {
  const configuration = { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: [] };
  return { ...worldOf(seed), configuration, spares: ['n4', 'n5', 'n6'] };
}

/** Asks the leader for a random next membership: between one and five voters, whoever leads not spared. */
function changeMembership(sim: Simulation): void {
  const leader = sim.leader();
  if (leader === undefined) return;
  const { configuration, followers } = leader.core.status();
  const voters = [...configuration.voters];
  const learners = [...configuration.learners];
  for (let count = 1 + sim.random.below(2); count > 0; count--) {
    const { id } = sim.pick();
    if (voters.includes(id)) {
      if (voters.length === 1 || sim.chance(voters.length < 4 ? 600 : 0)) continue;
      voters.splice(voters.indexOf(id), 1);
      if (sim.chance(400)) learners.push(id);
    } else if (learners.includes(id)) {
      learners.splice(learners.indexOf(id), 1);
      const ready = followers.find((each) => each.id === id)?.caughtUp === true;
      if (voters.length < 5 && (ready || sim.chance(100))) voters.push(id);
    } else {
      (sim.chance(950) ? learners : voters).push(id);
    }
  }
  sim.input(leader, { kind: 'changeMembership', id: sim.nowMs, voters, learners });
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

function runSeed(seed: number, world: World, changePerMille = 0): Simulation {
  const sim = new Simulation(seed, world);
  try {
    sim.run(2000, () => {
      if (sim.chance(25)) misfortune(sim);
      if (sim.chance(100)) sim.propose(sim.leader() ?? sim.pick());
      if (sim.chance(60)) sim.read(sim.pick());
      if (sim.chance(changePerMille)) changeMembership(sim);
      // In the middle of a change is where it hurts.
      const leader = changePerMille > 0 ? sim.leader() : undefined;
      if (leader?.core.status().joint === true && sim.chance(15)) sim.crash(leader);
    });
    sim.heal();
    sim.demandLiveness(1500);
  } catch (error) {
    throw new Error(`seed ${seed} at ${sim.nowMs} ms: ${String((error as Error).stack)}`, { cause: error });
  }
  return sim;
}

const SEEDS = Number(process.env['QUORATE_SIMULATION_SEEDS'] ?? 150);

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

test('keeps every safety property while members come and go', () => {
  const base = seedFor('consensus membership simulation');
  const changes = new Map<string, number>();
  let installed = 0;
  for (let offset = 0; offset < SEEDS; offset++) {
    const seed = (base + offset) >>> 0;
    const sim = runSeed(seed, changingWorldOf(seed), 20);
    for (const [code, count] of sim.changes) changes.set(code, (changes.get(code) ?? 0) + count);
    installed += sim.installed;
  }
  if (process.env['QUORATE_SIMULATION_SEEDS'] !== undefined)
    process.stdout.write(`${installed} ${JSON.stringify([...changes])}\n`);
  assert.ok((changes.get('COMMITTED') ?? 0) > SEEDS * 3, `changes ${JSON.stringify([...changes])}`);
  assert.ok((changes.get('LEADERSHIP_LOST') ?? 0) > SEEDS / 20, `changes ${JSON.stringify([...changes])}`);
  assert.ok(installed > SEEDS / 4, `snapshots ${installed}`);
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
