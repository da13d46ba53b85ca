import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';

/** A password, salted and hashed (scrypt, RFC 7914), with what it takes to check one. */
export interface ScryptHash {
  /** N is 2 to this. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** 32 MiB and some 100 ms of one core for each guess. */
const COST = { logN: 15, r: 8, p: 1 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** What a stored hash may ask for: a damaged one must not take the node's memory. */
export const COST_BOUNDS = { minLogN: 10, maxLogN: 20, maxR: 32, maxP: 16 } as const;

type Cost = Pick<ScryptHash, 'logN' | 'r' | 'p'>;

function derive(password: Uint8Array, salt: Uint8Array, { logN, r, p }: Cost, sizeBytes: number): Promise<Buffer> {
  const N = 2 ** logN;
  const options: ScryptOptions = { N, r, p, maxmem: 128 * N * r * 2 + 1024 * 1024 };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, sizeBytes, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** @param cost only tests give one */
export async function hashPassword(password: Uint8Array, cost: Cost = COST): Promise<ScryptHash> {
  const salt = randomBytes(SALT_BYTES);
  return { ...cost, salt, hash: await derive(password, salt, cost, HASH_BYTES) };
}

export async function matchesHash(password: Uint8Array, expected: ScryptHash): Promise<boolean> {
  const found = await derive(password, expected.salt, expected, expected.hash.length);
  return timingSafeEqual(found, expected.hash);
}

/** A hash that no password has, at the usual cost: checked for users that do not exist, which so take as long as others. */
export function unmatchable(cost: Cost = COST): ScryptHash {
  return { ...cost, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) };
}
