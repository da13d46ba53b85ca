import { PeerProtocolError } from './errors.ts';

/*
 * Range checks shared by the decoders, and the one place where an error of the protobuf runtime becomes ours.
 */

/** Runs a generated decoder over a header. */
export function decodeHeader<T>(what: string, header: Uint8Array, decode: (bytes: Uint8Array) => T): T {
  try {
    return decode(header);
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new PeerProtocolError('HEADER', `${what} does not parse: ${text}`, { cause: error });
  }
}

/** @returns `value` when it is a safe integer from 0; 64-bit fields beyond 2^53 - 1 are refused, not rounded */
export function natural(value: number, field: string): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new PeerProtocolError('HEADER', `${field} is ${String(value)}, expected an integer from 0 to 2^53 - 1`);
  }
  return value;
}

/** @throws RangeError: a number that the wire can not carry is a fault of the caller */
export function assertNatural(value: number, field: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    throw new RangeError(`${field} is ${String(value)}, expected an integer from 0 to 2^53 - 1`);
  }
}

/** Refuses an attachment where none belongs. */
export function noAttachment(what: string, attachment: Uint8Array): void {
  if (attachment.length === 0) return;
  throw new PeerProtocolError('ATTACHMENT', `${what} with an attachment of ${String(attachment.length)} bytes`);
}
