/**
 * The payload of every message: 24 bytes of header, then filler that is compared byte for byte.
 * Layout, little endian: u32 run magic, u32 publisher, u32 sequence, u32 payload size, f64 send time in milliseconds.
 */

export const PAYLOAD_HEADER_BYTES = 24;
export const MAX_PAYLOAD_BYTES = 65_536;

const FILLER = Buffer.alloc(MAX_PAYLOAD_BYTES);
for (let i = 0; i < FILLER.length; i++) FILLER[i] = 33 + ((i * 7 + (i >>> 8)) % 93);

/** A payload with its constant fields in place. @param sizeBytes from 24 to 65,536 */
export function makePayload(magic: number, publisher: number, sizeBytes: number): Buffer {
  const payload = Buffer.alloc(sizeBytes);
  payload.writeUInt32LE(magic, 0);
  payload.writeUInt32LE(publisher, 4);
  payload.writeUInt32LE(sizeBytes, 12);
  FILLER.copy(payload, PAYLOAD_HEADER_BYTES, PAYLOAD_HEADER_BYTES, sizeBytes);
  return payload;
}

/** Puts sequence number and send time into the payload that starts at `offset`. */
export function stampPayload(buffer: Buffer, offset: number, sequence: number, sentAtMs: number): void {
  buffer.writeUInt32LE(sequence, offset + 8);
  buffer.writeDoubleLE(sentAtMs, offset + 16);
}

export function payloadMagic(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset);
}

export function payloadPublisher(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset + 4);
}

export function payloadSequence(buffer: Buffer, offset: number): number {
  return buffer.readUInt32LE(offset + 8);
}

export function payloadSentAtMs(buffer: Buffer, offset: number): number {
  return buffer.readDoubleLE(offset + 16);
}

/** Whether size field and filler are what `makePayload` wrote. */
export function payloadIntact(buffer: Buffer, start: number, end: number): boolean {
  const size = end - start;
  if (size < PAYLOAD_HEADER_BYTES || size > MAX_PAYLOAD_BYTES || buffer.readUInt32LE(start + 12) !== size) return false;
  return buffer.compare(FILLER, PAYLOAD_HEADER_BYTES, size, start + PAYLOAD_HEADER_BYTES, end) === 0;
}
