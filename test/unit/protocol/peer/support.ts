import type { EncodedFrame, Frame, Hello } from '@quorate/protocol';
import { DEFAULT_MAX_FRAME_BYTES, FrameReader } from '@quorate/protocol';

/** All bytes of a frame in one buffer. */
export function bytesOf(frame: EncodedFrame): Buffer {
  return Buffer.concat([frame.head, ...frame.attachments]);
}

/** Reads every frame of `bytes`, given to the reader in pieces of `pieceBytes`. */
export function readAll(bytes: Buffer, pieceBytes = bytes.length, maxFrameBytes = DEFAULT_MAX_FRAME_BYTES): Frame[] {
  const reader = new FrameReader({ maxFrameBytes });
  const frames: Frame[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    reader.push(bytes.subarray(at, at + pieceBytes), (frame) => {
      frames.push(frame);
      return true;
    });
  }
  return frames;
}

export function onlyFrame(frame: EncodedFrame): Frame {
  const [first, ...rest] = readAll(bytesOf(frame));
  if (first === undefined || rest.length > 0) throw new Error('expected exactly one frame');
  return first;
}

export const hello: Hello = {
  protocolVersion: 1,
  clusterId: 'c-1',
  bootstrapMembers: 'n1,n2,n3',
  nodeId: 'n1',
  directoryId: '0123456789abcdef0123456789abcdef',
  incarnation: '41',
  session: 's-1',
  httpAddress: '127.0.0.1:18083',
  mqttAddress: '127.0.0.1:1883',
  founded: true,
  peerAddress: '127.0.0.1:7000',
  purpose: 0,
};
