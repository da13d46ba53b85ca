import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';

/** What a server keeps of a password for SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677). */
export interface ScramKeys {
  readonly salt: Uint8Array;
  readonly iterations: number;
  readonly storedKey: Uint8Array;
  readonly serverKey: Uint8Array;
}

/** RFC 7677 section 4 asks for 4,096 at least. A client pays them at each login, a small one too. */
export const SCRAM_ITERATIONS = 15_000;
export const SCRAM_SALT_BYTES = 16;
const KEY_BYTES = 32;

/** Characters that stand for a space, and those that stand for nothing (RFC 3454 tables C.1.2 and B.1). */
const SPACES = /[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]/gu;
const NOTHING = /\u00ad|\u034f|\u1806|[\u180b-\u180d]|[\u200b-\u200d]|\u2060|[\ufe00-\ufe0f]|\ufeff/gu;
/** Control characters, private use, surrogates and characters that are none (tables C.2 to C.9, in the main). */
const PROHIBITED = /[\p{Cc}\p{Co}\p{Cs}\p{Zl}\p{Zp}\ufff9-\uffff\u{e0001}\u{e0020}-\u{e007f}]/u;

/**
 * SASLprep (RFC 4013) but for its rules on bidirectional text and unassigned characters.
 *
 * @returns null when the text has characters that are not allowed, or nothing is left of it
 */
export function saslPrep(text: string): string | null {
  const prepared = text.replaceAll(SPACES, ' ').replaceAll(NOTHING, '').normalize('NFKC');
  return prepared === '' || PROHIBITED.test(prepared) ? null : prepared;
}

export function hmacSha256(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'utf8').digest();
}

export function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}

/**
 * @param password as {@link saslPrep} gave it
 * @param salt only tests give one
 */
export async function scramKeysOf(
  password: string,
  salt: Uint8Array = randomBytes(SCRAM_SALT_BYTES),
  iterations = SCRAM_ITERATIONS,
): Promise<ScramKeys> {
  const salted = await new Promise<Buffer>((resolve, reject) => {
    pbkdf2(password, salt, iterations, KEY_BYTES, 'sha256', (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
  const storedKey = sha256(hmacSha256(salted, 'Client Key'));
  return { salt, iterations, storedKey, serverKey: hmacSha256(salted, 'Server Key') };
}
