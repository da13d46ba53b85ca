import type { Credentials } from '@quorate/broker';
import { ReasonCode } from '@quorate/protocol';
import {
  decodeProtectedHeader,
  errors,
  type JWTPayload,
  type JWTVerifyGetKey,
  type JWTVerifyOptions,
  jwtVerify,
} from 'jose';
import type { JwtConfig } from '../config/authentication.ts';
import { NoKeys } from './jwks.ts';
import { type Method, NOT_MINE, proven, refused, type Verdict } from './method.ts';
import { readOwnRules } from './own-rules.ts';
import { Overloaded, WorkQueue } from './work-queue.ts';

const MAX_TOKEN_BYTES = 16 * 1024;
const MAX_USER_NAME = 512;
/** A signature takes some 0.1 ms; most of the waiting is for a key set. */
const LIMITS = { maxRunning: 64, maxWaiting: 4_096, maxWaitMs: 10_000 } as const;

/** A secret shared with the issuer, or its public keys. An algorithm is never the token's choice between the two kinds. */
export type TokenKeys =
  | { readonly kind: 'secret'; readonly secret: Uint8Array }
  | { readonly kind: 'public'; readonly find: JWTVerifyGetKey };

const SECRET_ALGORITHMS = ['HS256'];
const PUBLIC_ALGORITHMS = ['RS256', 'ES256', 'EdDSA', 'Ed25519'];

export interface JwtOptions {
  readonly config: JwtConfig;
  readonly keys: TokenKeys;
  /** Monotonic. */
  readonly nowMs: () => number;
  readonly wallClockMs: () => number;
}

/** The password is a signed JSON Web Token (RFC 7519). */
export class JwtMethod implements Method {
  readonly name = 'jwt';
  readonly #options: JwtOptions;
  readonly #queue = new WorkQueue('tokens', LIMITS);

  constructor(options: JwtOptions) {
    this.#options = options;
  }

  authenticate({ userName, password }: Credentials): Verdict | Promise<Verdict> {
    if (password === null || password.length > MAX_TOKEN_BYTES) return NOT_MINE;
    const token = Buffer.from(password).toString('latin1');
    return isToken(token) ? this.#check(token, userName) : NOT_MINE;
  }

  async #check(token: string, claimed: string | null): Promise<Verdict> {
    try {
      return this.#verdictOf(await this.#queue.run(() => this.#verify(token)), claimed);
    } catch (error) {
      if (error instanceof Overloaded) return refused(ReasonCode.quotaExceeded, error.message);
      if (error instanceof NoKeys) return refused(ReasonCode.serverUnavailable, error.message);
      if (error instanceof errors.JOSEError) {
        return refused(ReasonCode.badUserNameOrPassword, `the token is refused: ${error.message}`);
      }
      return refused(ReasonCode.serverUnavailable, `the token could not be checked: ${String(error)}`);
    }
  }

  async #verify(token: string): Promise<JWTPayload> {
    const { config, keys, wallClockMs } = this.#options;
    const options: JWTVerifyOptions = {
      algorithms: keys.kind === 'secret' ? SECRET_ALGORITHMS : PUBLIC_ALGORITHMS,
      currentDate: new Date(wallClockMs()),
      clockTolerance: config.clockToleranceSec,
      ...(config.requireExpiry ? { requiredClaims: ['exp'] } : {}),
      ...(config.issuer === null ? {} : { issuer: config.issuer }),
      ...(config.audience.length === 0 ? {} : { audience: [...config.audience] }),
    };
    const { payload } =
      keys.kind === 'secret'
        ? await jwtVerify(token, keys.secret, options)
        : await jwtVerify(token, keys.find, options);
    return payload;
  }

  #verdictOf(payload: JWTPayload, claimed: string | null): Verdict {
    const { config, nowMs, wallClockMs } = this.#options;
    const bad = (detail: string): Verdict => refused(ReasonCode.badUserNameOrPassword, detail);
    const userName = payload[config.userNameClaim];
    if (typeof userName !== 'string' || userName === '' || userName.length > MAX_USER_NAME) {
      return bad(`the token has no user name in claim ${config.userNameClaim}`);
    }
    if (config.userNameMustMatch && claimed !== userName) {
      return bad(`the token is of '${userName}', the user name is another one`);
    }
    const claim = config.aclClaim === null ? undefined : payload[config.aclClaim];
    const own = claim === undefined ? null : readOwnRules(claim);
    if (claim !== undefined && own === null) {
      return bad(`claim ${config.aclClaim ?? ''} of the token is no {"publish":[filters],"subscribe":[filters]}`);
    }
    const { exp } = payload;
    const expiresAtMs = exp === undefined ? Number.POSITIVE_INFINITY : nowMs() + exp * 1000 - wallClockMs();
    return { kind: 'granted', proven: proven(userName, { own, expiresAtMs }) };
  }
}

/** Whether it has the shape of a token; a password that happens to have dots in it goes to the next method. */
function isToken(text: string): boolean {
  if (text.split('.').length !== 3) return false;
  try {
    return typeof decodeProtectedHeader(text).alg === 'string';
  } catch {
    return false;
  }
}
