import { quorate } from '#generated';
import { PeerProtocolError } from './errors.ts';
import { decodeHeader, noAttachment, nodeIdField, textField } from './fields.ts';
import { type EncodedFrame, encodeFrame, type Frame, FrameKind } from './frame.ts';

const wire = quorate.peer;

/** Version of what the frames mean. Nodes of different versions refuse each other. */
export const PEER_PROTOCOL_VERSION = 1;

/** Cap on a frame before the handshake is done: an unknown caller gets no more memory than this. */
export const MAX_HANDSHAKE_BYTES = 16 * 1024;

/** Cap on every text of a handshake, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 4096;

/** What a connection is for: everything but bulk, or bulk alone, which must not delay the rest. */
export const ConnectionPurpose = { main: 0, bulk: 1 } as const;

export type ConnectionPurpose = (typeof ConnectionPurpose)[keyof typeof ConnectionPurpose];

/** How a node introduces itself. What it says holds as of the handshake: a connection that lasts does not correct it. */
export interface Hello {
  readonly protocolVersion: number;
  /** Empty while the node does not know its cluster yet. */
  readonly clusterId: string;
  /** Sorted member ids of the bootstrap configuration, joined by commas. */
  readonly bootstrapMembers: string;
  readonly nodeId: string;
  /** Identity of the data directory, 32 hex digits: a wiped directory comes back with another one. Empty: not told. */
  readonly directoryId: string;
  /** Start of the data directory, a safe integer in decimal: greater than at all starts before. */
  readonly incarnation: string;
  /** Identity of the process: a restart has another one. */
  readonly session: string;
  /** HOST:PORT, or empty. */
  readonly httpAddress: string;
  /** HOST:PORT, or empty. */
  readonly mqttAddress: string;
  /** True when the node has a configuration; false while it is unborn. */
  readonly founded: boolean;
  /** HOST:PORT where the peers dial it, or empty. */
  readonly peerAddress: string;
  readonly purpose: ConnectionPurpose;
}

/** Why a peer was refused. Stable. */
export type RejectionCode =
  | 'PROTOCOL_VERSION'
  | 'WRONG_CLUSTER'
  | 'OWN_NODE_ID'
  | 'UNKNOWN_NODE'
  /** Two processes run on one data directory and a copy of it, or on an older state of it. */
  | 'COPIED_DIRECTORY'
  /** Another node answers at the address of the one that was dialled. */
  | 'UNEXPECTED_NODE';

/** The answer to a {@link Hello}. A rejection says whose, too: the sentence on the other side needs it. */
export interface HelloReply {
  /** Null when accepted. `code` is a {@link RejectionCode} or one of a later version. */
  readonly rejection: { readonly code: string; readonly reason: string } | null;
  readonly hello: Hello;
}

export function encodeHello(hello: Hello): EncodedFrame {
  return encodeFrame(FrameKind.hello, 0, wire.Hello.encode(hello).finish());
}

/** @throws PeerProtocolError for anything that is not one */
export function decodeHello(frame: Frame): Hello {
  expectKind(frame, FrameKind.hello, 'hello');
  return checked(decodeHeader('hello', frame.header, (bytes) => wire.Hello.decode(bytes)));
}

export function encodeHelloReply(reply: HelloReply): EncodedFrame {
  const { rejection, hello } = reply;
  const message = rejection === null ? { accepted: true, hello } : { accepted: false, ...rejection, hello };
  return encodeFrame(FrameKind.helloReply, 0, wire.HelloReply.encode(message).finish());
}

/** @throws PeerProtocolError for anything that is not one */
export function decodeHelloReply(frame: Frame): HelloReply {
  expectKind(frame, FrameKind.helloReply, 'hello reply');
  const got = decodeHeader('hello reply', frame.header, (bytes) => wire.HelloReply.decode(bytes));
  if (got.hello === null || got.hello === undefined) {
    throw new PeerProtocolError('HEADER', 'hello reply does not say who answers');
  }
  const hello = checked(got.hello);
  if (got.accepted) return { rejection: null, hello };
  return { rejection: { code: text(got.code, 'code'), reason: text(got.reason, 'reason') }, hello };
}

function expectKind(frame: Frame, kind: number, name: string): void {
  if (frame.kind !== kind) {
    throw new PeerProtocolError('FRAME_KIND', `frame of kind ${String(frame.kind)} where a ${name} belongs`);
  }
  noAttachment(name, frame.attachment);
}

const DECIMAL = /^(0|[1-9][0-9]{0,15})$/;
const DIRECTORY_ID = /^([0-9a-f]{32})?$/;

function checked(got: quorate.peer.Hello.$Properties): Hello {
  const protocolVersion = got.protocolVersion ?? 0;
  const hello = {
    protocolVersion,
    clusterId: text(got.clusterId, 'clusterId'),
    bootstrapMembers: text(got.bootstrapMembers, 'bootstrapMembers'),
    nodeId: nodeIdField(got.nodeId, 'nodeId'),
    directoryId: text(got.directoryId, 'directoryId'),
    incarnation: text(got.incarnation, 'incarnation'),
    session: text(got.session, 'session'),
    httpAddress: text(got.httpAddress, 'httpAddress'),
    mqttAddress: text(got.mqttAddress, 'mqttAddress'),
    founded: got.founded ?? false,
    peerAddress: text(got.peerAddress, 'peerAddress'),
    purpose: got.purpose === ConnectionPurpose.bulk ? ConnectionPurpose.bulk : ConnectionPurpose.main,
  };
  // A node of another version may give its fields another meaning. It is to be told about the version, nothing else.
  if (protocolVersion !== PEER_PROTOCOL_VERSION) return hello;
  if (!DECIMAL.test(hello.incarnation) || !Number.isSafeInteger(Number(hello.incarnation))) {
    throw new PeerProtocolError('HEADER', 'incarnation is no safe integer in decimal');
  }
  if (!DIRECTORY_ID.test(hello.directoryId)) throw new PeerProtocolError('HEADER', 'directoryId is not 32 hex digits');
  if ((got.purpose ?? 0) > ConnectionPurpose.bulk) {
    throw new PeerProtocolError('HEADER', `connection purpose ${String(got.purpose)} is unknown`);
  }
  return hello;
}

function text(value: string | null | undefined, field: string): string {
  return textField(value, field, MAX_TEXT_LENGTH);
}
