import { DocumentCollection, type DocumentRecord, type Documents } from '@quorate/broker';
import { Policy } from './acl/policy.ts';
import type { AclRule } from './acl/rules.ts';
import { decodeRules, RULES_NAME } from './acl/stored-rules.ts';
import { type Ban, BanIndex, banName, decodeBan, readBanName } from './bans.ts';
import { UnknownDocument } from './stored.ts';
import { decodeUser, type User } from './users.ts';

const { users: USERS, aclRules: ACL_RULES, bans: BANS, secrets: SECRETS } = DocumentCollection;

export interface DirectoryLog {
  error(details: object, message: string): void;
}

/** Name of the secret from which the salts of users that do not exist are made. */
export const SCRAM_SECRET = 'scram';

/**
 * Users, rules and bans as this node can use them. Follows the documents of the replicated state. What this version can not
 * read is loud in the log and taken for the strictest thing that it could be: a user that can not come in, rules that
 * allow nothing, a ban without end.
 */
export class Directory {
  readonly #log: DirectoryLog;
  readonly #users = new Map<string, User>();
  readonly bans = new BanIndex();
  #rules: readonly AclRule[] = [];
  #rulesRevision: number | null = null;
  #policy: Policy | null = new Policy([]);
  #generation = 0;
  #scramSecret: Uint8Array | null = null;
  #sorted: { readonly users: readonly User[]; readonly bans: readonly Ban[] } | null = null;

  constructor(log: DirectoryLog) {
    this.#log = log;
  }

  get users(): ReadonlyMap<string, User> {
    return this.#users;
  }

  get rules(): readonly AclRule[] {
    return this.#rules;
  }

  /** Of the document of all rules; null when there is none. */
  get rulesRevision(): number | null {
    return this.#rulesRevision;
  }

  /** Null when this version can not read the rules: then nothing is allowed. */
  get policy(): Policy | null {
    return this.#policy;
  }

  /** Grows when rules change. */
  get generation(): number {
    return this.#generation;
  }

  /** The same on all nodes; null before the first user was added. */
  get scramSecret(): Uint8Array | null {
    return this.#scramSecret;
  }

  /** By name, in the order of their code units. */
  sortedUsers(): readonly User[] {
    return this.#sort().users;
  }

  /** By kind and value. */
  sortedBans(): readonly Ban[] {
    return this.#sort().bans;
  }

  #sort() {
    const nameOf = ({ kind, value }: Ban): string => banName(kind, value);
    this.#sorted ??= {
      users: [...this.#users.values()].sort((a, b) => inOrder(a.name, b.name)),
      bans: [...this.bans.values()].sort((a, b) => inOrder(nameOf(a), nameOf(b))),
    };
    return this.#sorted;
  }

  /** Another state took the place of the one so far. */
  load(documents: Documents): void {
    for (const name of [...this.#users.keys()]) this.changed(USERS, name, null);
    for (const { kind, value } of [...this.bans.values()]) this.bans.delete(kind, value);
    this.#sorted = null;
    this.changed(ACL_RULES, RULES_NAME, null);
    this.changed(SECRETS, SCRAM_SECRET, null);
    for (const document of documents.values()) this.changed(document.collection, document.name, document);
  }

  /** A document was put, or, with null, is gone. */
  changed(collection: number, name: string, document: DocumentRecord | null): void {
    if (collection === USERS) this.#userChanged(name, document);
    else if (collection === ACL_RULES) this.#rulesChanged(name, document);
    else if (collection === BANS) this.#banChanged(name, document);
    else if (collection === SECRETS && name === SCRAM_SECRET) this.#scramSecret = document?.bytes ?? null;
  }

  #userChanged(name: string, document: DocumentRecord | null): void {
    this.#sorted = null;
    this.#users.delete(name);
    if (document === null) return;
    const user = this.#read(`user ${name}: it can not log in`, () =>
      decodeUser(name, document.revision, document.bytes),
    );
    if (user !== null) this.#users.set(name, user);
  }

  #rulesChanged(name: string, document: DocumentRecord | null): void {
    if (name !== RULES_NAME) {
      if (document !== null) this.#complain(`access rules called ${name}: they are not used`, 'the name is not known');
      return;
    }
    const read = (bytes: Uint8Array): readonly AclRule[] | null =>
      this.#read('the access rules: nothing is allowed', () => decodeRules(bytes));
    const rules = document === null ? [] : read(document.bytes);
    this.#rules = rules ?? [];
    this.#rulesRevision = document?.revision ?? null;
    this.#policy = rules === null ? null : new Policy(rules);
    this.#generation++;
  }

  #banChanged(name: string, document: DocumentRecord | null): void {
    this.#sorted = null;
    const subject = readBanName(name);
    if (subject === null) {
      if (document !== null) this.#complain(`ban ${name}: it keeps nobody out`, 'its kind is not known');
      return;
    }
    const { kind, value } = subject;
    if (document === null) {
      this.bans.delete(kind, value);
      return;
    }
    // Its name alone says whom it keeps out.
    const unread = { kind, value, reason: '', createdAt: '', expiresAt: null };
    const ban = this.#read(`the details of ban ${name}`, () => decodeBan(kind, value, document.bytes)) ?? unread;
    this.bans.put(ban);
  }

  #read<T>(what: string, decode: () => T): T | null {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof UnknownDocument)) throw error;
      this.#complain(what, error.message);
      return null;
    }
  }

  #complain(what: string, why: string): void {
    this.#log.error({}, `this node can not read ${what} (${why})`);
  }
}

function inOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
