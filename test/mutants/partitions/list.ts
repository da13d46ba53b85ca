import { MUTANTS } from '../list.ts';
import { type Mutant, mutant } from '../mutant.ts';

/** A planted bug with the faults and the workloads under which clients can notice it. */
export interface Hunted {
  readonly mutant: Mutant;
  readonly nemeses: readonly string[];
  readonly workloads: readonly string[];
}

function hunted(name: string, nemeses: readonly string[], workloads: readonly string[]): Hunted {
  const mutant = MUTANTS.find((each) => each.name === name);
  if (mutant === undefined) throw new Error(`no mutant is called ${name}`);
  return { mutant, nemeses, workloads };
}

/**
 * Bugs, most of them of the simulator's list, that clients of real processes can notice. Not among them are those that need a power failure,
 * since a killed process leaves its writes to the kernel (`test/e2e/power-off`), those of the wait for the lease of a former owner,
 * who cut off from the others has nothing new to tell its clients, those of what is restored from a checkpoint, which in a short
 * run is little, and those that take a rare coincidence.
 */
export const HUNTED: readonly Hunted[] = [
  hunted('acknowledged-when-proposed', ['kill one', 'isolate leader'], ['queue', 'exactly-once', 'register']),
  hunted('qos2-published-twice', ['kill one', 'clients cut off'], ['exactly-once', 'order']),
  hunted('sent-again-without-dup', ['kill one', 'clients cut off'], ['queue', 'order']),
  hunted('batches-skipped-on-resend', ['kill leader', 'packet loss'], ['queue', 'order']),
  hunted('former-owner-still-known', ['flapping links', 'isolate one'], ['ownership', 'queue']),
  hunted('shared-not-taken-back', ['kill one', 'clients cut off'], ['shared']),
  {
    mutant: mutant(
      'settings-of-some-nodes',
      'all nodes go by the settings of the cluster from the same place in the log on',
      'packages/broker/src/state/settings.ts',
      '  state.dirty.settings = true;\n',
      '  state.dirty.settings = true;\n  if (Math.random() < 0.2) return;\n',
    ),
    nemeses: ['changed settings'],
    workloads: ['shared', 'queue'],
  },
  hunted('session-ends-with-its-node', ['kill one'], ['queue', 'exactly-once']),
  {
    mutant: mutant(
      'wills-lost-with-their-node',
      'when a node is given up the wills of its clients are published',
      'packages/broker/src/state/session-lifecycle.ts',
      "    sink.ownershipLost(session, nodeId, session.epoch, 'nodeDown', 0, null);\n",
      "    sink.ownershipLost(session, nodeId, session.epoch, 'nodeDown', 0, null);\n    session.will = null;\n",
    ),
    nemeses: ['kill one'],
    workloads: ['wills', 'queue'],
  },
  hunted('commit-by-one-less', ['isolate leader', 'kill leader'], ['queue', 'register']),
];
