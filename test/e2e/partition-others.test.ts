import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  detectNetwork,
  type FixedCluster,
  type FixedOptions,
  followOuterProcess,
  insideOf,
  mosquitto,
  nats,
  openNetwork,
  rabbitmq,
  runInside,
} from '@quorate/jepsen-style-tests';
import { probe } from '../../jepsen-style-tests/src/cluster/probe.ts';
import { asProgram, assert, note, suite } from '../support/suite.ts';
import { waitFor } from '../support/wait.ts';

/*
 * The drivers of other brokers: they start, take clients, survive a kill, and say who leads where they know. Those of three
 * nodes take a while, and are only tried with PARTITION_HARNESS=all.
 */

interface Driver {
  readonly name: string;
  readonly binary: string;
  readonly make: (options: FixedOptions) => FixedCluster;
  readonly nodes: number;
  readonly hasLeader: boolean;
  readonly slow?: true;
}

const DRIVERS: readonly Driver[] = [
  { name: 'Mosquitto', binary: 'mosquitto', make: mosquitto, nodes: 1, hasLeader: false },
  { name: 'NATS', binary: 'nats-server', make: nats, nodes: 3, hasLeader: true, slow: true },
  { name: 'RabbitMQ', binary: 'rabbitmq-server', make: rabbitmq, nodes: 3, hasLeader: false, slow: true },
];

function isInstalled(binary: string): boolean {
  try {
    execFileSync('sh', ['-c', `command -v ${binary}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const possible = await detectNetwork();
const inside = insideOf();
if (possible.kind !== 'proxies' && inside === null) {
  asProgram();
  process.exitCode = await runInside(possible.kind);
} else {
  if (inside !== null) followOuterProcess();
  declareTests();
}

function declareTests(): void {
  const test = suite('e2e: partition tests, other brokers');
  for (const driver of DRIVERS) {
    test(
      driver.name,
      async () => {
        const why =
          inside === null
            ? possible.sentence
            : !isInstalled(driver.binary)
              ? `${driver.binary} is not installed`
              : driver.slow === true && process.env['PARTITION_HARNESS'] !== 'all'
                ? 'it is slow: PARTITION_HARNESS=all tries it'
                : null;
        if (why === null) await tryOut(driver);
        else note(`SKIPPED, nothing was checked: ${driver.name} (${why})`);
      },
      { timeoutMs: 300_000 },
    );
  }
  test.run();
}

async function tryOut({ name, make, nodes, hasLeader }: Driver): Promise<void> {
  const members = ['n1', 'n2', 'n3'].slice(0, nodes);
  const folder = mkdtempSync(join(tmpdir(), 'quorate-others-'));
  const network = await openNetwork(members, ['c1']);
  const cluster = make({ network, members, folder });
  const startedMs = performance.now();
  try {
    await cluster.start();
    await cluster.ready(60_000);
    const upMs = Math.round(performance.now() - startedMs);
    if (hasLeader) await waitFor(async () => (await cluster.leader()) !== null, { what: 'a leader' });
    else assert.is(await cluster.leader(), null);
    const leader = (await cluster.leader())?.id ?? members[0];
    const victim = cluster.nodes.find((node) => node.id === leader);
    assert.ok(victim !== undefined, `${String(leader)} is a node`);
    await victim.kill();
    assert.is(await probe(victim.host.address, victim.mqttPort, 4), null);
    await victim.start();
    await cluster.ready(120_000);
    note(`${name}: ${String(nodes)} nodes took clients after ${String(upMs)} ms`);
  } finally {
    await cluster.close();
    await network.close();
    rmSync(folder, { recursive: true, force: true });
  }
}
