import { anyNode, type FaultContext, type Faults } from './context.ts';

const LONGEST_JUMP_MS = 60_000;

/** What happens to processes and the clocks of their machines. */
export const PROCESS_FAULTS: Faults = {
  'crash of a node': {
    weight: 4,
    inject: (context) => {
      const node = anyNode(context);
      node.crash(context.rng.below(3), context.rng.chance(0.2));
      context.later(20, 8_000, () => node.start());
    },
  },
  'node away for long': {
    weight: 2,
    inject: (context) => {
      const node = anyNode(context);
      node.crash(context.rng.below(3), context.rng.chance(0.2));
      context.later(5_000, 40_000, () => node.start());
    },
  },
  'crash of a majority': { weight: 1, inject: (context) => crashMany(context, false) },
  'crash of all nodes': { weight: 1, inject: (context) => crashMany(context, true) },
  'paused process': {
    weight: 4,
    inject: (context) => {
      const node = anyNode(context);
      node.pause();
      context.later(20, 8_000, () => node.resume());
    },
  },
  'clock jump': {
    weight: 1,
    inject: (context) => {
      const node = anyNode(context);
      node.jumpClock(context.rng.skewed(1, LONGEST_JUMP_MS));
    },
  },
  'orderly stop': {
    weight: 2,
    inject: (context) => {
      anyNode(context).drain(context.rng.skewed(50, 6_000));
    },
  },
};

function crashMany({ rng, cluster, later }: FaultContext, all: boolean): void {
  const { nodes } = cluster;
  let left = all ? nodes.length : Math.floor(nodes.length / 2) + 1;
  for (const node of nodes) {
    if (left-- <= 0) break;
    node.crash(rng.below(3), rng.chance(0.5));
    later(20, 4_000, () => node.start());
  }
}
