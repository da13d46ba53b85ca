import type { NodeHandle } from '../cluster/cluster.ts';
import { inBackground, pause } from './background.ts';
import { isWhole, leaderOrAny, type Nemesis, type NemesisContext } from './nemesis.ts';

/* What operators do to a cluster that goes on working: no fault, but all of it moves leadership, members or processes. */

const READY_TIMEOUT_MS = 120_000;
const TRANSFER_EVERY_MS = 1_500;
/** About as long as they take at least: a fault that is planned shorter makes all that follows late. */
const JOIN_MS = [8_000, 16_000] as const;
const TRANSFERS_MS = [5_000, 15_000] as const;
const ROLLING_MS = [15_000, 25_000] as const;

/** A change that takes as long as it takes: it begins with the fault, and the fault's end waits for it. */
function operation(
  name: string,
  lengthMs: readonly [least: number, most: number],
  unavailable: Nemesis['unavailable'],
  act: (context: NemesisContext, choose: () => Promise<string>) => Promise<Operation | null>,
): Nemesis {
  return {
    name,
    touches: 'members',
    lengthMs,
    unavailable,
    begin: async (context, random) => {
      // Members that leave take their data with them: the others must have all of theirs.
      if (!(await isWhole(context))) return null;
      const choose = async (): Promise<string> => {
        const leader = random.chance(50) ? await leaderOrAny(context, random) : null;
        return leader ?? random.pick(context.cluster.nodes).id;
      };
      const found = await act(context, choose);
      if (found === null) return null;
      const running = inBackground(found.run);
      return {
        detail: found.detail,
        nodes: found.nodes,
        ...(found.out && { out: found.out }),
        end: async () => {
          await running.end();
          await found.undo?.();
        },
      };
    },
  };
}

interface Operation {
  readonly detail: string;
  readonly nodes: readonly string[];
  readonly out?: readonly string[];
  readonly run: (signal: AbortSignal) => Promise<void>;
  /** Brings the cluster back to the members that it had. */
  readonly undo?: () => Promise<void>;
}

function noMembership({ cluster, network }: NemesisContext): string | null {
  if (network.via !== undefined) return 'with proxies on loopback others would reach a node that joins past them';
  return cluster.features.membership && cluster.addNode !== undefined ? null : 'its members can not be changed';
}

function noSpare(context: NemesisContext): string | null {
  return noMembership(context) ?? (context.spareHosts > 0 ? null : 'no host is left for another node');
}

const addOne = operation('add a node', JOIN_MS, noSpare, async ({ cluster }) => {
  let added: NodeHandle | undefined;
  return {
    detail: 'another node joins, and leaves at the end',
    nodes: [],
    run: async () => {
      added = await cluster.addNode?.();
    },
    undo: async () => {
      if (added !== undefined) await cluster.removeNode?.(added.id);
    },
  };
});

const removeOne = operation(
  'remove a node',
  JOIN_MS,
  (context) => noMembership(context) ?? (context.nodeCount >= 3 ? null : 'it takes three nodes'),
  async ({ cluster }, choose) => {
    const victim = await choose();
    return {
      detail: `${victim} leaves and its data is deleted; an empty node joins at the end`,
      nodes: [victim],
      run: async () => cluster.removeNode?.(victim),
      undo: async () => {
        await cluster.addNode?.();
      },
    };
  },
);

const replaceOne = operation('replace a node', JOIN_MS, noSpare, async ({ cluster }, choose) => {
  const victim = await choose();
  let added: NodeHandle | undefined;
  return {
    detail: `a new node takes the place of ${victim}, and ${victim} that of the new one at the end`,
    nodes: [victim],
    run: async () => {
      added = await cluster.addNode?.(victim);
    },
    undo: async () => {
      if (added !== undefined) await cluster.addNode?.(added.id);
    },
  };
});

const transfers = operation(
  'leadership transfers',
  TRANSFERS_MS,
  ({ cluster, nodeCount }) => {
    if (nodeCount < 2) return 'there is one node';
    return cluster.transferLeadership === undefined ? 'leadership can not be handed over' : null;
  },
  async ({ cluster, note }, choose) => ({
    detail: `leadership is handed on every ${String(TRANSFER_EVERY_MS)} ms`,
    nodes: cluster.nodes.map((node) => node.id),
    out: [],
    run: async (signal) => {
      for (;;) {
        const leader = (await cluster.leader())?.id;
        const to = await choose();
        // One that is refused, because the other one is behind for example, changes nothing.
        if (to !== leader) await cluster.transferLeadership?.(to).catch((error: Error) => note(error.message));
        await pause(TRANSFER_EVERY_MS, signal);
      }
    },
  }),
);

/** Each node in turn, the next one when the one before is ready. It always comes to its end. */
async function inTurn({ cluster }: NemesisContext, before: (node: NodeHandle) => void): Promise<void> {
  for (const node of [...cluster.nodes]) {
    if (node.running) await node.stop();
    before(node);
    await node.start();
    await cluster.ready(READY_TIMEOUT_MS);
  }
}

const rollingRestart = operation(
  'rolling restart',
  ROLLING_MS,
  () => null,
  async (context) => ({
    detail: 'each node in turn: SIGTERM, and started again',
    nodes: context.cluster.nodes.map((node) => node.id),
    out: [],
    run: () => inTurn(context, () => {}),
  }),
);

/** Builds by the clusters that have been upgraded to them. */
const upgradedTo = new WeakMap<object, number>();

const rollingUpgrade = operation(
  'rolling upgrade',
  ROLLING_MS,
  ({ cluster }) => ((cluster.builds?.length ?? 1) > 1 ? null : 'there is one build: name another one'),
  async (context) => {
    const { cluster } = context;
    const at = (upgradedTo.get(cluster) ?? 0) + 1;
    const build = cluster.builds?.[at];
    // Only ever to the next one: going back is not promised.
    if (build === undefined) return null;
    upgradedTo.set(cluster, at);
    return {
      detail: `each node in turn: SIGTERM, and started with ${build}`,
      nodes: cluster.nodes.map((node) => node.id),
      out: [],
      run: () => inTurn(context, (node) => cluster.setBuild?.(node.id, build)),
    };
  },
);

/** What operators do. */
export const MEMBERS: readonly Nemesis[] = [addOne, removeOne, replaceOne, transfers, rollingRestart, rollingUpgrade];
