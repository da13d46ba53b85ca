export * from './errors.ts';
export {
  DEFAULT_MAX_FRAME_BYTES,
  type EncodedFrame,
  encodePing,
  FRAME_PREFIX_BYTES,
  FRAME_VERSION,
  type Frame,
  FrameKind,
  FrameReader,
  type FrameReaderOptions,
} from './frame.ts';
export * from './handshake.ts';
export * from './node-message.ts';
export { decodeRaft, encodeRaft, isRaftFrame } from './raft.ts';
