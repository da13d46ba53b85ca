import { FULL_QUEUE_POLICIES, type Limits, SHARED_STRATEGIES } from '@quorate/broker';
import { members } from '@quorate/consensus';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import { anyNode, type FaultContext, type Faults } from './context.ts';

/** What operators do, at the worst of times. */
export const MEMBER_FAULTS: Faults = {
  'leadership transfer': {
    weight: 2,
    inject: (context) => {
      const to = context.rng.chance(0.3) ? null : anyNode(context).id;
      context.operators.ask(anyNode(context), { kind: 'transfer', to });
    },
  },
  'node joined': { weight: 4, inject: (context) => join(context, true, false) },
  'learner joined': { weight: 1, inject: (context) => join(context, false, false) },
  'node replaced': { weight: 2, inject: (context) => join(context, true, true) },
  'node removed': { weight: 3, inject: remove },
  'settings changed': { weight: 2, inject: changeSettings },
  'removed node started again': {
    weight: 1,
    inject: ({ cluster, rng, configurations }) => {
      const { current } = configurations;
      const strangers = cluster.machines.filter(
        (node) => cluster.wasUsed(node) && !node.running && current !== null && !members(current).includes(node.id),
      );
      if (strangers.length > 0) cluster.use(rng.pick(strangers));
    },
  },
};

/** Any change of who is a member. */
export function changeMembers(context: FaultContext): void {
  const way = context.rng.unit();
  if (way < 0.4) remove(context);
  else join(context, way < 0.8, way < 0.6);
}

/** With fewer, a single machine that is away stops everything, and nothing else is seen. */
const LEAST_VOTERS = 2;
const MOST_VOTERS = 7;

function join(context: FaultContext, voter: boolean, replace: boolean): void {
  const { cluster, configurations, operators, rng, world } = context;
  const { current } = configurations;
  if (current === null || current.voters.length >= MOST_VOTERS) return;
  const strangers = cluster.machines.filter(({ id }) => !members(current).includes(id));
  if (strangers.length === 0) return;
  const node: SimulatedNode = rng.pick(strangers);
  // Sometimes a machine is used again with what it had.
  if (cluster.wasUsed(node) && rng.chance(0.5) && !cluster.isLastToKnow(node)) node.wipe();
  cluster.use(node);
  const replaces = replace ? rng.pick(current.voters) : null;
  world.after(rng.skewed(10, 2_000), () => operators.join(anyNode(context), node.id, voter, replaces));
}

function remove(context: FaultContext): void {
  const { configurations, operators, rng, cluster } = context;
  const { current } = configurations;
  if (current === null) return;
  const id = rng.pick(members(current));
  if (current.voters.includes(id) && current.voters.length <= LEAST_VOTERS) return;
  const off = rng.chance(0.6);
  operators.remove(anyNode(context), id, () => {
    if (off) cluster.retire(cluster.node(id));
  });
}

/** Far above what clients ever reach: what is refused at a limit, and to whom that is said, is not what seeds are to find out. */
const OUT_OF_REACH = 100_000;

/** Some of the settings of the cluster; how much a member of a share group may hold is one that matters at once. */
function changeSettings({ cluster, operators, rng }: FaultContext): void {
  const serving = cluster.nodes.filter(({ replica }) => replica?.broker.serving);
  if (serving.length === 0) return;
  const node = rng.pick(serving);
  const way = rng.unit();
  if (way < 0.4) return operators.changeStrategy(node, rng.pick(SHARED_STRATEGIES));
  const limits: Partial<Limits> = {
    sharedInflightPerSession: rng.pick([1, 2, 16, 1_024]),
    ...(way < 0.7 && { retainedMessages: OUT_OF_REACH + rng.below(OUT_OF_REACH) }),
  };
  const policy = rng.chance(0.5) ? { fullQueuePolicy: rng.pick(FULL_QUEUE_POLICIES) } : {};
  operators.changeLimits(node, { limits, ...policy });
}
