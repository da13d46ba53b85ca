export { type BatchHeader, beginBatch, forEachBatch, readBatchHeader } from './batch.ts';
export { ByteReader, ByteWriter } from './bytes.ts';
export { type CheckpointRecords, CheckpointTaker, takeCheckpoint } from './checkpoint.ts';
export { CommandType } from './command-frame.ts';
export * from './commands.ts';
export { DocumentCollection, type DocumentRecord, Documents } from './documents.ts';
export { InvariantError, invariant, NewerVersionError } from './invariant.ts';
export {
  DEFAULT_FULL_QUEUE_POLICY,
  defaultLimits,
  FULL_QUEUE_POLICIES,
  type FullQueuePolicy,
  LIMIT_NAMES,
  LIMIT_RANGES,
  type LimitName,
  type LimitRange,
  type Limits,
  StateLimits,
} from './limits.ts';
export { type AppliedEntry, StateMachine } from './machine.ts';
export {
  type MemberCommand,
  type MemberRecord,
  readMember,
  writeMember,
  writeMemberRemoved,
} from './member-commands.ts';
export { Message } from './message.ts';
export { type LogCursor, newCursor } from './message-log.ts';
export { ItemState, MessageQueue, PACKET_ID_SPAN, packetIdOf, type QueueItem, sequenceOf } from './queue.ts';
export { StateLoader } from './restore.ts';
export { RetainedMessages } from './retained.ts';
export { NEVER_EXPIRES, Session, type Subscription } from './session.ts';
export { changedSettings, type SettingsChange } from './settings.ts';
export { ShareGroup, type ShareMember } from './share-group.ts';
export { DEFAULT_SHARED_STRATEGY, hashOf, pick, SHARED_STRATEGIES, type SharedStrategy } from './share-strategy.ts';
export type { CommandResult, DocumentOutcome, DropReason, OwnershipLoss, RetainedRequest, StateSink } from './sink.ts';
export { type NodeRecord, State } from './state.ts';
export { type Matched, SubscriptionTable, type Target } from './subscription-table.ts';
export { FilterTree, NameTree } from './topic-tree.ts';
