import { quorate } from '#generated';
import { PeerProtocolError } from './errors.ts';
import { decodeHeader, noAttachment } from './fields.ts';
import { type EncodedFrame, encodeFrame, type Frame, FrameKind } from './frame.ts';

const wire = quorate.peer;

/** Version of what the frames mean. Nodes of different versions refuse each other. */
export const PEER_PROTOCOL_VERSION = 1;

/** Cap on a frame before the handshake is done: an unknown caller gets no more memory than this. */
export const MAX_HANDSHAKE_BYTES = 16 * 1024;

/** Cap on every text of a handshake, in UTF-16 code units. */
const MAX_TEXT_LENGTH = 4096;

/** How a node introduces itself. */
export interface Hello {
  readonly protocolVersion: number;
  /** Empty while the node does not know its cluster yet. */
  readonly clusterId: string;
  /** Sorted member ids of the bootstrap configuration, joined by commas. */
  readonly bootstrapMembers: string;
  readonly nodeId: string;
  /** Identity of the data directory: a wiped directory comes back with another one. */
  readonly incarnation: string;
  /** Identity of the process: a restart has another one. */
  readonly session: string;
  /** HOST:PORT, or empty. */
  readonly httpAddress: string;
  /** HOST:PORT, or empty. */
  readonly mqttAddress: string;
}

/** Why a peer was refused. Stable. */
export type RejectionCode =
  | 'PROTOCOL_VERSION'
  | 'WRONG_CLUSTER'
  | 'OWN_NODE_ID'
  | 'UNKNOWN_NODE'
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

function checked(got: quorate.peer.Hello.$Properties): Hello {
  const nodeId = text(got.nodeId, 'nodeId');
  if (nodeId === '') throw new PeerProtocolError('HEADER', 'hello without a nodeId');
  return {
    protocolVersion: got.protocolVersion ?? 0,
    clusterId: text(got.clusterId, 'clusterId'),
    bootstrapMembers: text(got.bootstrapMembers, 'bootstrapMembers'),
    nodeId,
    incarnation: text(got.incarnation, 'incarnation'),
    session: text(got.session, 'session'),
    httpAddress: text(got.httpAddress, 'httpAddress'),
    mqttAddress: text(got.mqttAddress, 'mqttAddress'),
  };
}

function text(value: string | null | undefined, field: string): string {
  const given = value ?? '';
  if (given.length > MAX_TEXT_LENGTH) {
    throw new PeerProtocolError('HEADER', `${field} of ${String(given.length)} characters is too long`);
  }
  return given;
}
