import { randomInt } from 'node:crypto';

const ENV_NAME = 'QUORATE_TEST_SEED';

let base: number | undefined;
const handedOut = new Map<string, number>();

/** The seed of this process: QUORATE_TEST_SEED when set, else drawn once. An unsigned 32-bit integer. */
export function baseSeed(): number {
  if (base !== undefined) return base;
  const given = process.env[ENV_NAME];
  if (given === undefined || given === '') {
    base = randomInt(2 ** 32);
    return base;
  }
  const parsed = Number(given);
  if (!Number.isInteger(parsed) || parsed < 0 || parsed >= 2 ** 32) {
    throw new Error(`${ENV_NAME} must be an integer from 0 to ${String(2 ** 32 - 1)}, got ${given}`);
  }
  base = parsed;
  return base;
}

/**
 * A seed for one randomised test: differs between names, is the same for the same name and QUORATE_TEST_SEED.
 * When the file fails, the suite wrapper prints how to repeat the run.
 *
 * @param name what the seed is for; part of the seed
 * @returns an unsigned 32-bit integer
 */
export function seedFor(name: string): number {
  // FNV-1a over UTF-16 code units, started from the base seed.
  let hash = (0x811c9dc5 ^ baseSeed()) >>> 0;
  for (let at = 0; at < name.length; at++) {
    hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193) >>> 0;
  }
  handedOut.set(name, hash);
  return hash;
}

/** One line that says how to repeat this run, or undefined when no seed was asked for. */
export function seedReport(): string | undefined {
  if (handedOut.size === 0) return undefined;
  const list = [...handedOut].map(([name, seed]) => `${name}=${String(seed)}`).join(', ');
  return `repeat with ${ENV_NAME}=${String(baseSeed())} (${list})`;
}
