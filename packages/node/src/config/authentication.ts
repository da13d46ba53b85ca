import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { ConfigError } from './error.ts';
import { boolean, derived, type Infer, integer, oneOf, required, text, textList } from './key-types.ts';

/** Most entries of `authentication`. */
export const MAX_METHODS = 8;

const file = (doc: string) =>
  derived(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL ends a path in every system call.
    text({ doc, pattern: /^[^\u0000]+$/, expected: 'the path of a file' }),
    'none',
  );

const url = (doc: string) =>
  derived(text({ doc, pattern: /^https?:\/\/[^\s/?#]+[^\s#]*$/, expected: 'an http or https URL' }), 'none');

const claim = (doc: string) => text({ doc, pattern: /^\S{1,64}$/, expected: '1 to 64 characters without spaces' });

/** The keys of one entry of `authentication`. */
export const AUTHENTICATION = {
  method: required(
    oneOf({
      doc: 'How clients prove who they are; anonymous lets those in that show no credentials.',
      values: ['password', 'jwt', 'certificate', 'http', 'anonymous'],
      default: 'password',
    }),
  ),
  jwt: {
    secretFile: file('Secret of at least 32 bytes that the issuer shares (HS256); a newline at its end is left out.'),
    jwksFile: file("The issuer's public keys, a JSON Web Key Set (RS256, ES256, EdDSA); read again when it changes."),
    jwksUrl: url('The same from the issuer. While it can not be reached, the keys of last time go on to count.'),
    refreshSec: integer({ doc: 'How often the keys are read again.', default: 300, min: 1, max: 86_400 }),
    minRefetchSec: integer({
      doc: 'Least time between two readings, when a token names a key that is not in the set.',
      default: 10,
      min: 1,
      max: 3_600,
    }),
    issuer: derived(claim('What claim iss has to be.'), 'any'),
    audience: textList({
      doc: 'One of these has to be in claim aud; any when none are named.',
      pattern: /^\S{1,256}$/,
      expected: 'a list of names without spaces, 16 at most',
      max: 16,
    }),
    userNameClaim: derived(claim('The claim that is the user name.'), 'sub'),
    userNameMustMatch: boolean({ doc: 'Whether CONNECT has to have the same user name.', default: false }),
    aclClaim: derived(
      claim('The claim that says what the client may do: {"publish":[filters],"subscribe":[filters]}.'),
      'none',
    ),
    requireExpiry: boolean({ doc: 'Whether a token without claim exp is refused.', default: true }),
    clockToleranceSec: integer({
      doc: "By how much the issuer's clock may be off, for claims exp and nbf.",
      default: 5,
      min: 0,
      max: 600,
    }),
  },
  certificate: {
    userName: oneOf({
      doc: "The part of the client's certificate that is the user name; of a kind of alternative name it must have one.",
      values: ['commonName', 'dns', 'uri', 'email'],
      default: 'commonName',
    }),
    userNameMustMatch: boolean({ doc: 'Whether a user name in CONNECT has to be the same.', default: true }),
  },
  http: {
    url: url('Where the question is sent, by POST as JSON.'),
    timeoutMs: integer({ doc: 'How long the answer may take.', default: 3_000, min: 50, max: 60_000 }),
    maxConcurrent: integer({ doc: 'Most questions at once; 1,000 more wait.', default: 32, min: 1, max: 1_024 }),
  },
};

type Draft = Infer<typeof AUTHENTICATION>;

/** Where the keys of tokens come from. */
export type JwtKeysConfig =
  | { readonly kind: 'secretFile' | 'jwksFile'; readonly path: string }
  | { readonly kind: 'jwksUrl'; readonly url: string };

export interface JwtConfig {
  readonly keys: JwtKeysConfig;
  readonly refreshSec: number;
  readonly minRefetchSec: number;
  /** Null: any. */
  readonly issuer: string | null;
  /** Empty: any. */
  readonly audience: readonly string[];
  readonly userNameClaim: string;
  readonly userNameMustMatch: boolean;
  /** Null: none. */
  readonly aclClaim: string | null;
  readonly requireExpiry: boolean;
  readonly clockToleranceSec: number;
}

export type CertificateConfig = Draft['certificate'];

export interface HookConfig {
  readonly url: string;
  readonly timeoutMs: number;
  readonly maxConcurrent: number;
}

/** One way for clients to prove who they are, complete. */
export type AuthenticationConfig =
  | { readonly method: 'password' }
  | { readonly method: 'anonymous' }
  | { readonly method: 'jwt'; readonly jwt: JwtConfig }
  | { readonly method: 'certificate'; readonly certificate: CertificateConfig }
  | { readonly method: 'http'; readonly http: HookConfig };

const MIN_SECRET_BYTES = 32;

function keyOf(at: number, name: string): string {
  return `authentication.${String(at)}.${name}`;
}

/** @throws {ConfigError} when the values of one entry do not fit together */
export function completeAuthentication(draft: Draft, at: number): AuthenticationConfig {
  const { method, jwt, certificate, http } = draft;
  if (method === 'jwt') return { method, jwt: completeJwt(jwt, at) };
  if (method === 'certificate') return { method, certificate };
  if (method === 'http') {
    const { url: given, timeoutMs, maxConcurrent } = http;
    if (given !== undefined) return { method, http: { url: given, timeoutMs, maxConcurrent } };
    const key = keyOf(at, 'http.url');
    throw new ConfigError('MISSING_KEY', key, undefined, `${key} is missing: expected an http or https URL`);
  }
  return { method };
}

function completeJwt(jwt: Draft['jwt'], at: number): JwtConfig {
  const { secretFile, jwksFile, jwksUrl, issuer, userNameClaim, aclClaim, ...rest } = jwt;
  const given: JwtKeysConfig[] = [];
  if (secretFile !== undefined) given.push({ kind: 'secretFile', path: resolve(secretFile) });
  if (jwksFile !== undefined) given.push({ kind: 'jwksFile', path: resolve(jwksFile) });
  if (jwksUrl !== undefined) given.push({ kind: 'jwksUrl', url: jwksUrl });
  const [keys, ...more] = given;
  if (keys === undefined || more.length > 0) {
    const key = keyOf(at, 'jwt');
    const kinds = given.map(({ kind }) => kind).join(' and ');
    const expected = 'expected one of secretFile, jwksFile and jwksUrl';
    throw new ConfigError('CONFLICT', key, kinds, `${key} has ${kinds === '' ? 'no keys' : kinds}: ${expected}`);
  }
  return { ...rest, keys, issuer: issuer ?? null, userNameClaim: userNameClaim ?? 'sub', aclClaim: aclClaim ?? null };
}

/**
 * The secret that tokens are signed with.
 *
 * @throws {ConfigError} when it can not be read or is too short (RFC 7518 section 3.2)
 */
export function readSecret(path: string, key: string): Uint8Array {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error);
    const message = `${key} is ${path}, which cannot be read (${code}): expected a file with a secret`;
    throw new ConfigError('FILE_UNREADABLE', key, path, message);
  }
  if (bytes.at(-1) === 0x0a) bytes = bytes.subarray(0, bytes.at(-2) === 0x0d ? -2 : -1);
  if (bytes.length >= MIN_SECRET_BYTES) return bytes;
  const found = `${key} is ${path}, which holds ${String(bytes.length)} bytes`;
  const message = `${found}: expected a secret of at least ${String(MIN_SECRET_BYTES)}`;
  throw new ConfigError('FILE_INVALID', key, path, message);
}

/** @throws {ConfigError} when a method that can only be there once is there twice */
export function checkMethods(methods: readonly AuthenticationConfig[]): void {
  for (const [at, { method }] of methods.entries()) {
    const mayRepeat = method === 'jwt' || method === 'http';
    if (mayRepeat || methods.findIndex((each) => each.method === method) === at) continue;
    const key = keyOf(at, 'method');
    const message = `${key} is ${method}, as an entry before it: expected each method once, except jwt and http`;
    throw new ConfigError('CONFLICT', key, method, message);
  }
}

/** @throws {ConfigError} when a file of secrets can not be used; key sets may come later */
export function checkSecretFiles(methods: readonly AuthenticationConfig[]): void {
  for (const [at, each] of methods.entries()) {
    if (each.method !== 'jwt' || each.jwt.keys.kind !== 'secretFile') continue;
    readSecret(each.jwt.keys.path, keyOf(at, 'jwt.secretFile'));
  }
}
