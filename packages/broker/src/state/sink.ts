import type { QoS } from '@quorate/protocol';
import type { BatchHeader } from './batch.ts';
import type { DocumentRecord } from './documents.ts';
import type { Message } from './message.ts';
import type { Session } from './session.ts';
import type { Target } from './subscription-table.ts';

/** Why a connection is no longer its session's owner. */
export type OwnershipLoss = 'takenOver' | 'nodeDown';

/** Which limit a message fell to. */
export type DropReason = 'queueFull' | 'expired' | 'retainedQuotaExceeded' | 'shareQueueFull';

/**
 * What came of a document command. `unchanged`: there was nothing to delete. `conflict`: the document is not as the
 * command expected it. `tooMany`, `tooLarge`: a limit said no.
 */
export type DocumentOutcome = 'changed' | 'unchanged' | 'conflict' | 'tooMany' | 'tooLarge';

/** Outcome of one command for the node that proposed it. */
export type CommandResult =
  /** Done. */
  | { readonly kind: 'ok' }
  /** The epoch is not the session's current one: the connection has lost its session; no acknowledgement. */
  | { readonly kind: 'stale' }
  /** CONNECT: the cluster has as many sessions as it may. A member: there are as many as may be, or its strings are too long. */
  | { readonly kind: 'refused' }
  | {
      readonly kind: 'connected';
      readonly session: Session;
      readonly sessionPresent: boolean;
      /** The node whose connection was displaced, and which may not know it yet; null when there was none. */
      readonly previousOwner: string | null;
    }
  /** One reason code per filter. */
  | { readonly kind: 'reasonCodes'; readonly reasonCodes: readonly number[] }
  /** PUBREL: whether the Packet Identifier was known. */
  | { readonly kind: 'released'; readonly found: boolean }
  /** PUBLISH: whether any session matched. */
  | { readonly kind: 'published'; readonly matched: boolean }
  /** The revision that the document has now; null when there is none. */
  | { readonly kind: 'document'; readonly outcome: DocumentOutcome; readonly revision: number | null };

/** The retained messages that a SUBSCRIBE brings: those whose id is below `endId`, of the topics that `filter` matches. */
export interface RetainedRequest {
  readonly filter: string;
  readonly qos: QoS;
  readonly identifiers: readonly number[] | null;
  readonly endId: number;
}

/**
 * What the state machine tells the node it runs on, while it applies. Calls are made in log order and carry no
 * answer: nothing that a node does with them may reach back into the state.
 */
export interface StateSink {
  /** A batch begins; `accepted` is false when it is out of sequence and is skipped. */
  batchBegin(header: BatchHeader, accepted: boolean): void;
  /** One command of an accepted batch is applied. */
  commandResult(header: BatchHeader, result: CommandResult): void;
  batchEnd(header: BatchHeader, accepted: boolean): void;
  /** A message for a connected client that goes past the replicated queue (QoS 0, or a session that ends with its connection). */
  deliver(
    target: Session,
    message: Message,
    qos: 0 | 1 | 2,
    retain: boolean,
    identifiers: readonly number[] | null,
  ): void;
  /**
   * A SUBSCRIBE brings too many retained messages for one step: the owner of the session reads those that do not go
   * through the replicated queue itself, from `State.retained`, as they are now.
   */
  retainedRequested?(target: Session, request: RetainedRequest): void;
  /** A retained message is about to be replaced or removed, other than by its expiry. */
  retainedChanging?(message: Message): void;
  /** A message was put into the session's replicated queue or ledger, or may be sent from there now. */
  queued(session: Session): void;
  /** The connection with `epoch` on `node` has lost its session. `newEpoch` and `newOwner` are set for a takeover. */
  ownershipLost(
    session: Session,
    node: string,
    epoch: number,
    why: OwnershipLoss,
    newEpoch: number,
    newOwner: string | null,
  ): void;
  /** A node (re)joined under an incarnation, or was given up. */
  nodeChanged(nodeId: string, incarnation: number, up: boolean): void;
  /** Time for a checkpoint: every node takes it at this same place in the log. */
  checkpoint(compactIndex: number): void;
  /** The cluster has its id. */
  clusterNamed(clusterId: string): void;
  /** What the members are to be has changed (`State.members`). */
  membersChanged?(): void;
  /** A document was put, or, with `document` null, deleted or expired. */
  documentChanged?(collection: number, name: string, document: DocumentRecord | null): void;
  /** A message was not queued or retained because a limit said so. Counted, never silent. */
  dropped(session: Session, reason: DropReason): void;
}

export type { Target };
