import type { MessageProperties, QoS, SubscriptionRequest, Will } from '@quorate/protocol';
import type { ByteReader, ByteWriter } from './bytes.ts';
import { beginCommand, CommandType, command, endCommand } from './command-frame.ts';
import { NewerVersionError } from './invariant.ts';
import { readProperties, readWill, writeProperties, writeWill } from './properties.ts';
import { readChange, type SettingsChange, writeChange } from './settings.ts';
import { SHARED_STRATEGIES, type SharedStrategy } from './share-strategy.ts';

/** A node (re)starts under the incarnation of its batch: connections of its earlier ones are gone. */
export interface NodeUp {
  readonly mqtt: string;
  readonly http: string;
  readonly peer: string;
  readonly version: string;
  /** Longest that this node serves on a lease once granted: whoever displaces one of its clients may have to wait for that. */
  readonly leaseMs: number;
}

/**
 * The leader of `term` has not heard from a node for longer than that node's serving lease can last.
 * Void in an entry of any other term: a proposal that survived its leader says nothing about now.
 */
export interface NodeDown {
  readonly nodeId: string;
  readonly incarnation: number;
  readonly term: number;
}

export interface Connect {
  readonly clientId: string;
  readonly cleanStart: boolean;
  readonly protocolVersion: number;
  /** 0 ends the session with the connection; 0xFFFFFFFF never expires. */
  readonly sessionExpiryIntervalSec: number;
  /** How many messages this owner may have in flight to the client. */
  readonly receiveMaximum: number;
  readonly will: Will | null;
}

export interface Disconnect {
  readonly epoch: number;
  /** False when the client said goodbye with reason 0x00: the will is dropped. */
  readonly publishWill: boolean;
  /** A new Session Expiry Interval from DISCONNECT, or null. */
  readonly sessionExpiryIntervalSec: number | null;
}

export interface Subscribe {
  readonly epoch: number;
  readonly subscriptionIdentifier: number | null;
  readonly subscriptions: readonly SubscriptionRequest[];
}

export interface Unsubscribe {
  readonly epoch: number;
  readonly filters: readonly string[];
}

/** The parts of a PUBLISH that enter the log. */
export interface Publish {
  readonly epoch: number;
  readonly qos: QoS;
  readonly retain: boolean;
  /** The Packet Identifier, when the session remembers it (QoS 2 of a session that outlives its connection); else 0. */
  readonly packetId: number;
  readonly topic: string;
  readonly properties: MessageProperties | null;
  readonly payload: Uint8Array;
}

export interface Pubrel {
  readonly epoch: number;
  readonly packetId: number;
}

/** What a subscriber acknowledged, as ranges of its queue's sequence numbers. */
export interface Settle {
  readonly epoch: number;
  /** True for PUBREC: the message is received but not released; false: done with it. */
  readonly received: boolean;
  /** Pairs: first sequence number, count. */
  readonly ranges: readonly number[];
}

/** Shared messages of QoS 2 that may be sent from here on, as ranges like those of `Settle`. */
export interface Begin {
  readonly epoch: number;
  readonly ranges: readonly number[];
}

export interface Checkpoint {
  /** No member needs log entries up to here; 0 when unknown. */
  readonly compactIndex: number;
}

/** What has to be so for a document command to do anything: a revision, or whether there is one at all. */
export type ExpectedDocument = 'any' | 'absent' | 'present' | number;

/** What a document is to be. */
export interface DocumentContent {
  readonly bytes: Uint8Array;
  /** Whole milliseconds of the cluster clock from the command's place in the log until it is gone; null for never. */
  readonly expiresInMs: number | null;
}

/** A document to keep from now on, or, with `content` null, one to forget. */
export interface DocumentCommand {
  /** 0 to 255, see `DocumentCollection`. */
  readonly collection: number;
  readonly name: string;
  readonly expected: ExpectedDocument;
  readonly content: DocumentContent | null;
}

const NO_VALUE = 0xffffffff;
const NEVER = -1;
/** What a document command does, and when. Stored: never reuse a value. */
const DocumentAction = { put: 1, remove: 2 } as const;
const Condition = { any: 0, absent: 1, present: 2, revision: 3 } as const;
export function writeNodeUp(writer: ByteWriter, value: NodeUp): void {
  command(writer, CommandType.nodeUp, () => {
    writer.string(value.mqtt);
    writer.string(value.http);
    writer.string(value.peer);
    writer.string(value.version);
    writer.u32(value.leaseMs);
  });
}

export function readNodeUp(reader: ByteReader): NodeUp {
  return {
    mqtt: reader.string(),
    http: reader.string(),
    peer: reader.string(),
    version: reader.string(),
    leaseMs: reader.u32(),
  };
}

export function writeNodeDown(writer: ByteWriter, value: NodeDown): void {
  command(writer, CommandType.nodeDown, () => {
    writer.string(value.nodeId);
    writer.integer(value.incarnation);
    writer.integer(value.term);
  });
}

export function readNodeDown(reader: ByteReader): NodeDown {
  return { nodeId: reader.string(), incarnation: reader.integer(), term: reader.integer() };
}

export function writeTick(writer: ByteWriter): void {
  command(writer, CommandType.tick, () => {});
}

export function writeCheckpoint(writer: ByteWriter, value: Checkpoint): void {
  command(writer, CommandType.checkpoint, () => writer.integer(value.compactIndex));
}

export function readCheckpoint(reader: ByteReader): Checkpoint {
  return { compactIndex: reader.integer() };
}

export function writeClusterInit(writer: ByteWriter, clusterId: string): void {
  command(writer, CommandType.clusterInit, () => writer.string(clusterId));
}

export function readClusterInit(reader: ByteReader): string {
  return reader.string();
}

export function writeDocument(writer: ByteWriter, value: DocumentCommand): void {
  const { collection, name, expected, content } = value;
  command(writer, CommandType.document, () => {
    writer.u8(content === null ? DocumentAction.remove : DocumentAction.put);
    writer.u8(collection);
    writer.string(name);
    writer.u8(typeof expected === 'number' ? Condition.revision : Condition[expected]);
    writer.integer(typeof expected === 'number' ? expected : 0);
    if (content === null) return;
    writer.integer(content.expiresInMs ?? NEVER);
    writer.raw(content.bytes);
  });
}

/** @throws NewerVersionError for an action or condition that a later version added: skipping it would make this node differ */
export function readDocument(reader: ByteReader): DocumentCommand {
  const action = reader.u8();
  const collection = reader.u8();
  const name = reader.string();
  const expected = readExpected(reader);
  if (action === DocumentAction.remove) return { collection, name, expected, content: null };
  if (action !== DocumentAction.put) {
    throw new NewerVersionError(`document action ${action}`);
  }
  const expiresInMs = reader.integer();
  const bytes = reader.rest();
  return { collection, name, expected, content: { bytes, expiresInMs: expiresInMs === NEVER ? null : expiresInMs } };
}

function readExpected(reader: ByteReader): ExpectedDocument {
  const condition = reader.u8();
  const revision = reader.integer();
  switch (condition) {
    case Condition.any:
      return 'any';
    case Condition.absent:
      return 'absent';
    case Condition.present:
      return 'present';
    case Condition.revision:
      return revision;
  }
  throw new NewerVersionError(`document condition ${condition}`);
}

export function writeConnect(writer: ByteWriter, value: Connect): void {
  command(writer, CommandType.connect, () => {
    writer.string(value.clientId);
    writer.u8((value.cleanStart ? 1 : 0) | (value.will !== null ? 2 : 0));
    writer.u8(value.protocolVersion);
    writer.u32(value.sessionExpiryIntervalSec);
    writer.u16(value.receiveMaximum);
    if (value.will !== null) writeWill(writer, value.will);
  });
}

export function readConnect(reader: ByteReader): Connect {
  const clientId = reader.string();
  const flags = reader.u8();
  const protocolVersion = reader.u8();
  const sessionExpiryIntervalSec = reader.u32();
  const receiveMaximum = reader.u16();
  const will = (flags & 2) !== 0 ? readWill(reader) : null;
  return { clientId, cleanStart: (flags & 1) !== 0, protocolVersion, sessionExpiryIntervalSec, receiveMaximum, will };
}

export function writeDisconnect(writer: ByteWriter, value: Disconnect): void {
  command(writer, CommandType.disconnect, () => {
    writer.integer(value.epoch);
    writer.u8((value.publishWill ? 1 : 0) | (value.sessionExpiryIntervalSec !== null ? 2 : 0));
    writer.u32(value.sessionExpiryIntervalSec ?? 0);
  });
}

export function readDisconnect(reader: ByteReader): Disconnect {
  const epoch = reader.integer();
  const flags = reader.u8();
  const expiry = reader.u32();
  return { epoch, publishWill: (flags & 1) !== 0, sessionExpiryIntervalSec: (flags & 2) !== 0 ? expiry : null };
}

export function writeSubscription(writer: ByteWriter, value: SubscriptionRequest): void {
  writer.string(value.filter);
  writer.u8(value.qos | (value.noLocal ? 4 : 0) | (value.retainAsPublished ? 8 : 0) | (value.retainHandling << 4));
}

export function readSubscription(reader: ByteReader): SubscriptionRequest {
  const filter = reader.string();
  const options = reader.u8();
  return {
    filter,
    qos: (options & 3) as QoS,
    noLocal: (options & 4) !== 0,
    retainAsPublished: (options & 8) !== 0,
    retainHandling: ((options >> 4) & 3) as 0 | 1 | 2,
  };
}

export function writeSubscribe(writer: ByteWriter, value: Subscribe): void {
  command(writer, CommandType.subscribe, () => {
    writer.integer(value.epoch);
    writer.u32(value.subscriptionIdentifier ?? NO_VALUE);
    writer.u32(value.subscriptions.length);
    for (const subscription of value.subscriptions) writeSubscription(writer, subscription);
  });
}

export function readSubscribe(reader: ByteReader): Subscribe {
  const epoch = reader.integer();
  const identifier = reader.u32();
  const subscriptions: SubscriptionRequest[] = [];
  for (let count = reader.u32(); count > 0; count--) subscriptions.push(readSubscription(reader));
  return { epoch, subscriptionIdentifier: identifier === NO_VALUE ? null : identifier, subscriptions };
}

export function writeUnsubscribe(writer: ByteWriter, value: Unsubscribe): void {
  command(writer, CommandType.unsubscribe, () => {
    writer.integer(value.epoch);
    writer.u32(value.filters.length);
    for (const filter of value.filters) writer.string(filter);
  });
}

export function readUnsubscribe(reader: ByteReader): Unsubscribe {
  const epoch = reader.integer();
  const filters: string[] = [];
  for (let count = reader.u32(); count > 0; count--) filters.push(reader.string());
  return { epoch, filters };
}

/** The hot one: written without a closure. */
export function writePublish(
  writer: ByteWriter,
  epoch: number,
  qos: QoS,
  retain: boolean,
  packetId: number,
  topic: string,
  properties: MessageProperties | null,
  payload: Uint8Array,
): void {
  const at = beginCommand(writer, CommandType.publish);
  writer.integer(epoch);
  writer.u8(qos | (retain ? 4 : 0) | (properties !== null ? 8 : 0));
  writer.u16(packetId);
  writer.string(topic);
  if (properties !== null) writeProperties(writer, properties);
  writer.raw(payload);
  endCommand(writer, at);
}

export function readPublish(reader: ByteReader): Publish {
  const epoch = reader.integer();
  const flags = reader.u8();
  const packetId = reader.u16();
  const topic = reader.string();
  const properties = (flags & 8) !== 0 ? readProperties(reader) : null;
  return {
    epoch,
    qos: (flags & 3) as QoS,
    retain: (flags & 4) !== 0,
    packetId,
    topic,
    properties,
    payload: reader.rest(),
  };
}

export function writePubrel(writer: ByteWriter, value: Pubrel): void {
  command(writer, CommandType.pubrel, () => {
    writer.integer(value.epoch);
    writer.u16(value.packetId);
  });
}

export function readPubrel(reader: ByteReader): Pubrel {
  return { epoch: reader.integer(), packetId: reader.u16() };
}

export function writeSettle(writer: ByteWriter, value: Settle): void {
  command(writer, CommandType.settle, () => {
    writer.integer(value.epoch);
    writer.u8(value.received ? 1 : 0);
    writer.u32(value.ranges.length / 2);
    for (const number of value.ranges) writer.integer(number);
  });
}

export function readSettle(reader: ByteReader): Settle {
  const epoch = reader.integer();
  const received = reader.u8() === 1;
  const ranges: number[] = [];
  for (let count = reader.u32() * 2; count > 0; count--) ranges.push(reader.integer());
  return { epoch, received, ranges };
}

export function writeBegin(writer: ByteWriter, value: Begin): void {
  command(writer, CommandType.begin, () => {
    writer.integer(value.epoch);
    writer.u32(value.ranges.length / 2);
    for (const number of value.ranges) writer.integer(number);
  });
}

export function readBegin(reader: ByteReader): Begin {
  const epoch = reader.integer();
  const ranges: number[] = [];
  for (let count = reader.u32() * 2; count > 0; count--) ranges.push(reader.integer());
  return { epoch, ranges };
}

export function writeSharedStrategy(writer: ByteWriter, value: SharedStrategy): void {
  command(writer, CommandType.sharedStrategy, () => writer.u8(SHARED_STRATEGIES.indexOf(value)));
}

/** @throws NewerVersionError for a strategy that a later version added: another one would make this node differ */
export function readSharedStrategy(reader: ByteReader): SharedStrategy {
  const place = reader.u8();
  const strategy = SHARED_STRATEGIES[place];
  if (strategy === undefined) {
    throw new NewerVersionError(`shared subscription strategy ${place}`);
  }
  return strategy;
}

export function writeSettings(writer: ByteWriter, value: SettingsChange): void {
  command(writer, CommandType.settings, () => {
    writeChange(writer, value);
  });
}

/** @throws NewerVersionError as `readChange` does */
export function readSettings(reader: ByteReader): SettingsChange {
  return readChange(reader);
}
