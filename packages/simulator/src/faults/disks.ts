import { hasQuorum, tagOf } from '@quorate/consensus';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import { anyNode, type FaultContext, type Faults } from './context.ts';

/** What happens to disks, and to what is on them. */
export const DISK_FAULTS: Faults = {
  'slow disk': {
    weight: 2,
    inject: (context) => {
      const node = anyNode(context);
      node.disk.setProfile({ fastestMs: 5, slowestMs: context.rng.skewed(30, 800) });
      context.later(200, 8_000, () => context.cluster.normalDisk(node));
    },
  },
  'stalled disk': {
    weight: 2,
    inject: (context) => {
      const node = anyNode(context);
      node.disk.hold();
      context.later(50, 7_000, () => node.disk.proceed());
    },
  },
  'failed write': {
    weight: 1,
    inject: (context) => {
      const node = anyNode(context);
      if (!node.running) return;
      node.mayFail = true;
      node.disk.failNext();
    },
  },
  'full disk': {
    weight: 2,
    inject: (context) => {
      const node = anyNode(context);
      node.disk.fill();
      context.later(50, 8_000, () => node.disk.makeRoom());
    },
  },
  'wiped disk': { weight: 3, inject: (context) => lose(context, 'wiped', (node) => wipe(node)) },
  'damaged log': { weight: 2, inject: (context) => lose(context, 'log damaged', (node) => damageLog(context, node)) },
  'damaged state': {
    weight: 2,
    inject: (context) => lose(context, 'state damaged', (node) => damageState(context, node)),
  },
  'lost tail of the log': {
    weight: 2,
    inject: (context) => lose(context, 'tail lost', (node) => loseTail(context, node)),
  },
  'damaged snapshot': {
    weight: 2,
    inject: ({ rng, cluster, world }) => {
      for (const { disk } of cluster.nodes) {
        for (const { id, sizeBytes } of disk.snapshots()) {
          if (rng.chance(0.5) && disk.corruptSnapshot(id, rng.below(sizeBytes))) world.count('snapshots damaged');
        }
      }
    },
  },
};

/** Its machine is gone with all that was on it; an empty one comes in its place. */
function wipe(node: SimulatedNode): boolean {
  node.wipe();
  return true;
}

function damageLog({ rng }: FaultContext, node: SimulatedNode): boolean {
  const indexes = [...node.disk.durableLog.entries.keys()];
  return indexes.length > 0 && node.disk.corruptLog(rng.pick(indexes));
}

function damageState({ rng }: FaultContext, node: SimulatedNode): boolean {
  const keys = node.disk.stateKeys();
  if (keys.length === 0 || rng.chance(0.2)) return node.disk.corruptState('position');
  return node.disk.corruptState(rng.pick(keys));
}

/** So much that it shows: no store can see that entries are missing which it did not know to be durable. */
function loseTail({ rng }: FaultContext, node: SimulatedNode): boolean {
  const { lastIndex, knownIndex, compactedIndex } = node.disk.extent();
  if (knownIndex <= compactedIndex) return false;
  const unseen = Math.max(0, lastIndex - knownIndex);
  return node.disk.loseTail(unseen + 1 + rng.below(Math.min(20, knownIndex - compactedIndex))) > unseen;
}

/**
 * A node loses what it had, all of it or some. Never when no majority of the members would have everything that was
 * acknowledged: nothing could bring that back, and nothing promises it. Nor the last of the first members that has anything.
 */
function lose(context: FaultContext, what: string, damage: (node: SimulatedNode) => boolean): void {
  const { world, rng, later } = context;
  const node = anyNode(context);
  if (!mayLose(context, node)) {
    world.count('losses left out for want of a majority');
    return;
  }
  node.crash(rng.below(3), rng.chance(0.2));
  node.rememberLog();
  if (damage(node)) {
    world.note('fault', what, node.id);
    world.count(`  ${what}`);
    if (what !== 'wiped') node.mayDoubt = true;
  }
  later(20, 10_000, () => node.start());
}

function mayLose({ cluster, configurations }: FaultContext, node: SimulatedNode): boolean {
  if (cluster.isLastToKnow(node)) return false;
  const inForce = configurations.inForce();
  // A learner's vote may be on its way: given by what it answered when it had its data, it is counted on when it has not.
  const soon = inForce.map((each) => ({ ...each, voters: [...each.voters, ...each.learners], learners: [] }));
  return [...inForce, ...soon].every((configuration) =>
    hasQuorum(configuration, (id) => {
      const other = cluster.node(id);
      return other !== node && !other.mayDoubt && other.directoryId === tagOf(configuration, id);
    }),
  );
}
