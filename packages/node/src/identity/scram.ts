import { randomBytes, timingSafeEqual } from 'node:crypto';
import type { AuthenticationExchange, AuthenticationOutcome, Credentials } from '@quorate/broker';
import { ReasonCode } from '@quorate/protocol';
import { hmacSha256, SCRAM_ITERATIONS, SCRAM_SALT_BYTES, type ScramKeys, saslPrep, sha256 } from './scram-keys.ts';
import type { User } from './users.ts';

/** The Authentication Method of MQTT 5.0 (section 4.12). */
export const SCRAM_METHOD = 'SCRAM-SHA-256';

export interface ScramOptions {
  readonly findUser: (userName: string) => User | undefined;
  /** The same on all nodes, so that a name that nobody has is given one salt everywhere. */
  readonly secret: Uint8Array;
  readonly credentials: Credentials;
  /** Whom a re-authentication has to prove; null at CONNECT. */
  readonly expectedUserName: string | null;
  /** Looks at bans and failed logins before anything is answered. Null when the name may go on. */
  readonly refusalOf: (userName: string) => AuthenticationOutcome | null;
  readonly onRefused: (userName: string | null, reasonCode: number, detail: string) => void;
  /** What becomes of somebody who has shown to know the password. */
  readonly grant: (user: User, data: Uint8Array) => AuthenticationOutcome;
  /** Only tests give one. */
  readonly nonce?: () => string;
}

const NONCE_BYTES = 18;
const MAX_MESSAGE_BYTES = 4_096;
/** gs2 header: without channel binding, then perhaps an identity to act for (RFC 5802 section 7). */
const CLIENT_FIRST = /^([ny],(?:a=([^,]*))?,)(n=([^,]*),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?)$/u;
const CLIENT_FINAL = /^(c=([A-Za-z0-9+/=]+),r=([\x21-\x2b\x2d-\x7e]+)(?:,.*)?),p=([A-Za-z0-9+/=]+)$/u;

interface Challenge {
  /** Undefined for a name that nobody has. */
  readonly user: User | undefined;
  readonly userName: string;
  readonly gs2Header: string;
  readonly keys: ScramKeys;
  readonly nonce: string;
  /** client-first-message-bare and server-first-message, with a comma behind each. */
  readonly messages: string;
}

/** In a name `=2C` is a comma and `=3D` an equals sign; null when there is any other (RFC 5802 section 5.1). */
function unescaped(name: string): string | null {
  if (/=(?!2C|3D)/.test(name)) return null;
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function textOf(data: Uint8Array | null): string | null {
  if (data === null || data.length > MAX_MESSAGE_BYTES) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    return null;
  }
}

/** The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. */
export class ScramExchange implements AuthenticationExchange {
  readonly #options: ScramOptions;
  #challenge: Challenge | null = null;

  constructor(options: ScramOptions) {
    this.#options = options;
  }

  step(data: Uint8Array | null, done: (outcome: AuthenticationOutcome) => void): void {
    const text = textOf(data);
    const challenge = this.#challenge;
    this.#challenge = null;
    if (text === null) done(this.#refuse(null, 'no message of SCRAM'));
    else if (challenge === null) done(this.#first(text));
    else done(this.#final(challenge, text));
  }

  #refuse(userName: string | null, detail: string): AuthenticationOutcome {
    const reasonCode = ReasonCode.notAuthorized;
    this.#options.onRefused(userName, reasonCode, detail);
    return { kind: 'refused', refusal: { reasonCode, detail } };
  }

  #first(text: string): AuthenticationOutcome {
    const { credentials, expectedUserName, findUser, refusalOf } = this.#options;
    const [, gs2Header = '', authzid, bare = '', rawName = '', clientNonce = ''] = CLIENT_FIRST.exec(text) ?? [];
    const named = gs2Header === '' ? null : unescaped(rawName);
    const userName = named === null ? null : saslPrep(named);
    if (userName === null) return this.#refuse(null, 'no client-first-message of SCRAM without channel binding');
    if (authzid !== undefined && unescaped(authzid) !== named)
      return this.#refuse(userName, 'it is to act for another user');
    const claimed = credentials.userName;
    if ((claimed !== null && claimed !== named) || (expectedUserName !== null && expectedUserName !== userName)) {
      return this.#refuse(userName, 'the user is not the one of the connection');
    }
    const refusal = refusalOf(userName);
    if (refusal !== null) return refusal;
    const user = findUser(userName);
    const keys = user?.scram ?? this.#keysOfNobody(userName);
    const nonce = clientNonce + (this.#options.nonce?.() ?? randomBytes(NONCE_BYTES).toString('base64'));
    const salt = Buffer.from(keys.salt).toString('base64');
    const serverFirst = `r=${nonce},s=${salt},i=${String(keys.iterations)}`;
    this.#challenge = { user, userName, gs2Header, keys, nonce, messages: `${bare},${serverFirst},` };
    return { kind: 'continue', data: Buffer.from(serverFirst) };
  }

  /** Nobody can answer them, and nobody can tell them from real ones. */
  #keysOfNobody(userName: string): ScramKeys {
    const salt = hmacSha256(this.#options.secret, `salt of ${userName}`).subarray(0, SCRAM_SALT_BYTES);
    return { salt, iterations: SCRAM_ITERATIONS, storedKey: randomBytes(32), serverKey: randomBytes(32) };
  }

  #final(challenge: Challenge, text: string): AuthenticationOutcome {
    const { user, userName, gs2Header, keys, nonce, messages } = challenge;
    const [, withoutProof = '', binding = '', givenNonce = '', givenProof = ''] = CLIENT_FINAL.exec(text) ?? [];
    // The header again: whoever is in between could have taken channel binding out of it (RFC 5802 section 6).
    if (Buffer.from(binding, 'base64').toString() !== gs2Header || givenNonce !== nonce) {
      return this.#refuse(userName, 'no client-final-message of SCRAM that goes with the first');
    }
    const proof = Buffer.from(givenProof, 'base64');
    const authMessage = messages + withoutProof;
    const signature = hmacSha256(keys.storedKey, authMessage);
    if (proof.length !== signature.length) return this.#refuse(userName, 'the proof is not 32 bytes');
    const clientKey = signature.map((byte, at) => byte ^ (proof[at] ?? 0));
    if (!timingSafeEqual(sha256(clientKey), keys.storedKey) || user === undefined) {
      return this.#refuse(userName, user === undefined ? 'there is no such user' : 'wrong password');
    }
    const verifier = hmacSha256(keys.serverKey, authMessage).toString('base64');
    return this.#options.grant(user, Buffer.from(`v=${verifier}`));
  }
}
