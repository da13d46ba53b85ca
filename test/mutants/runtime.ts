import { type Mutant, mutant } from './mutant.ts';

const DRIVER = 'packages/node/src/raft/driver.ts';
const CLOCK = 'packages/node/src/raft/cluster-clock.ts';
const LEASE = 'packages/node/src/runtime/lease.ts';
const DUTIES = 'packages/node/src/runtime/leader-duties.ts';
const MEMBERS = 'packages/node/src/runtime/member-duties.ts';
const REGISTRATION = 'packages/node/src/runtime/registration.ts';
const OPERATIONS = 'packages/node/src/runtime/operations.ts';
const CHECKPOINTER = 'packages/node/src/runtime/checkpointer.ts';
const PEERS = 'packages/node/src/runtime/peers.ts';
const GATE = 'packages/node/src/runtime/proposal-gate.ts';
const FOUNDING = 'packages/node/src/runtime/founding.ts';

/** Bugs of the node around the core: driver, lease, duties, checkpoints, members. */
export const RUNTIME: readonly Mutant[] = [
  mutant(
    'answers-before-the-write',
    'votes and acknowledgements leave after the write that they promise',
    DRIVER,
    'for (const deferred of outputs.sendAfterWrite) this.afterWrite.push(deferred);',
    'for (const { send } of outputs.sendAfterWrite) this.send(send);',
  ),
  mutant(
    'cluster-time-by-local-clock',
    'cluster time goes on from the log, not from the clock of whoever leads',
    CLOCK,
    'this.baseMs = this.lastMs;\n    this.sinceMs = nowMs;\n  }\n\n  follow',
    'this.baseMs = Math.floor(nowMs);\n    this.sinceMs = nowMs;\n  }\n\n  follow',
  ),
  mutant(
    'lease-from-the-answer',
    'the lease counts from the question',
    LEASE,
    'this.#options.extend(round.askedAtMs + this.#options.leaseMs);',
    'this.#options.extend(this.#askedAtMs + this.#options.leaseMs);',
  ),
  mutant(
    'lease-before-applied',
    'the lease holds only with everything applied that was committed at the question',
    LEASE,
    'if (round.index > appliedIndex) continue;',
    'if (round.index > appliedIndex + 1_000_000) continue;',
  ),
  mutant(
    'node-given-up-within-its-lease',
    'a node is given up when its lease is over for certain',
    DUTIES,
    'const boundMs = this.#leaseMs * 2 + 500;',
    'const boundMs = this.#leaseMs / 3;',
  ),
  mutant(
    'reads-while-going-down',
    'who is being given up gets no lease meanwhile',
    DUTIES,
    'if (this.#goingDown.has(nodeId)) return false;',
    '',
  ),
  mutant(
    'gate-remembers-other-terms',
    'a new leader asks the state which batch of a node comes next',
    GATE,
    '    this.#admitted.clear();\n    this.#waiting = [];',
    '    this.#waiting = [];',
  ),
  mutant(
    'sum-after-a-missed-checkpoint',
    'a checkpoint that stands for more than that of the others is not compared',
    CHECKPOINTER,
    'afterMissed: this.#missed };',
    'afterMissed: false };',
  ),
  mutant(
    'checkpoint-without-configuration',
    'the configuration at a checkpoint is stored with it',
    CHECKPOINTER,
    'puts: [...puts, configuration], deletes',
    'puts: [...puts, configuration].slice(0, -1), deletes',
  ),
  mutant(
    'snapshot-with-an-old-configuration',
    'a snapshot carries the configuration at its index',
    CHECKPOINTER,
    '        this.#stored = facts;\n',
    '        this.#stored = { ...facts, configuration: this.#stored.configuration };\n',
  ),
  mutant(
    'no-tag-rule',
    'only the data directory that was let in answers for a member',
    PEERS,
    'return this.isAdmitted(from);',
    'return isMember(this.#options.configuration(), from);',
  ),
  mutant(
    'founded-without-hearing-all',
    'a cluster is founded when every member was heard and knows of none',
    FOUNDING,
    'bootstrapMembers[0] !== nodeId || this.missing.length > 0) return;',
    'bootstrapMembers[0] !== nodeId || this.missing.length * 2 > bootstrapMembers.length) return;',
  ),
  mutant(
    'founded-beside-another-cluster',
    'who knows of a cluster counts for the founding of no other',
    FOUNDING,
    "return known === undefined || known.founded || known.clusterId !== '' || this.#inCluster.has(id);",
    'return known === undefined;',
    'test/unit/node/runtime/founding.test.ts',
  ),
  mutant(
    'says-that-it-knows-of-no-cluster',
    'who knows of a cluster counts for the founding of no other',
    FOUNDING,
    'answerTo(question, this.unborn && !this.#writing)',
    'answerTo(question, true)',
    'test/unit/node/runtime/founding.test.ts',
  ),
  mutant(
    'readmitted-while-up',
    'a member is let in anew only when the cluster has given the old one up',
    MEMBERS,
    'if (peer === undefined || state.nodes.get(id)?.up === true) continue;',
    'if (peer === undefined) continue;',
  ),
  mutant(
    'member-record-forgotten',
    'a member that lost its vote gets it back',
    MEMBERS,
    "        this.putMember({ nodeId: id, peer: peer.peerAddress, voter: true, replaces: null });\n        return 'proposed';",
    '        this.putMember({ nodeId: id, peer: peer.peerAddress, voter: false, replaces: null });',
  ),
  mutant(
    'greater-starts-unnoticed',
    'a node whose stored state knows of greater starts than its own registers under one that is greater still',
    REGISTRATION,
    '    this.check();\n  }\n\n  stop',
    '  }\n\n  stop',
    'test/unit/node/runtime/replica-cluster.test.ts',
  ),
  mutant(
    'removed-only-if-recorded',
    'a removal takes away a record that is still on its way',
    OPERATIONS,
    '        duties.removeMember(nodeId, owner);\n',
    "        if (broker.machine.state.members.has(nodeId)) duties.removeMember(nodeId, owner);\n        else owner.commandApplied(0, 0, { kind: 'ok' });\n",
    'test/unit/node/runtime/operations.test.ts',
  ),
  mutant(
    'configurations-without-addresses',
    'whoever goes by a configuration finds its members',
    MEMBERS,
    'memberAddresses: Object.fromEntries(addresses)',
    'memberAddresses: addresses.length < 0 ? Object.fromEntries(addresses) : {}',
    'test/unit/node/runtime/member-duties.test.ts',
  ),
  mutant(
    'addresses-of-what-is-applied-only',
    'whoever goes by a configuration finds its members',
    PEERS,
    'addressOf(this.#options.configuration(), nodeId),',
    'addressOf(this.#options.configuration(), nodeId).slice(0, 0),',
    'test/unit/node/runtime/peers.test.ts',
  ),
  mutant(
    'founding-by-what-was-said-once',
    'no cluster is founded while a first member knows of one',
    FOUNDING,
    'if (!this.#round.complete()) return;',
    'this.#round.complete();',
    'test/unit/node/runtime/founding.test.ts',
  ),
  mutant(
    'founding-by-answers-of-before',
    'no cluster is founded while a first member knows of one',
    FOUNDING,
    'if (this.#options.bootstrapMembers.includes(peer)) this.#round.end();',
    'void peer;',
    'test/unit/node/runtime/founding.test.ts',
  ),
];
