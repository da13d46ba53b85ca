import { createHmac, randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import type { Credentials } from '@quorate/broker';
import { ReasonCode } from '@quorate/protocol';
import type { Directory } from './directory.ts';
import { type Method, NOT_MINE, proven, refused, type Settled, type Verdict } from './method.ts';
import { matchesHash, type ScryptHash, unmatchable } from './scrypt.ts';
import type { User } from './users.ts';
import { Overloaded, type WorkLimits, WorkQueue } from './work-queue.ts';

/** Half of the cores, since each verification takes one, and a thread that the log's writes need as well; four at most. */
const LIMITS: WorkLimits = {
  maxRunning: Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2))),
  maxWaiting: 1_000,
  maxWaitMs: 10_000,
};
/** Remembered successes: some 150 bytes each. */
const CACHE_SIZE = 50_000;
/** Longer passwords are none. */
const MAX_PASSWORD_BYTES = 1_024;

export interface PasswordOptions {
  readonly directory: Pick<Directory, 'users'>;
  readonly limits?: WorkLimits;
  readonly cacheSize?: number;
  readonly verify?: (password: Uint8Array, expected: ScryptHash) => Promise<boolean>;
}

/**
 * User name and password against the users of the replicated state. A right password is remembered in this process, as a keyed
 * hash: clients that come again after a break of the network do not cost a verification each. A wrong one and an unknown
 * user cost the same.
 */
export class PasswordMethod implements Method {
  readonly name = 'password';
  readonly #directory: Pick<Directory, 'users'>;
  readonly #queue: WorkQueue;
  readonly #verify: (password: Uint8Array, expected: ScryptHash) => Promise<boolean>;
  readonly #cacheSize: number;
  /** What was right, as a keyed hash of user and password, by the credentials that it was right for. */
  readonly #cache = new Map<string, string>();
  readonly #key = randomBytes(32);
  readonly #nobody = unmatchable();

  constructor(options: PasswordOptions) {
    this.#directory = options.directory;
    this.#queue = new WorkQueue('password verifications', options.limits ?? LIMITS);
    this.#verify = options.verify ?? matchesHash;
    this.#cacheSize = options.cacheSize ?? CACHE_SIZE;
  }

  get waiting(): number {
    return this.#queue.waiting;
  }

  get cached(): number {
    return this.#cache.size;
  }

  /** Grants what is remembered; null when it takes a verification to know. */
  recall({ userName, password }: Credentials): Settled | null {
    if (userName === null || password === null) return null;
    const user = this.#directory.users.get(userName);
    if (user === undefined || password.length > MAX_PASSWORD_BYTES) return null;
    const mark = this.#markOf(userName, password);
    if (this.#cache.get(mark) !== user.credentialsId) return null;
    // The last one to go when there is no room.
    this.#cache.delete(mark);
    this.#cache.set(mark, user.credentialsId);
    return granted(user);
  }

  authenticate(credentials: Credentials): Verdict | Promise<Verdict> {
    const { userName, password } = credentials;
    if (userName === null || password === null) return NOT_MINE;
    return this.recall(credentials) ?? this.#check(userName, password);
  }

  async #check(userName: string, password: Uint8Array): Promise<Verdict> {
    const user = this.#directory.users.get(userName);
    const tooLong = password.length > MAX_PASSWORD_BYTES;
    const shown = tooLong ? password.subarray(0, MAX_PASSWORD_BYTES) : password;
    try {
      const matches = await this.#queue.run(() => this.#verify(shown, user?.password ?? this.#nobody));
      // Another method may know the name.
      if (user === undefined) return NOT_MINE;
      if (!matches || tooLong) return refused(ReasonCode.badUserNameOrPassword, 'wrong password');
    } catch (error) {
      if (error instanceof Overloaded) return refused(ReasonCode.quotaExceeded, error.message);
      return refused(ReasonCode.serverUnavailable, `the password could not be checked: ${String(error)}`);
    }
    // The user as it is now may be gone or have another password: the grant finds that out.
    this.#remember(userName, password, user);
    return granted(user);
  }

  #remember(userName: string, password: Uint8Array, { credentialsId }: User): void {
    if (this.#cache.size >= this.#cacheSize) {
      const oldest = this.#cache.keys().next();
      if (oldest.done !== true) this.#cache.delete(oldest.value);
    }
    this.#cache.set(this.#markOf(userName, password), credentialsId);
  }

  #markOf(userName: string, password: Uint8Array): string {
    const mac = createHmac('sha256', this.#key);
    // With its length in front, so that no two pairs are the same bytes.
    mac.update(`${String(Buffer.byteLength(userName))}:${userName}`).update(password);
    return mac.digest('base64');
  }
}

function granted(user: User): Settled {
  return { kind: 'granted', proven: proven(user.name, { credentialsId: user.credentialsId }) };
}
