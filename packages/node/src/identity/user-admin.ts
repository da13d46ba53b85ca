import { randomBytes } from 'node:crypto';
import { DocumentCollection } from '@quorate/broker';
import type { Changed, Page, UserView } from '../http/identity-admin.ts';
import type { AdminResult } from '../http/node-admin.ts';
import { type ChangeDocument, changeByNow, done, failureOf, refusal } from './changes.ts';
import { type Directory, SCRAM_SECRET } from './directory.ts';
import { pageOf } from './page.ts';
import { saslPrep, scramKeysOf } from './scram-keys.ts';
import { hashPassword } from './scrypt.ts';
import { encodeUser, type StoredUser, type User } from './users.ts';
import { Overloaded, WorkQueue } from './work-queue.ts';

const { users: USERS, secrets: SECRETS } = DocumentCollection;

/** Characters of a user name. */
export const MAX_USER_NAME = 256;
/** Bytes of a password. */
const MAX_PASSWORD_BYTES = 1_024;
const HASHING = { maxRunning: 1, maxWaiting: 64, maxWaitMs: 20_000 } as const;

type Credentials = Pick<StoredUser, 'password' | 'scram'>;

function nameProblem(name: string): AdminResult | null {
  // SCRAM compares prepared names (RFC 4013); two users must not be one there.
  if (name !== '' && name.length <= MAX_USER_NAME && saslPrep(name) === name) return null;
  const expected = `1 to ${String(MAX_USER_NAME)} characters, no control characters, composed (Unicode NFKC)`;
  return refusal('INVALID', `The name of the user is ${JSON.stringify(name.slice(0, 80))}: expected ${expected}`);
}

function passwordProblem(password: string): AdminResult | null {
  const sizeBytes = Buffer.byteLength(password);
  if (sizeBytes > 0 && sizeBytes <= MAX_PASSWORD_BYTES && saslPrep(password) !== null) return null;
  const expected = `1 to ${String(MAX_PASSWORD_BYTES)} bytes of UTF-8 without control characters`;
  return refusal('INVALID', `The password is not usable: expected ${expected}`);
}

function viewOf({ name, superuser }: Pick<User, 'name' | 'superuser'>): UserView {
  return { name, superuser };
}

/** Adds, changes and removes users. Passwords are hashed on the node that is asked: the log has hashes only. */
export class UserAdmin {
  readonly #directory: Directory;
  readonly #change: ChangeDocument;
  readonly #hashing = new WorkQueue('passwords to be hashed', HASHING);

  constructor(directory: Directory, change: ChangeDocument) {
    this.#directory = directory;
    this.#change = change;
  }

  list(after: string | null, limit: number): Page<UserView> {
    const page = pageOf(this.#directory.sortedUsers(), ({ name }) => name, after, limit);
    return { data: page.data.map(viewOf), next: page.next };
  }

  async add(name: string, password: string, superuser: boolean): Promise<Changed<UserView>> {
    const problem = nameProblem(name) ?? passwordProblem(password);
    if (problem !== null) return problem;
    const exists = refusal('ALREADY_EXISTS', `There is a user ${name} already`);
    if (this.#directory.users.has(name)) return exists;
    const credentials = await this.#credentialsOf(password);
    if ('code' in credentials) return credentials;
    const failure = await this.#ensureSecret();
    if (failure !== null) return failure;
    const bytes = encodeUser({ superuser, ...credentials });
    const content = { bytes, expiresInMs: null };
    const change = await this.#change({ collection: USERS, name, expected: 'absent', content });
    if (change.ok && change.outcome === 'conflict') return exists;
    return failureOf(change, 'The user was not added') ?? { ...done('The user was added'), value: { name, superuser } };
  }

  async change(
    name: string,
    { password, superuser }: { readonly password: string | null; readonly superuser: boolean | null },
  ): Promise<Changed<UserView>> {
    const problem = password === null ? null : passwordProblem(password);
    if (problem !== null) return problem;
    const unknown = refusal('NOT_FOUND', `There is no user ${name}`);
    if (!this.#directory.users.has(name)) return unknown;
    const credentials = password === null ? null : await this.#credentialsOf(password);
    if (credentials !== null && 'code' in credentials) return credentials;
    let value: UserView = { name, superuser: false };
    const failure = await changeByNow(this.#change, 'The user was not changed', () => {
      const user = this.#directory.users.get(name);
      if (user === undefined) return { refused: unknown };
      const next = { ...user, ...credentials, superuser: superuser ?? user.superuser };
      value = viewOf(next);
      const content = { bytes: encodeUser(next), expiresInMs: null };
      return { command: { collection: USERS, name, expected: user.revision, content } };
    });
    return failure ?? { ...done('The user was changed'), value };
  }

  async remove(name: string): Promise<AdminResult> {
    const change = await this.#change({ collection: USERS, name, expected: 'present', content: null });
    if (change.ok && change.outcome === 'conflict') return refusal('NOT_FOUND', `There is no user ${name}`);
    return failureOf(change, 'The user was not removed') ?? done(`User ${name} is gone`);
  }

  async #credentialsOf(password: string): Promise<Credentials | AdminResult> {
    try {
      return await this.#hashing.run(async () => ({
        password: await hashPassword(Buffer.from(password)),
        scram: await scramKeysOf(saslPrep(password) ?? password),
      }));
    } catch (error) {
      if (error instanceof Overloaded) return refusal('NOT_READY', `${error.message}: ask again in a few seconds`);
      throw error;
    }
  }

  /** Before the first user: what the salts of names that nobody has are made of, the same on all nodes. */
  async #ensureSecret(): Promise<AdminResult | null> {
    if (this.#directory.scramSecret !== null) return null;
    const content = { bytes: randomBytes(32), expiresInMs: null };
    const change = await this.#change({ collection: SECRETS, name: SCRAM_SECRET, expected: 'absent', content });
    return failureOf(change, 'The user was not added');
  }
}
