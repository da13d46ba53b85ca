import { quorate } from '#generated';
import { PeerProtocolError } from './errors.ts';
import { decodeHeader } from './fields.ts';
import { type EncodedFrame, encodeFrame, type Frame, FrameKind } from './frame.ts';

const wire = quorate.peer;

/** Opaque bytes for the part of the node that owns the channel. */
export interface NodeMessage {
  /** From 0 to 2^32 - 1. */
  readonly channel: number;
  /** A view into the received bytes. */
  readonly payload: Uint8Array;
}

/** @param payload one piece, or several that arrive as one; not copied */
export function encodeNodeMessage(channel: number, payload: Uint8Array | readonly Uint8Array[]): EncodedFrame {
  if (!Number.isInteger(channel) || channel < 0 || channel > 0xffffffff) {
    throw new RangeError(`channel ${String(channel)} is not an unsigned 32-bit integer`);
  }
  const pieces = payload instanceof Uint8Array ? [payload] : payload;
  return encodeFrame(FrameKind.nodeMessage, 0, wire.NodeMessage.encode({ channel }).finish(), pieces);
}

/** @throws PeerProtocolError for anything that is not one */
export function decodeNodeMessage(frame: Frame): NodeMessage {
  if (frame.kind !== FrameKind.nodeMessage) {
    throw new PeerProtocolError('FRAME_KIND', `frame kind ${String(frame.kind)} is no node message`);
  }
  const { channel } = decodeHeader('node message', frame.header, decode);
  return { channel, payload: frame.attachment };
}

const decode = (bytes: Uint8Array) => wire.NodeMessage.decode(bytes);
