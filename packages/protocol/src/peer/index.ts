export * from './admin.ts';
export * from './errors.ts';
export { isNodeId, MAX_CODE_LENGTH, MAX_REASON_LENGTH } from './fields.ts';
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
export * from './snapshot.ts';
