import { isMember } from '@quorate/consensus';
import type { SimulatedNode } from '../cluster/simulated-node.ts';
import type { FaultContext, Faults } from './context.ts';
import { changeMembers } from './members.ts';

/** How often a leader is looked at that is to be cut off at the right moment, and how many times. */
const LOOK_MS = 10;
const LOOKS = 400;
/** A change that was asked for has begun by then, or there is none. */
const EXPECTED_WITHIN_MS = 5_000;

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
  // What it has of the change is perhaps nowhere else, and truncated when it comes back.
  'leader cut off in a membership change': {
    weight: 2,
    inject: (context) => {
      const { cluster, rng, later } = context;
      // The others take their time, or the change is committed before anybody looks.
      for (const node of cluster.nodes) {
        if (node === leaderOf(context)) continue;
        node.disk.setProfile({ fastestMs: 30, slowestMs: rng.between(50, 150) });
        later(4_000, 6_000, () => cluster.normalDisk(node));
      }
      changeMembers(context);
      cutOffInChange(context, LOOKS);
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

/** At the moment at which it appends the configuration, or when others have it already. */
function cutOffInChange(context: FaultContext, looks: number): void {
  const { cluster, rng, later } = context;
  const cutOff = (leader: SimulatedNode, confided: number): void => {
    isolateMostly(context, leader, confided);
    // For so long that the others have another leader by then, whose entry takes that place.
    const awayMs = rng.between(1_500, 4_000);
    later(awayMs, awayMs, () => unblock(context, leader));
    // Without whom the next leader does not begin the same change at once, which would hide what became of this one.
    for (const node of newcomers(context, leader)) {
      node.crash(0);
      later(awayMs + 1_000, awayMs + 5_000, () => node.start());
    }
  };
  if (rng.chance(0.7)) {
    let over = false;
    later(EXPECTED_WITHIN_MS, EXPECTED_WITHIN_MS, () => {
      over = true;
    });
    cluster.onChangeBegun((leader) => {
      if (!over) cutOff(leader, 0.1);
    });
    return;
  }
  const look = (left: number): void => {
    const leader = leaderOf(context);
    if (leader?.replica?.status.configurationCommitted === false) cutOff(leader, 0.3);
    else if (left > 0) later(LOOK_MS, LOOK_MS + rng.unit(), () => look(left - 1));
  };
  look(looks);
}

/** Nodes that are members only by what `leader` has appended. */
function newcomers({ cluster, configurations }: FaultContext, leader: SimulatedNode): SimulatedNode[] {
  const { current } = configurations;
  const wanted = leader.replica?.status.configuration;
  if (current === null || wanted === undefined) return [];
  return cluster.machines.filter(({ id }) => isMember(wanted, id) && !isMember(current, id));
}

/** @param confided how likely one of the others still hears it: what it appends then is on two nodes */
function isolateMostly(context: FaultContext, leader: SimulatedNode, confided: number): void {
  const { cluster, rng } = context;
  const others = cluster.nodes.filter((node) => node !== leader);
  isolate(context, leader, rng.chance(confided) && others.length > 0 ? rng.pick(others) : null);
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
  const { rng, later } = context;
  const way = rng.unit();
  if (way < 0.2) {
    leader.crash(rng.below(3), rng.chance(0.2));
    later(20, 3_000, () => leader.start());
  } else if (way < 0.4) {
    leader.pause();
    later(100, 4_000, () => leader.resume());
  } else {
    isolateMostly(context, leader, 0.6);
    later(300, 4_000, () => unblock(context, leader));
  }
}

export function isolate({ cluster }: FaultContext, node: SimulatedNode, except: SimulatedNode | null = null): void {
  for (const other of cluster.machines) {
    if (other === node || other === except) continue;
    cluster.block(node.id, other.id);
    cluster.block(other.id, node.id);
  }
}

export function unblock({ cluster }: FaultContext, node: SimulatedNode): void {
  for (const other of cluster.machines) {
    if (other === node) continue;
    cluster.unblock(node.id, other.id);
    cluster.unblock(other.id, node.id);
  }
}
