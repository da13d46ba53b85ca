export { decodePacket, readPacketId } from './decode.ts';
export { type ConnectLimits, decodeConnect } from './decode-connect.ts';
export { decodePublish } from './decode-publish.ts';
export {
  type AckType,
  encodeAuth,
  encodeDisconnect,
  encodeSuback,
  encodeUnsuback,
  PINGRESP,
  writeAck,
} from './encode.ts';
export { encodeConnack } from './encode-connack.ts';
export { encodePublishQoS0, type PublishExtras, publishSizeBytes, writePublish } from './encode-publish.ts';
export * from './errors.ts';
export { PacketFramer } from './framer.ts';
export * from './packets.ts';
export { isPayloadFormatValid } from './payload-format.ts';
export * from './reason-codes.ts';
export * from './topics.ts';
export * from './utf8.ts';
