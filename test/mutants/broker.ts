import { type Mutant, mutant } from './mutant.ts';

const BROKER = 'packages/broker/src/broker.ts';
const PROPOSER = 'packages/broker/src/proposer.ts';
const FENCING = 'packages/broker/src/fencing.ts';
const INCOMING = 'packages/broker/src/connection/incoming.ts';
const OUTGOING = 'packages/broker/src/connection/outgoing.ts';
const MACHINE = 'packages/broker/src/state/machine.ts';
const STATE = 'packages/broker/src/state/state.ts';
const LIFECYCLE = 'packages/broker/src/state/session-lifecycle.ts';
const COMMANDS = 'packages/broker/src/state/session-commands.ts';
const SHARING = 'packages/broker/src/state/sharing.ts';
const SHARED_DELIVERIES = 'packages/broker/src/connection/shared-deliveries.ts';
const MEMBERS = 'packages/broker/src/state/members.ts';
const ROUTING = 'packages/broker/src/state/routing.ts';
const CHECKPOINT = 'packages/broker/src/state/checkpoint.ts';
const RESTORE = 'packages/broker/src/state/restore.ts';

/** Bugs of the broker: proposals, ownership, exchanges with clients, the state machine and its checkpoints. */
export const BROKER_MUTANTS: readonly Mutant[] = [
  mutant(
    'acknowledged-when-proposed',
    'PUBACK leaves when the message is committed',
    INCOMING,
    'else broker.proposer.added(connection, qos === 1 ? Proposed.publish1 : Proposed.publish2, packetId);',
    `else {
      if (qos === 1) connection.sendAck('puback', packetId, ReasonCode.success);
      broker.proposer.added(qos === 1 ? broker.unowned : connection, Proposed.publish2, packetId);
    }`,
  ),
  mutant(
    'pubrel-before-pubrec-commits',
    'PUBREL leaves when the PUBREC is committed',
    OUTGOING,
    'this.#flights.set(sequence, Flight.committingPubrec);',
    'this.#sendPubrel(sequence);',
  ),
  mutant(
    'sent-again-without-dup',
    'what may have been sent by an earlier owner is sent with DUP',
    LIFECYCLE,
    'session.maybeSentBefore = Math.max(session.maybeSentBefore, sentBefore);',
    'session.maybeSentBefore = Math.min(session.maybeSentBefore, sentBefore);',
  ),
  mutant(
    'qos2-published-twice',
    'a repeated QoS 2 PUBLISH is not delivered again',
    COMMANDS,
    'if (session.incoming.has(packetId)) return MATCHED;',
    '',
  ),
  {
    name: 'batch-applied-twice',
    breaks: 'every batch is applied once',
    edits: [
      {
        file: MACHINE,
        search: 'if (!known.up || header.sequence !== known.lastSequence + 1) return false;',
        replace: 'if (!known.up || header.sequence > known.lastSequence + 1) return false;',
      },
      // In front of the log it would be found too.
      {
        file: 'packages/node/src/runtime/proposal-gate.ts',
        search: 'return known !== undefined && known.up && sequence === known.lastSequence + 1;',
        replace: 'return known !== undefined && known.up && sequence <= known.lastSequence + 1;',
      },
    ],
  },
  mutant(
    'batches-not-sent-again',
    'what was lost on its way to the leader is sent again',
    PROPOSER,
    '      batch.sentAtMs = nowMs;\n      this.#environment.transmit(batch.bytes);',
    '      batch.sentAtMs = nowMs;',
  ),
  mutant(
    'batches-skipped-on-resend',
    'what is sent again is sent from the oldest on',
    PROPOSER,
    'for (const batch of this.#unapplied) {\n      batch.sentAtMs',
    'for (const batch of this.#unapplied.slice(1)) {\n      batch.sentAtMs',
  ),
  mutant(
    'former-owner-still-known',
    'commands under the epoch of a connection that lost its session have no effect',
    STATE,
    '    this.live.delete(session.epoch);\n',
    '',
  ),
  mutant(
    'fence-without-waiting',
    'a session is served when its former owner has let go, or its lease is over',
    FENCING,
    'if (this.#early.delete(epoch)) return done();',
    'if (this.#early.delete(epoch) || previousOwner !== this.#nodeId) return done();',
  ),
  mutant(
    'fence-too-short',
    'the lease of the former owner is waited out',
    FENCING,
    '    this.#fences.set(epoch, { deadlineMs, waiting: [done] });\n  }\n\n  /** Nobody has',
    '    this.#fences.set(epoch, { deadlineMs: deadlineMs - this.#leaseWaitMs, waiting: [done] });\n  }\n\n  /** Nobody has',
  ),
  mutant(
    'released-behind-a-fence',
    'who waits for an owner itself lets go only when that one has',
    FENCING,
    'if (fence === undefined) this.#environment.sendReleased(newOwner, newEpoch);',
    'if (fence === undefined || newEpoch > 0) this.#environment.sendReleased(newOwner, newEpoch);',
  ),
  mutant(
    'local-heir-of-a-fence-does-not-wait',
    'a second connection of a node waits for what the first one waited for',
    FENCING,
    'if (inherited === undefined) return done();',
    'if (inherited === undefined || inherited.deadlineMs > 0) return done();',
  ),
  mutant(
    'local-time-in-the-state',
    'the state knows the time of the log only',
    BROKER,
    '    this.machine.apply(entry);\n',
    '    this.machine.apply({ ...entry, stampMs: Math.max(entry.stampMs, Math.floor(this.environment.nowMs())) });\n',
  ),
  mutant(
    'order-of-lost-connections',
    'what happens to the sessions of a lost node happens in one order',
    LIFECYCLE,
    'const sessions = [...owned].sort((a, b) => a.number - b.number);',
    'const sessions = [...owned];',
  ),
  // It takes two retained topics that changed in another order than they came up in, and a subscription to both: no client of
  // the simulator asks for that again and again.
  mutant(
    'order-of-retained-messages',
    'retained messages come in the order of the log',
    COMMANDS,
    '  found.sort((a, b) => a.id - b.id);\n',
    '',
    'test/unit/broker/state/retained.test.ts',
  ),
  mutant(
    'settled-not-in-checkpoint',
    'a checkpoint holds what was acknowledged',
    COMMANDS,
    '  state.changingQueue(session);\n  const { ranges, received } = command;\n',
    '  const { ranges, received } = command;\n',
  ),
  mutant(
    'shared-not-taken-back',
    'what a member of a share group did not acknowledge goes to another',
    SHARING,
    'if (!keeps && session.held > 0) takeBack(',
    'if (keeps && session.held > 0) takeBack(',
  ),
  mutant(
    'shared-sent-before-begun',
    'a QoS 2 message of a share group is sent when it is in the log that it will be',
    SHARED_DELIVERIES,
    'return share !== 0 && qos === 2 && state === ItemState.queued;',
    'return share !== 0 && qos === 2 && state === ItemState.received;',
  ),
  mutant(
    'cleared-retained-not-in-checkpoint',
    'a checkpoint holds that a topic has no retained message any more',
    ROUTING,
    '      state.changingRetained(message.topic);\n      state.retained.delete(message.topic);',
    '      state.retained.delete(message.topic);',
  ),
  mutant(
    'settings-not-in-checkpoint',
    'a checkpoint holds the settings of the cluster',
    CHECKPOINT,
    'if (this.#changed.settings) {',
    'if (this.#changed.settings && state.appliedIndex < 0) {',
  ),
  mutant(
    'checkpoint-of-later-changes',
    'a checkpoint has the records of its place in the log',
    STATE,
    '    if (this.pending !== null) this.pending.keepSession(session);\n    this.dirty.sessions.add(session);',
    '    this.dirty.sessions.add(session);',
  ),
  mutant('timers-lost-at-restore', 'a restored session still expires', RESTORE, '    state.armTimers(session);\n', ''),
  mutant(
    'qos2-ids-lost-at-restore',
    'a restored session knows which QoS 2 messages it has',
    RESTORE,
    '    for (const packetId of cursor.incoming) session.incoming.add(packetId);\n',
    '',
  ),
  mutant(
    'will-lost-on-takeover',
    'the will of a connection that is taken over is published',
    LIFECYCLE,
    'if (previousOwner !== null && session.will?.delayIntervalSec === 0) publishWill(state, sink, session);\n',
    '',
  ),
  mutant(
    'session-ends-with-its-node',
    'a session outlives the node that served it',
    LIFECYCLE,
    '    dropConnection(state, sink, session, false);\n  }\n}',
    '    dropConnection(state, sink, session, false);\n    if (state.sessions.has(session.clientId) && session.willAtMs === Number.POSITIVE_INFINITY) endSession(state, session);\n  }\n}',
  ),
  mutant(
    'restored-without-fences',
    'after a snapshot a node does not know which leases still run',
    FENCING,
    '    this.clear();\n    this.#blindUntilMs = ',
    '    this.clear();\n    this.#blindUntilMs = Number.NEGATIVE_INFINITY + ',
  ),
  mutant(
    'members-of-an-earlier-leader',
    'what a leader says of the members is void when another leads by then',
    MEMBERS,
    '  if (command.term !== null && command.term !== term) return STALE;\n',
    '',
    'test/unit/broker/state/members.test.ts',
  ),
];
