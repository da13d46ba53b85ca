import type { ScramKeys } from './scram-keys.ts';
import { COST_BOUNDS, type ScryptHash } from './scrypt.ts';
import { type Fields, fieldsOf, UnknownDocument } from './stored.ts';

/** A user with a password. */
export interface User {
  readonly name: string;
  /** Of its document: see `DocumentRecord.revision`. */
  readonly revision: number;
  /** Access rules do not hold for it. */
  readonly superuser: boolean;
  readonly password: ScryptHash;
  readonly scram: ScramKeys;
  /** Differs as soon as the password is set anew, to the same one also. */
  readonly credentialsId: string;
}

/** What is kept of a user besides its name. */
export type StoredUser = Pick<User, 'superuser' | 'password' | 'scram'>;

const VERSION = 1;

export function encodeUser({ superuser, password, scram }: StoredUser): Buffer {
  const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
  const { logN, r, p } = password;
  const stored = {
    version: VERSION,
    superuser,
    password: { scheme: 'scrypt', logN, r, p, salt: base64(password.salt), hash: base64(password.hash) },
    scram: {
      salt: base64(scram.salt),
      iterations: scram.iterations,
      storedKey: base64(scram.storedKey),
      serverKey: base64(scram.serverKey),
    },
  };
  return Buffer.from(JSON.stringify(stored));
}

function passwordOf(fields: Fields): ScryptHash {
  const scheme = fields.text('scheme');
  if (scheme !== 'scrypt') throw new UnknownDocument(`password scheme ${scheme} is not known to this version`);
  const { minLogN, maxLogN, maxR, maxP } = COST_BOUNDS;
  return {
    logN: fields.integer('logN', minLogN, maxLogN),
    r: fields.integer('r', 1, maxR),
    p: fields.integer('p', 1, maxP),
    salt: fields.bytes('salt', 8, 64),
    hash: fields.bytes('hash', 16, 64),
  };
}

function scramOf(fields: Fields): ScramKeys {
  return {
    salt: fields.bytes('salt', 8, 64),
    iterations: fields.integer('iterations', 4_096, 10_000_000),
    storedKey: fields.bytes('storedKey', 32, 32),
    serverKey: fields.bytes('serverKey', 32, 32),
  };
}

/** @throws {UnknownDocument} when this version can not read it */
export function decodeUser(name: string, revision: number, bytes: Uint8Array): User {
  const fields = fieldsOf(bytes, VERSION);
  const password = passwordOf(fields.group('password'));
  return {
    name,
    revision,
    superuser: fields.boolean('superuser'),
    password,
    scram: scramOf(fields.group('scram')),
    credentialsId: Buffer.concat([password.salt, password.hash]).toString('base64'),
  };
}
