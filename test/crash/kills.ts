import { endRoamers } from '../support/roamer.ts';
import { baseSeed, seedFor } from '../support/seed.ts';
import { asProgram } from '../support/suite.ts';
import { CrashCluster, KINDS, type Round, type RoundKind } from './rounds.ts';

/*
 * Kills nodes until so many processes have died, and prints a table:
 *
 *   node --conditions=source --import tsx test/crash/kills.ts [KILLS]
 *
 * QUORATE_TEST_SEED repeats the choices of a run. Exit code 1 when anything was lost.
 */

function row(cells: readonly (string | number)[]): void {
  console.log(cells.map((cell, at) => (at === 0 ? String(cell).padEnd(12) : String(cell).padStart(10))).join(''));
}

function print(kind: RoundKind | 'all', rounds: readonly Round[]): void {
  const sum = (value: (round: Round) => number): number => rounds.reduce((total, each) => total + value(each), 0);
  const gaps = rounds.map((each) => each.gapMs).sort((x, y) => x - y);
  row([
    kind,
    rounds.length,
    sum((each) => each.kills),
    Math.max(0, ...rounds.map((each) => each.atOnce)),
    sum((each) => each.messages),
    Math.round(gaps[Math.floor(gaps.length / 2)] ?? 0),
    Math.round(gaps.at(-1) ?? 0),
    Math.round(sum((each) => each.durationMs) / 1000),
  ]);
}

async function main(): Promise<number> {
  const wanted = Number(process.argv[2] ?? '200');
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new Error(`KILLS is ${String(process.argv[2])}: expected a number`);
  const crash = await CrashCluster.start(seedFor('kills'));
  const rounds: Round[] = [];
  let kills = 0;
  let failure: unknown;
  try {
    while (kills < wanted) {
      const round = await crash.round(KINDS[rounds.length % KINDS.length] as RoundKind);
      rounds.push(round);
      kills += round.kills;
      const gap = `longest gap ${String(Math.round(round.gapMs))} ms`;
      console.log(`${String(kills).padStart(4)} kills  ${round.kind}: ${String(round.kills)} killed, ${gap}`);
    }
  } catch (error) {
    failure = error;
  }
  console.log('');
  row(['', 'rounds', 'kills', 'at once', 'messages', 'gap p50', 'gap max', 'seconds']);
  for (const kind of new Set(KINDS))
    print(
      kind,
      rounds.filter((each) => each.kind === kind),
    );
  print('all', rounds);
  console.log(`\n${String(crash.snapshotsInstalled)} snapshots were installed; gaps in ms`);
  if (failure !== undefined) {
    console.log(`\nFAILED in round ${String(rounds.length + 1)} (QUORATE_TEST_SEED=${String(baseSeed())})`);
    console.log(failure instanceof Error ? failure.stack : failure);
    console.log(crash.describe());
  } else console.log('nothing acknowledged was lost, no QoS 2 message came twice, order was kept');
  await endRoamers();
  await crash.stop();
  return failure === undefined ? 0 : 1;
}

asProgram();
process.exitCode = await main();
