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

/** Of a sentence for people; see {@link shortened}. */
export const MAX_REASON_LENGTH = 1024;

/** Of a stable code such as `NOT_LEADER`. */
export const MAX_CODE_LENGTH = 64;

const NODE_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** True for what may be the name of a node, by the rule that the configuration has for it. */
export function isNodeId(value: string): boolean {
  return NODE_ID.test(value);
}

/** @returns the name of a node; null stands for an absent protobuf field */
export function nodeIdField(value: string | null | undefined, field: string): string {
  const given = value ?? '';
  if (isNodeId(given)) return given;
  throw new PeerProtocolError('HEADER', `${field} ${JSON.stringify(given.slice(0, 64))} is no node id`);
}

/** @returns a text of at most `maxLength` UTF-16 code units */
export function textField(value: string | null | undefined, field: string, maxLength: number): string {
  const given = value ?? '';
  if (given.length > maxLength) {
    throw new PeerProtocolError('HEADER', `${field} of ${String(given.length)} characters is too long`);
  }
  return given;
}

/** A sentence cut to {@link MAX_REASON_LENGTH}: the end of a long one is no loss that an answer should be lost for. */
export function shortened(reason: string): string {
  return reason.slice(0, MAX_REASON_LENGTH);
}

/** @throws RangeError: what no receiver would take is a fault of the caller */
export function assertNodeId(value: string, field: string): void {
  if (!isNodeId(value)) throw new RangeError(`${field} ${JSON.stringify(value)} is no node id`);
}

/** @throws RangeError: what no receiver would take is a fault of the caller */
export function assertText(value: string, field: string, maxLength: number): void {
  if (value.length > maxLength) throw new RangeError(`${field} of ${String(value.length)} characters is too long`);
}
