import { type Mutant, mutant } from './mutant.ts';

const CORE = 'packages/consensus/src/core.ts';
const ELECTION = 'packages/consensus/src/election.ts';
const FOLLOWING = 'packages/consensus/src/following.ts';
const LOG = 'packages/consensus/src/log.ts';
const OUTBOX = 'packages/consensus/src/outbox.ts';
const READS = 'packages/consensus/src/read-index.ts';
const REPLICATION = 'packages/consensus/src/replication.ts';
const ROLES = 'packages/consensus/src/roles.ts';
const SNAPSHOT = 'packages/consensus/src/snapshot.ts';
const MEMBERSHIP = 'packages/consensus/src/membership.ts';

/** Bugs of the Raft core. */
export const CONSENSUS: readonly Mutant[] = [
  mutant(
    'vote-not-written',
    'a vote is durable before it is given',
    OUTBOX,
    'hardState: this.#hardStateDirty ? hardState : null }',
    'hardState: this.#hardStateDirty ? { ...hardState, vote: null } : null }',
  ),
  mutant(
    'term-not-written',
    'term and vote are durable before they are told',
    OUTBOX,
    'hardState: this.#hardStateDirty ? hardState : null }',
    'hardState: null }',
  ),
  mutant(
    'vote-for-shorter-log',
    'a vote goes only to a log that is as up to date',
    ELECTION,
    'return state.log.isUpToDate(request.lastIndex, request.lastTerm);',
    'return true;',
  ),
  mutant(
    'two-votes-in-a-term',
    'one vote per term',
    ELECTION,
    'const free = state.vote === from || (state.vote === null && state.leader === null);',
    'const free = state.leader === null;',
  ),
  mutant(
    'old-term-committed-by-counting',
    'only an entry of the own term is committed by counting (figure 8)',
    REPLICATION,
    'if (index <= state.commitIndex || log.termAt(index) !== state.term) return;',
    'if (index <= state.commitIndex) return;',
  ),
  mutant(
    'commit-by-one-less',
    'a majority holds what is committed',
    'packages/consensus/src/configuration.ts',
    'return values[majority(half.length) - 1] as number;',
    'return values[Math.max(majority(half.length) - 2, 0)] as number;',
  ),
  mutant(
    'heartbeat-commits-unmatched',
    'a heartbeat tells no commit beyond what the follower is known to hold',
    REPLICATION,
    'const commitIndex = Math.min(state.commitIndex, progress.matchIndex);',
    'const { commitIndex } = state;',
  ),
  mutant(
    'append-commits-unchecked-suffix',
    'an append commits nothing behind its last entry',
    FOLLOWING,
    'commitTo(state, Math.min(request.commitIndex, lastNewIndex));',
    'commitTo(state, Math.min(request.commitIndex, log.lastIndex));',
  ),
  mutant(
    'ack-of-unchecked-suffix',
    'a follower acknowledges only what it has compared',
    FOLLOWING,
    'Math.max(lastNewIndex, state.commitIndex)), log);',
    'log.lastIndex), log);',
  ),
  mutant(
    'short-append-truncates',
    'a delayed, shorter append does not truncate what was acknowledged',
    FOLLOWING,
    '  const skipped = Math.max(log.baseIndex - request.prevIndex, 0);\n',
    `  const skipped = Math.max(log.baseIndex - request.prevIndex, 0);
  if (lastNewIndex >= state.commitIndex && lastNewIndex >= state.appliedIndex && lastNewIndex < log.lastIndex) {
    log.truncateFrom(lastNewIndex + 1);
    state.configurations.truncateFrom(lastNewIndex + 1);
  }
`,
  ),
  mutant(
    'conflict-not-truncated-on-disk',
    'entries rewritten while their write is in flight are not durable',
    LOG,
    '    for (const write of this.#writing) write.lastIndex = Math.min(write.lastIndex, index - 1);\n  }\n\n  /** Hands',
    '  }\n\n  /** Hands',
  ),
  mutant(
    'stable-after-truncation',
    'what is truncated is not durable any more',
    LOG,
    '    this.#stableIndex = Math.min(this.#stableIndex, index - 1);\n    this.#unwrittenIndex',
    '    this.#unwrittenIndex',
  ),
  mutant(
    'committed-before-durable-here',
    'nothing is applied that this node has not on disk',
    CORE,
    'return Math.max(state.handedIndex, Math.min(state.commitIndex, state.log.stableIndex));',
    'return Math.max(state.handedIndex, state.commitIndex);',
  ),
  mutant(
    'own-write-counted-early',
    'the leader counts itself only with what is on its disk',
    REPLICATION,
    'id === state.id ? log.stableIndex :',
    'id === state.id ? log.lastIndex :',
  ),
  mutant(
    'conflict-hint-too-far',
    'a rejected probe goes back',
    REPLICATION,
    'progress.probe(Math.min(hint.index, rejectedIndex - 1) + 1, state.nowMs);',
    'progress.probe(Math.min(hint.index, rejectedIndex - 1) + 2, state.nowMs);',
  ),
  mutant(
    'reads-before-first-commit',
    'a new leader answers reads only after the first commit of its term',
    READS,
    'if (!termCommitted(state)) {\n    leadership.earlyReads',
    'if (state.commitIndex < 0) {\n    leadership.earlyReads',
  ),
  mutant(
    'read-without-quorum',
    'a read needs a quorum that still follows',
    READS,
    'if (read.round > confirmed) break;',
    'if (read.round > Math.max(confirmed, leadership.round)) break;',
  ),
  mutant(
    'read-of-an-earlier-round',
    'only answers to the round of a read or a later one count for it',
    READS,
    'if (read.round > confirmed) break;',
    'if (read.round > confirmed + 1) break;',
  ),
  mutant(
    'configuration-when-applied',
    'a configuration is in force from the moment it is in the log',
    ROLES,
    'for (const entry of entries) if (state.configurations.append(entry)) changed = true;',
    'for (const entry of entries) if (state.leadership !== null && state.configurations.append(entry)) changed = true;',
  ),
  mutant(
    'no-joint-configuration',
    'two sets of voters decide together on the way from one to the other',
    MEMBERSHIP,
    'if (isSameSet(current.voters, wanted.voters)) {',
    'if (isSameSet(current.voters, wanted.voters) || wanted.voters.length > 0) {',
  ),
  mutant(
    'change-without-asking',
    'a change of voters begins when those it needs have answered',
    MEMBERSHIP,
    'if (!hasQuorum(between, (id) => id === state.id || answered(id))) return;',
    'if (!hasQuorum(between, (id) => id === state.id || answered(id)) && round < 0) return;',
    'test/unit/consensus/transcripts.test.ts',
  ),
  mutant(
    'answer-outlives-connection',
    'what a voter answered counts for a change of voters until its connection closes',
    REPLICATION,
    '  if (progress !== undefined) progress.answeredRound = 0;\n',
    '',
    'test/unit/consensus/transcripts.test.ts',
  ),
  mutant(
    'tag-changes-with-vote',
    'a tag does not change in the change that takes a vote',
    MEMBERSHIP,
    '    if (isVoter(current, id)) return `${id} has a vote, which no other node of this name can have: take it back first`;\n',
    '',
    'test/unit/consensus/transcripts.test.ts',
  ),
  mutant(
    'truncated-configuration-kept',
    'a configuration that is truncated is not in force any more',
    FOLLOWING,
    '      state.configurations.truncateFrom(entry.index);\n',
    '',
  ),
  mutant(
    'snapshot-keeps-uncommitted-configuration',
    'a snapshot in place of a conflicting log takes its configurations along',
    SNAPSHOT,
    'state.configurations.install(index, configuration, agrees);',
    'state.configurations.install(index, state.configurations.current, agrees);',
  ),
];
