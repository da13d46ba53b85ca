/** Why a frame was refused. Stable: counted and logged under these names. */
export type PeerProtocolErrorCode =
  /** The announced length is beyond the cap, or too short for a frame. */
  | 'FRAME_LENGTH'
  /** The frame's checksum does not match. */
  | 'FRAME_CHECKSUM'
  /** The frame format has a version that this node does not speak. */
  | 'FRAME_VERSION'
  /** No such kind of frame, or not one that may come here. */
  | 'FRAME_KIND'
  /** The protobuf header does not parse, or a field has a value outside its range. */
  | 'HEADER'
  /** The attachment does not fit what the header says of it. */
  | 'ATTACHMENT';

/** The only error that reading bytes from a peer throws. The connection they came from is to be closed. */
export class PeerProtocolError extends Error {
  override readonly name = 'PeerProtocolError';
  readonly code: PeerProtocolErrorCode;

  constructor(code: PeerProtocolErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
