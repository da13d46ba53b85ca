import type { ConnectPacket, MessageProperties, ProtocolVersion, PublishPacket, QoS } from '@quorate/protocol';
import type { AuthenticationExchange, Credentials, Grant } from '../access.ts';
import type { Visit } from '../admission.ts';
import type { Bounds } from '../bounds.ts';
import type { Denials } from '../denials.ts';
import type { BrokerCounters, BrokerEnvironment, BrokerLimits, ClientSocket } from '../environment.ts';
import type { Fencing } from '../fencing.ts';
import type { Paced } from '../pacer.ts';
import type { CommandOwner, Proposer } from '../proposer.ts';
import type { Reviews } from '../reviews.ts';
import type { CommandResult, Message, RetainedMessages, RetainedRequest, Session } from '../state/index.ts';
import type { CloseReason } from './closing.ts';
import type { OutputBuffer } from './output.ts';

/**
 * - new: nothing but CONNECT may come.
 * - authenticating: it is being found out who the client is; nothing is in the log yet.
 * - claiming: the Connect command is on its way through the log.
 * - fencing: the session is ours, but the node that had it may still serve it for the rest of its lease.
 * - reviewing: subscriptions of the session that the client may not have are on their way out of it.
 * - live: CONNACK is sent.
 * - leaving: DISCONNECT came and is on its way through the log; nothing is read or sent any more.
 */
export type Phase = 'new' | 'authenticating' | 'claiming' | 'fencing' | 'reviewing' | 'live' | 'leaving' | 'closed';

/** What a command of a connection was, for `commandApplied`. */
export const Proposed = {
  connect: 1,
  publish1: 2,
  publish2: 3,
  pubrel: 4,
  subscribe: 5,
  unsubscribe: 6,
  disconnect: 7,
  restrict: 8,
} as const;

/** What a connection needs of the broker that holds it. */
export interface Host {
  readonly environment: BrokerEnvironment;
  readonly limits: BrokerLimits;
  readonly counters: BrokerCounters;
  readonly proposer: Proposer;
  readonly fencing: Fencing;
  /** For commands whose outcome nobody waits for. */
  readonly unowned: CommandOwner;
  /** This node is registered and in contact with a majority: it may answer and deliver. */
  readonly serving: boolean;
  /** Too much is proposed and not applied: clients are not read until it is less. */
  readonly congested: boolean;
  /** What all clients of the node together may take. */
  readonly bounds: Bounds;
  readonly denials: Denials;
  /** Looks at what clients may still have, a few filters a turn. */
  readonly reviews: Reviews;
  /** Answers that access control owes, also to connections that have gone since. */
  verifications: number;
  readonly clusterNowMs: number;
  readonly retained: RetainedMessages;
  /** Looks at the clock: whatever is about to send something outside the end of a turn asks first. */
  refreshServing(): void;
  /** The session with this epoch is the client's. */
  own(epoch: number, client: Client): void;
  /** There is something to write at the end of this turn. */
  addDirty(client: Client): void;
  /** The client is not read until something ends that it waits for. */
  setPaused(client: Client, paused: boolean): void;
  /** Output waits for the lease. */
  withhold(client: Client): void;
  /** There are acknowledgements to propose at the next tick, or none any more. */
  setSettling(client: Client, settling: boolean): void;
  /** The client has retained messages to read, or none any more. */
  setScanning(client: Client, scanning: boolean): void;
  /** There is more to write that nothing stands in the way of, in the next turn. */
  continueLater(client: Client): void;
  forget(client: Client): void;
  /** Server Reference for a client that has to go elsewhere, in another order for the next one; null when there is none. */
  referral(): string | null;
  publishQoS0(
    publisher: Session | null,
    topic: string,
    properties: MessageProperties | null,
    payload: Uint8Array,
  ): void;
  /** A client has just subscribed to these filters: it gets what stands in `$SYS`. */
  sendSys(client: Client, filters: readonly string[]): void;
}

/** The messages on their way to a client. */
export interface OutgoingSide {
  /** There is something that the window lets go. */
  readonly hasMore: boolean;
  deliver(message: Message, qos: QoS, retain: boolean, identifiers: readonly number[] | null): void;
  pump(): void;
  /** Retained messages are to be read that may go on now. */
  readonly canScan: boolean;
  /** Sends the retained messages that a SUBSCRIBE brings, as the socket takes them. */
  scan(request: RetainedRequest): void;
  /** A retained message is about to be replaced or removed. */
  retainedChanging(message: Message): void;
  /** Subscriptions are on their way out: from here on nothing is sent that the client may not read. */
  restricting(): void;
  /** These are gone. `more` are still on their way out. */
  restricted(filters: readonly string[], more: boolean): void;
  puback(packetId: number): void;
  pubrec(packetId: number, reasonCode: number): void;
  pubcomp(packetId: number): void;
  /** What must not wait for the next tick. */
  proposeUrgent(): void;
  proposeSettled(): void;
}

/** The messages from a client. */
export interface IncomingSide {
  readonly full: boolean;
  publish(packet: PublishPacket): void;
  pubrel(packetId: number): void;
  published(packetId: number, qos: 1 | 2, result: CommandResult): void;
  released(packetId: number, result: CommandResult): void;
}

/** A SUBSCRIBE or UNSUBSCRIBE on its way through the log. */
export interface PendingSubscription {
  readonly packetId: number;
  /** This node's refusals at their places, null where the state machine answers. */
  readonly reasonCodes: (number | null)[];
  readonly filters: readonly string[];
  /** What was asked for each of `filters`. */
  readonly qos: readonly QoS[];
}

/** An answer that access control owes. */
export interface Verification {
  /** Null once the client has gone: an answer that comes late must not keep it in memory, CONNECT and all. */
  client: Client | null;
}

/** Authentication by a method of CONNECT (MQTT 5.0 section 4.12), for as long as the connection. */
export interface EnhancedAuthentication {
  readonly method: string;
  /** Without the password: for a re-authentication. */
  readonly credentials: Credentials;
  /** Null between two authentications. */
  exchange: AuthenticationExchange | null;
  /** Authentication Data of CONNACK. */
  data: Uint8Array | null;
}

/** One connection as its parts see it. */
export interface Client extends CommandOwner, Paced {
  readonly broker: Host;
  readonly socket: ClientSocket;
  /** Its place among the connections of the node; null when there was none. */
  readonly visit: Visit | null;
  readonly output: OutputBuffer;
  readonly pendingSubscriptions: PendingSubscription[];
  /** Retained messages of QoS 0 that a SUBSCRIBE brings, until its SUBACK is in front of them. */
  readonly retained: { readonly message: Message; readonly identifiers: readonly number[] | null }[];
  /** The same for those that are read in slices. */
  readonly retainedRequests: RetainedRequest[];
  phase: Phase;
  version: ProtocolVersion;
  clientId: string;
  /** A bridge of 3.x, which said so: it gets no message back and every RETAIN flag as it was published. */
  bridge: boolean;
  keepAliveSec: number;
  epoch: number;
  session: Session | null;
  outgoing: OutgoingSide | null;
  incoming: IncomingSide | null;
  /** The CONNECT that is being served, until its CONNACK has left. */
  connectPacket: ConnectPacket | null;
  /** Largest packet that the client takes. */
  maximumPacketSizeBytes: number;
  /** What the client may do; null: everything. */
  grant: Grant | null;
  /** Null for a client without Authentication Method. */
  authentication: EnhancedAuthentication | null;
  /** Access control has yet to answer to the last credentials or AUTH; else null. */
  verification: Verification | null;
  /** The session's subscriptions were looked at since the client came. */
  reviewed: boolean;
  /** Filters on their way out of the session, one list for each command, oldest first. */
  readonly restrictions: (readonly string[])[];
  /** The session was there before its CONNECT. */
  sessionPresent: boolean;
  /** Whom the client has proven to be or, while it has not, says to be. */
  readonly userName: string | null;
  /** What it was denied was written to the log then. */
  denialLoggedMs: number;
  readonly paused: boolean;
  process(): void;
  markDirty(): void;
  sendAck(type: 'puback' | 'pubrec' | 'pubrel' | 'pubcomp', packetId: number, reasonCode: number): void;
  /** The client's side of the connection is gone. */
  socketClosed(): void;
  /** Closes for a reason of ours, telling a 5.0 client which. */
  fail(reason: CloseReason, detail?: string): void;
  /** Refuses a CONNECT. */
  refuse(reason: CloseReason, detail?: string): void;
}
