import { anyNode, type FaultContext, type Faults } from './context.ts';

/** What happens between nodes. */
export const NETWORK_FAULTS: Faults = {
  'isolated node': {
    weight: 3,
    inject: (context) => {
      const { cluster, later } = context;
      const node = anyNode(context);
      for (const other of cluster.machines) {
        if (other === node) continue;
        cluster.block(node.id, other.id);
        cluster.block(other.id, node.id);
      }
      later(50, 10_000, () => cluster.unblockAll());
    },
  },
  'one-way partition': { weight: 3, inject: (context) => partition(context, true) },
  'partial partition': { weight: 3, inject: (context) => partition(context, false) },
  'reset between nodes': {
    weight: 4,
    inject: (context) => {
      for (let i = 1 + context.rng.below(4); i > 0; i--) {
        const [a, b] = [anyNode(context), anyNode(context)];
        if (a !== b) context.cluster.network.reset(a.id, b.id);
      }
    },
  },
  'broken bulk connections': {
    weight: 2,
    inject: ({ cluster, rng }) => {
      for (const a of cluster.nodes) {
        for (const b of cluster.nodes) if (a.id < b.id && rng.chance(0.7)) cluster.network.resetBulk(a.id, b.id);
      }
    },
  },
  'slow network': {
    weight: 2,
    inject: ({ cluster, rng, later }) => {
      cluster.network.setProfile({ fastestMs: 5, slowestMs: rng.skewed(20, 900) });
      later(200, 6_000, () => cluster.normalNetwork());
    },
  },
};

function partition(context: FaultContext, oneWay: boolean): void {
  const { cluster, rng, later } = context;
  for (let i = 1 + rng.below(3); i > 0; i--) {
    const [from, to] = [anyNode(context), anyNode(context)];
    if (from === to) continue;
    cluster.block(from.id, to.id);
    if (!oneWay) cluster.block(to.id, from.id);
    later(50, 9_000, () => {
      cluster.unblock(from.id, to.id);
      cluster.unblock(to.id, from.id);
    });
  }
}
