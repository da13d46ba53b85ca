import { isUtf8 } from 'node:buffer';
import { ProtocolError } from './errors.ts';

/**
 * UTF-8 encoded strings as MQTT means them (MQTT 5.0 section 1.5.4): well formed, so neither overlong forms nor surrogates
 * [MQTT-1.5.4-1], without U+0000 [MQTT-1.5.4-2], and U+FEFF kept as it is [MQTT-1.5.4-3]. Unicode non-characters and control
 * characters are only discouraged and pass.
 *
 * All functions look at bytes [start, end) only. The caller guarantees 0 <= start <= end <= buffer.length.
 */
export function isStrictUtf8(buffer: Buffer, start: number, end: number): boolean {
  const kind = scan(buffer, start, end, TEXT_CLASS);
  return kind === ASCII || (kind === BEYOND_ASCII && isUtf8(buffer.subarray(start, end)));
}

/** @throws ProtocolError INVALID_UTF8 */
export function readUtf8(buffer: Buffer, start: number, end: number): string {
  const kind = scan(buffer, start, end, TEXT_CLASS);
  if (kind === ASCII) return buffer.toString('latin1', start, end);
  return readBeyondAscii(buffer, start, end, kind);
}

/**
 * As {@link readUtf8}, and refuses wildcards in the same pass. May be empty.
 * @throws ProtocolError INVALID_UTF8, INVALID_TOPIC_NAME
 */
export function readTopicNameUtf8(buffer: Buffer, start: number, end: number): string {
  const kind = scan(buffer, start, end, TOPIC_NAME_CLASS);
  if (kind === ASCII) return buffer.toString('latin1', start, end);
  return readBeyondAscii(buffer, start, end, kind);
}

function readBeyondAscii(buffer: Buffer, start: number, end: number, kind: number): string {
  // A byte below 0x80 inside well-formed UTF-8 is always that character, so what the scan found stands whatever is around it.
  if ((kind & NUL) !== 0 || !isUtf8(buffer.subarray(start, end))) throw new ProtocolError('INVALID_UTF8');
  if ((kind & WILDCARD) !== 0) throw new ProtocolError('INVALID_TOPIC_NAME', 'contains a wildcard');
  return buffer.toString('utf8', start, end);
}

const ASCII = 0;
const BEYOND_ASCII = 1;
const NUL = 2;
const WILDCARD = 4;

const TEXT_CLASS = byteClasses(false);
const TOPIC_NAME_CLASS = byteClasses(true);

function byteClasses(wildcards: boolean): Uint8Array {
  const classes = new Uint8Array(256).fill(BEYOND_ASCII, 0x80);
  classes[0] = NUL;
  if (wildcards) {
    classes['#'.charCodeAt(0)] = WILDCARD;
    classes['+'.charCodeAt(0)] = WILDCARD;
  }
  return classes;
}

/** The classes of all bytes, or-ed. */
function scan(buffer: Buffer, start: number, end: number, classes: Uint8Array): number {
  let kind = 0;
  for (let i = start; i < end; i++) kind |= classes[buffer[i]!]!;
  return kind;
}
