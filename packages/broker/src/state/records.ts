import type { QoS } from '@quorate/protocol';
import { type ByteReader, ByteWriter } from './bytes.ts';
import { readSubscription, writeSubscription } from './commands.ts';
import type { DocumentRecord } from './documents.ts';
import { NewerVersionError } from './invariant.ts';
import type { MemberRecord } from './member-commands.ts';
import { Message } from './message.ts';
import { readProperties, readWill, writeProperties, writeWill } from './properties.ts';
import { ItemState, type QueueItem } from './queue.ts';
import { Session } from './session.ts';
import { readChange, type SettingsChange, writeChange } from './settings.ts';
import type { ShareGroup } from './share-group.ts';
import { SHARED_STRATEGIES, type SharedStrategy } from './share-strategy.ts';
import type { NodeRecord, State } from './state.ts';

/**
 * The records of the state store. A key is one byte of kind, then what names the record; kinds are ordered so that a
 * load in key order meets messages before the queues that hold them and sessions before their queues.
 * Formats stand on disk: every record begins with its own.
 */
export const RecordKind = {
  meta: 1,
  node: 2,
  message: 3,
  session: 4,
  cursor: 5,
  queueItem: 6,
  retained: 7,
  member: 8,
  document: 9,
  group: 12,
  groupItem: 13,
  sharedStrategy: 14,
  settings: 15,
} as const;

const FORMAT = 1;
const NO_TIME = -1;
const NO_IDENTIFIER = 0xffffffff;

export type StateRecord = readonly [key: Uint8Array, value: Uint8Array];

const writer = new ByteWriter(4096);

/** The writer is shared and its buffer is used again: a checkpoint has one record for everything that changed. */
function taken(write: () => void): Buffer {
  writer.reset();
  write();
  return writer.copy();
}

/** Every record begins with its format: one of a later version must be refused, not misread. */
function readFormat(reader: ByteReader): void {
  const format = reader.u8();
  if (format !== FORMAT) throw new NewerVersionError(`state record format ${format}`);
}

export function metaKey(): Uint8Array {
  return Uint8Array.of(RecordKind.meta);
}

export function nameKey(kind: number, name: string): Uint8Array {
  const bytes = Buffer.from(name, 'utf8');
  const key = Buffer.allocUnsafe(1 + bytes.length);
  key[0] = kind;
  bytes.copy(key, 1);
  return key;
}

/** Doubles of non-negative integers sort bytewise in numeric order, so big-endian keys do too. */
export function numberKey(kind: number, number: number): Uint8Array {
  const key = Buffer.allocUnsafe(9);
  key[0] = kind;
  key.writeDoubleBE(number, 1);
  return key;
}

function pairKey(kind: number, first: number, second: number): Uint8Array {
  const key = Buffer.allocUnsafe(17);
  key[0] = kind;
  key.writeDoubleBE(first, 1);
  key.writeDoubleBE(second, 9);
  return key;
}

export function itemKey(sessionNumber: number, sequence: number): Uint8Array {
  return pairKey(RecordKind.queueItem, sessionNumber, sequence);
}

export function groupItemKey(groupNumber: number, messageId: number): Uint8Array {
  return pairKey(RecordKind.groupItem, groupNumber, messageId);
}

function writeTime(timeMs: number): void {
  writer.integer(timeMs === Number.POSITIVE_INFINITY ? NO_TIME : timeMs);
}

function readTime(reader: ByteReader): number {
  const timeMs = reader.integer();
  return timeMs === NO_TIME ? Number.POSITIVE_INFINITY : timeMs;
}

export function metaRecord(state: State): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.integer(state.nowMs);
    writer.integer(state.nextEpoch);
    writer.integer(state.nextSessionNumber);
    writer.integer(state.nextMessageId);
    writer.string(state.clusterId ?? '');
  });
  return [metaKey(), value];
}

export function readMeta(state: State, reader: ByteReader): void {
  readFormat(reader);
  state.nowMs = reader.integer();
  state.nextEpoch = reader.integer();
  state.nextSessionNumber = reader.integer();
  state.nextMessageId = reader.integer();
  const clusterId = reader.string();
  state.clusterId = clusterId === '' ? null : clusterId;
}

export function nodeRecord(node: NodeRecord): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.string(node.nodeId);
    writer.integer(node.incarnation);
    writer.integer(node.lastSequence);
    writer.u8(node.up ? 1 : 0);
    writer.string(node.mqtt);
    writer.string(node.http);
    writer.string(node.peer);
    writer.string(node.version);
    writer.u32(node.leaseMs);
  });
  return [nameKey(RecordKind.node, node.nodeId), value];
}

export function readNode(reader: ByteReader): NodeRecord {
  readFormat(reader);
  return {
    nodeId: reader.string(),
    incarnation: reader.integer(),
    lastSequence: reader.integer(),
    up: reader.u8() === 1,
    mqtt: reader.string(),
    http: reader.string(),
    peer: reader.string(),
    version: reader.string(),
    leaseMs: reader.u32(),
  };
}

export function memberRecord(member: MemberRecord): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.string(member.nodeId);
    writer.string(member.peer);
    writer.u8(member.voter ? 1 : 0);
    writer.string(member.replaces ?? '');
  });
  return [nameKey(RecordKind.member, member.nodeId), value];
}

export function readMemberRecord(reader: ByteReader): MemberRecord {
  readFormat(reader);
  const nodeId = reader.string();
  const peer = reader.string();
  const voter = reader.u8() === 1;
  const replaces = reader.string();
  return { nodeId, peer, voter, replaces: replaces === '' ? null : replaces };
}

/** Kind, collection, name. */
export function documentKey(collection: number, name: string): Uint8Array {
  const bytes = Buffer.from(name, 'utf8');
  const key = Buffer.allocUnsafe(2 + bytes.length);
  key[0] = RecordKind.document;
  key[1] = collection;
  bytes.copy(key, 2);
  return key;
}

export function documentRecord(document: DocumentRecord): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.u8(document.collection);
    writer.string(document.name);
    writer.integer(document.revision);
    writeTime(document.expiresAtMs);
    writer.raw(document.bytes);
  });
  return [documentKey(document.collection, document.name), value];
}

export function readDocumentRecord(reader: ByteReader): DocumentRecord {
  readFormat(reader);
  return {
    collection: reader.u8(),
    name: reader.string(),
    revision: reader.integer(),
    expiresAtMs: readTime(reader),
    bytes: new Uint8Array(reader.rest()),
  };
}

function writeMessage(message: Message): void {
  writer.u8(FORMAT);
  writer.integer(message.id);
  const { qos, retain, properties, publisherHash } = message;
  writer.u8(qos | (retain ? 4 : 0) | (properties !== null ? 8 : 0) | (publisherHash !== 0 ? 16 : 0));
  writeTime(message.expiresAtMs);
  writer.string(message.topic);
  if (publisherHash !== 0) writer.u32(publisherHash >>> 0);
  if (properties !== null) writeProperties(writer, properties);
  writer.raw(message.payload);
}

export function readMessage(reader: ByteReader): Message {
  readFormat(reader);
  const id = reader.integer();
  const flags = reader.u8();
  const expiresAtMs = readTime(reader);
  const topic = reader.string();
  const publisherHash = (flags & 16) !== 0 ? reader.u32() | 0 : 0;
  const properties = (flags & 8) !== 0 ? readProperties(reader) : null;
  const payload = new Uint8Array(reader.rest());
  const message = new Message(id, topic, (flags & 3) as QoS, (flags & 4) !== 0, properties, expiresAtMs, payload);
  message.publisherHash = publisherHash;
  return message;
}

export function messageRecord(message: Message): StateRecord {
  return [numberKey(RecordKind.message, message.id), taken(() => writeMessage(message))];
}

export function retainedRecord(message: Message): StateRecord {
  return [nameKey(RecordKind.retained, message.topic), taken(() => writeMessage(message))];
}

export function sessionRecord(session: Session): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.integer(session.number);
    writer.string(session.clientId);
    writer.integer(session.epoch);
    writer.string(session.owner ?? '');
    writer.u8(session.protocolVersion);
    writer.u32(session.expiryIntervalSec);
    writer.u16(session.receiveMaximum);
    writeTime(session.expiresAtMs);
    writeTime(session.willAtMs);
    const { queue, ledger, will } = session;
    writer.u8((queue !== null ? 1 : 0) | (will !== null ? 2 : 0) | (ledger !== null ? 4 : 0));
    if (will !== null) writeWill(writer, will);
    writer.u32(session.subscriptions.size);
    for (const subscription of session.subscriptions.values()) {
      writeSubscription(writer, subscription);
      writer.u32(subscription.identifier ?? NO_IDENTIFIER);
    }
  });
  return [numberKey(RecordKind.session, session.number), value];
}

export interface SessionRecord {
  readonly session: Session;
  readonly owner: string | null;
  readonly hasQueue: boolean;
  readonly hasLedger: boolean;
}

export function readSession(reader: ByteReader): SessionRecord {
  readFormat(reader);
  const session = new Session(reader.integer(), reader.string(), reader.integer());
  const owner = reader.string();
  session.protocolVersion = reader.u8();
  session.expiryIntervalSec = reader.u32();
  session.receiveMaximum = reader.u16();
  session.expiresAtMs = readTime(reader);
  session.willAtMs = readTime(reader);
  const flags = reader.u8();
  if ((flags & 2) !== 0) {
    const will = readWill(reader);
    session.will = { ...will, payload: new Uint8Array(will.payload) };
  }
  for (let count = reader.u32(); count > 0; count--) {
    const request = readSubscription(reader);
    const identifier = reader.u32();
    session.subscriptions.set(request.filter, {
      ...request,
      identifier: identifier === NO_IDENTIFIER ? null : identifier,
    });
  }
  return { session, owner: owner === '' ? null : owner, hasQueue: (flags & 1) !== 0, hasLedger: (flags & 4) !== 0 };
}

/**
 * What changes with the traffic of a session, apart from its queue items.
 * @param nextSequence where the queue ends, or ended at the checkpoint
 */
export function cursorRecord(session: Session, nextSequence = session.tracked?.nextSequence ?? 0): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.integer(session.number);
    writer.integer(session.tracked?.headSequence ?? 0);
    writer.integer(nextSequence);
    writer.integer(session.maybeSentBefore);
    writer.u32(session.incoming.size);
    for (const packetId of [...session.incoming].sort((a, b) => a - b)) writer.u16(packetId);
  });
  return [numberKey(RecordKind.cursor, session.number), value];
}

export interface CursorRecord {
  readonly sessionNumber: number;
  readonly headSequence: number;
  readonly nextSequence: number;
  readonly maybeSentBefore: number;
  readonly incoming: readonly number[];
}

export function readCursor(reader: ByteReader): CursorRecord {
  readFormat(reader);
  const sessionNumber = reader.integer();
  const headSequence = reader.integer();
  const nextSequence = reader.integer();
  const maybeSentBefore = reader.integer();
  const incoming: number[] = [];
  for (let count = reader.u32(); count > 0; count--) incoming.push(reader.u16());
  return { sessionNumber, headSequence, nextSequence, maybeSentBefore, incoming };
}

export function itemRecord(sessionNumber: number, sequence: number, item: QueueItem): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.integer(sessionNumber);
    writer.integer(sequence);
    writer.integer(item.message.id);
    writer.u8(item.qos | (item.retain ? 4 : 0) | (item.share !== 0 ? 8 : 0));
    writer.u8(item.state);
    const identifiers = item.subscriptionIdentifiers ?? [];
    writer.u32(identifiers.length);
    for (const identifier of identifiers) writer.u32(identifier);
    if (item.share !== 0) writer.integer(item.share);
  });
  return [itemKey(sessionNumber, sequence), value];
}

export interface ItemRecord {
  readonly sessionNumber: number;
  readonly sequence: number;
  readonly messageId: number;
  readonly qos: 1 | 2;
  readonly retain: boolean;
  readonly state: ItemState;
  readonly subscriptionIdentifiers: readonly number[] | null;
  readonly share: number;
}

export function readItem(reader: ByteReader): ItemRecord {
  readFormat(reader);
  const sessionNumber = reader.integer();
  const sequence = reader.integer();
  const messageId = reader.integer();
  const flags = reader.u8();
  const state = reader.u8() as ItemState;
  if (state > ItemState.begun) throw new NewerVersionError(`state ${state} of a queue item`);
  const identifiers: number[] = [];
  for (let count = reader.u32(); count > 0; count--) identifiers.push(reader.u32());
  return {
    sessionNumber,
    sequence,
    messageId,
    qos: (flags & 3) === 2 ? 2 : 1,
    retain: (flags & 4) !== 0,
    state,
    subscriptionIdentifiers: identifiers.length > 0 ? identifiers : null,
    share: (flags & 8) !== 0 ? reader.integer() : 0,
  };
}

export function groupRecord(group: ShareGroup): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.integer(group.number);
    writer.string(group.name);
    writer.integer(group.last);
  });
  return [numberKey(RecordKind.group, group.number), value];
}

export interface GroupRecord {
  readonly number: number;
  readonly name: string;
  readonly last: number;
}

export function readGroup(reader: ByteReader): GroupRecord {
  readFormat(reader);
  return { number: reader.integer(), name: reader.string(), last: reader.integer() };
}

export function groupItemRecord(groupNumber: number, messageId: number): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.integer(groupNumber);
    writer.integer(messageId);
  });
  return [groupItemKey(groupNumber, messageId), value];
}

export function readGroupItem(reader: ByteReader): { readonly groupNumber: number; readonly messageId: number } {
  readFormat(reader);
  return { groupNumber: reader.integer(), messageId: reader.integer() };
}

export function sharedStrategyKey(): Uint8Array {
  return Uint8Array.of(RecordKind.sharedStrategy);
}

export function sharedStrategyRecord(strategy: SharedStrategy): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writer.u8(SHARED_STRATEGIES.indexOf(strategy));
  });
  return [sharedStrategyKey(), value];
}

export function readSharedStrategyRecord(reader: ByteReader): SharedStrategy {
  readFormat(reader);
  const strategy = SHARED_STRATEGIES[reader.u8()];
  if (strategy === undefined) throw new NewerVersionError('the shared subscription strategy');
  return strategy;
}

export function settingsKey(): Uint8Array {
  return Uint8Array.of(RecordKind.settings);
}

/** @param change what differs from the defaults */
export function settingsRecord(change: SettingsChange): StateRecord {
  const value = taken(() => {
    writer.u8(FORMAT);
    writeChange(writer, change);
  });
  return [settingsKey(), value];
}

export function readSettingsRecord(reader: ByteReader): SettingsChange {
  readFormat(reader);
  return readChange(reader);
}
