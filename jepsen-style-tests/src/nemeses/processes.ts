import type { NodeHandle } from '../cluster/cluster.ts';
import type { Random } from '../random.ts';
import { inBackground, pause } from './background.ts';
import { always, leaderOrAny, minoritySize, type Nemesis, type NemesisContext, runningNodes } from './nemesis.ts';

/* Processes that die, stand still or are slow. */

type Whom = 'one' | 'leader' | 'minority' | 'majority' | 'all';

/** A slow start gets so much of each slice of time. */
const SLOW_RUN_MS = 20;
const SLOW_STOP_MS = 180;

async function choose(context: NemesisContext, whom: Whom, random: Random): Promise<NodeHandle[]> {
  const running = runningNodes(context);
  const minority = Math.max(1, minoritySize(context.nodeCount));
  const count = { one: 1, leader: 1, minority, majority: Math.floor(context.nodeCount / 2) + 1, all: running.length };
  const leader = whom === 'leader' ? await leaderOrAny(context, random) : null;
  const ids = leader === null ? random.shuffled(running).slice(0, count[whom]) : [leader];
  return context.cluster.nodes.filter((node) => ids.includes(node.id));
}

/** A minority of three is one: without this the same fault would have two names. */
function sizesDiffer(whom: Whom): (context: NemesisContext) => string | null {
  return ({ nodeCount }) => {
    if (whom === 'minority' && minoritySize(nodeCount) < 2) return 'a minority of these nodes is a single one';
    return whom === 'majority' && nodeCount < 3 ? 'it takes three nodes' : null;
  };
}

/** Starts what has ended. Some may have been started meanwhile. */
async function startAll(nodes: readonly NodeHandle[]): Promise<void> {
  await Promise.all(nodes.filter((node) => !node.running).map((node) => node.start()));
}

function named(nodes: readonly NodeHandle[]): { ids: string[]; text: string } {
  const ids = nodes.map((node) => node.id);
  return { ids, text: ids.join(', ') };
}

function kill(whom: Whom): Nemesis {
  return {
    name: `kill ${whom}`,
    touches: 'processes',
    unavailable: sizesDiffer(whom),
    begin: async (context, random) => {
      const victims = await choose(context, whom, random);
      if (victims.length === 0) return null;
      await Promise.all(victims.map((node) => node.kill()));
      const { ids, text } = named(victims);
      return { detail: `SIGKILL to ${text}`, nodes: ids, end: () => startAll(victims) };
    },
  };
}

function freeze(whom: Whom): Nemesis {
  return {
    name: `pause ${whom}`,
    touches: 'processes',
    unavailable: sizesDiffer(whom),
    begin: async (context, random) => {
      const victims = await choose(context, whom, random);
      if (victims.length === 0) return null;
      for (const node of victims) node.pause();
      const { ids, text } = named(victims);
      const end = (): Promise<void> => {
        for (const node of victims) node.resume();
        return Promise.resolve();
      };
      return { detail: `SIGSTOP to ${text}`, nodes: ids, end };
    },
  };
}

const slowStart: Nemesis = {
  name: 'slow start',
  touches: 'processes',
  unavailable: always,
  begin: async (context, random) => {
    const [victim] = await choose(context, 'one', random);
    if (victim === undefined) return null;
    await victim.kill();
    await victim.start();
    const slices = inBackground(async (signal) => {
      for (;;) {
        victim.pause();
        await pause(SLOW_STOP_MS, signal);
        victim.resume();
        await pause(SLOW_RUN_MS, signal);
      }
    });
    const share = (100 * SLOW_RUN_MS) / (SLOW_RUN_MS + SLOW_STOP_MS);
    return {
      detail: `SIGKILL to ${victim.id}, which starts again with ${share.toFixed(0)} % of the time`,
      nodes: [victim.id],
      end: async () => {
        await slices.end();
        victim.resume();
      },
    };
  },
};

/** Faults of processes. */
export const PROCESSES: readonly Nemesis[] = [
  kill('one'),
  kill('leader'),
  kill('minority'),
  kill('majority'),
  kill('all'),
  freeze('one'),
  freeze('leader'),
  freeze('minority'),
  freeze('majority'),
  slowStart,
];
