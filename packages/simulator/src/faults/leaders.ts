import type { SimulatedNode } from '../cluster/simulated-node.ts';
import type { FaultContext, Faults } from './context.ts';

/** What happens to whoever leads at the moment: logs that differ, and leaders who do not know that they are none, come of it. */
export const LEADER_FAULTS: Faults = {
  'leaders fall in a row': {
    weight: 3,
    inject: (context) => {
      chase(context, 2 + context.rng.below(5));
    },
  },
  // It hands on what it can not write, and writes what is not valid any more.
  'leader cut off with a stalled disk': {
    weight: 2,
    inject: (context) => {
      const leader = leaderOf(context);
      if (leader === undefined) return;
      const { later } = context;
      leader.disk.hold();
      isolate(context, leader);
      later(300, 3_000, () => unblock(context, leader));
      later(500, 5_000, () => leader.disk.proceed());
    },
  },
  'majority of slow disks': {
    weight: 1,
    inject: ({ cluster, rng, later }) => {
      const { nodes } = cluster;
      for (const node of nodes.slice(0, Math.floor(nodes.length / 2) + 1)) {
        node.disk.setProfile({ fastestMs: 50, slowestMs: rng.between(100, 400) });
        later(1_000, 6_000, () => cluster.normalDisk(node));
      }
    },
  },
};

/** Of several that believe to lead, the one of the highest term. */
function leaderOf({ cluster }: FaultContext): SimulatedNode | undefined {
  const termOf = ({ replica }: SimulatedNode): number => replica?.status.term ?? 0;
  const leaders = cluster.nodes.filter((node) => !node.paused && node.replica?.status.role === 'leader');
  return leaders.sort((a, b) => termOf(b) - termOf(a))[0];
}

/** One leader after the other falls, as soon as there is a next one, and comes back while others do. */
function chase(context: FaultContext, rounds: number): void {
  if (rounds === 0) return;
  context.later(100, 2_500, () => {
    const leader = leaderOf(context);
    if (leader !== undefined) fell(context, leader);
    chase(context, rounds - 1);
  });
}

function fell(context: FaultContext, leader: SimulatedNode): void {
  const { cluster, rng, later } = context;
  const way = rng.unit();
  if (way < 0.2) {
    leader.crash(rng.below(3), rng.chance(0.2));
    later(20, 3_000, () => leader.start());
  } else if (way < 0.4) {
    leader.pause();
    later(100, 4_000, () => leader.resume());
  } else {
    // Mostly one follower still hears it: what it appends then is on two nodes.
    const others = cluster.nodes.filter((node) => node !== leader);
    const confidant = rng.chance(0.6) && others.length > 0 ? rng.pick(others) : null;
    isolate(context, leader, confidant);
    later(300, 4_000, () => unblock(context, leader));
  }
}

function isolate({ cluster }: FaultContext, node: SimulatedNode, except: SimulatedNode | null = null): void {
  for (const other of cluster.machines) {
    if (other === node || other === except) continue;
    cluster.block(node.id, other.id);
    cluster.block(other.id, node.id);
  }
}

function unblock({ cluster }: FaultContext, node: SimulatedNode): void {
  for (const other of cluster.machines) {
    if (other === node) continue;
    cluster.unblock(node.id, other.id);
    cluster.unblock(other.id, node.id);
  }
}
