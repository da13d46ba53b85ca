import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTHeaderParameters, type JWTVerifyGetKey } from 'jose';

export interface KeySetOptions {
  /** The text of a JSON Web Key Set (RFC 7517). */
  readonly read: () => Promise<string>;
  /** It is read again after this time, beside verifications that go on with the one before. */
  readonly refreshMs: number;
  /** Least time between two readings, whatever keys tokens name. */
  readonly minIntervalMs: number;
  readonly nowMs: () => number;
  /** It could not be read. */
  readonly onFailure: (error: unknown) => void;
}

type Lookup = (header: JWTHeaderParameters, token: Parameters<JWTVerifyGetKey>[1]) => ReturnType<JWTVerifyGetKey>;

const MAX_SET_BYTES = 1024 * 1024;
const FETCH_TIMEOUT_MS = 5_000;

/** No key set was read so far: nobody can say whether a token is right. */
export class NoKeys extends Error {
  constructor(cause: unknown) {
    super('the key set could not be read', { cause });
    this.name = 'NoKeys';
  }
}

/**
 * The public keys of whoever issues tokens. A key that is not in the set has it read again, so that an issuer may change
 * keys at any time; while it can not be read, the keys of last time go on to count.
 */
export class KeySet {
  readonly #options: KeySetOptions;
  #lookup: Lookup | null = null;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | null = null;
  #failure: unknown = null;

  constructor(options: KeySetOptions) {
    this.#options = options;
  }

  /** The key for a token. @throws {NoKeys} or an error of jose */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const { refreshMs, nowMs } = this.#options;
    if (this.#lookup === null) await this.#refresh();
    else if (nowMs() - this.#triedAtMs >= refreshMs) void this.#refresh();
    const before = this.#lookup;
    if (before === null) throw new NoKeys(this.#failure);
    try {
      return await before(header, token);
    } catch (error) {
      if (!(error instanceof errors.JWKSNoMatchingKey)) throw error;
      await this.#refresh();
      if (this.#lookup === before) throw error;
      return (this.#lookup as Lookup)(header, token);
    }
  };

  /** Never rejects. Does nothing when the last time was a moment ago. */
  #refresh(): Promise<void> {
    if (this.#reading !== null) return this.#reading;
    const { nowMs, minIntervalMs } = this.#options;
    if (nowMs() - this.#triedAtMs < minIntervalMs) return Promise.resolve();
    this.#triedAtMs = nowMs();
    this.#reading = this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<void> {
    try {
      const text = await this.#options.read();
      if (text.length > MAX_SET_BYTES) throw new Error(`the key set is larger than ${String(MAX_SET_BYTES)} bytes`);
      // Checks that it is one.
      this.#lookup = createLocalJWKSet(JSON.parse(text) as JSONWebKeySet);
    } catch (error) {
      this.#failure = error;
      this.#options.onFailure(error);
    }
  }
}

/** Reads the body of an answer up to a bound. */
export async function boundedText(response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of response.body ?? []) {
    sizeBytes += (chunk as Uint8Array).length;
    if (sizeBytes > maxBytes) throw new Error(`the answer is larger than ${String(maxBytes)} bytes`);
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function fromFile(path: string): () => Promise<string> {
  return () => readFile(path, 'utf8');
}

export function fromUrl(url: string): () => Promise<string> {
  return async () => {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS), redirect: 'error' });
    const text = await boundedText(response, MAX_SET_BYTES);
    if (response.status !== 200) throw new Error(`${url} answered ${String(response.status)}`);
    return text;
  };
}
