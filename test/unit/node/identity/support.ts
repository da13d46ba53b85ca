import {
  type AuthenticationOutcome,
  type Credentials,
  DocumentCollection,
  type DocumentRecord,
  type Grant,
} from '@quorate/broker';
import { NodeAccess } from '../../../../packages/node/src/identity/access.ts';
import { type AclRule, completeRule, type GivenRule } from '../../../../packages/node/src/identity/acl/rules.ts';
import { encodeRules, RULES_NAME } from '../../../../packages/node/src/identity/acl/stored-rules.ts';
import { Attempts } from '../../../../packages/node/src/identity/attempts.ts';
import { type BanKind, banName, encodeBan } from '../../../../packages/node/src/identity/bans.ts';
import { Directory } from '../../../../packages/node/src/identity/directory.ts';
import { FailureLog } from '../../../../packages/node/src/identity/failure-log.ts';
import type { Method } from '../../../../packages/node/src/identity/method.ts';
import { scramKeysOf } from '../../../../packages/node/src/identity/scram-keys.ts';
import { hashPassword } from '../../../../packages/node/src/identity/scrypt.ts';
import { encodeUser } from '../../../../packages/node/src/identity/users.ts';

/** A thousandth of what it costs outside of tests. */
export const CHEAP = { logN: 10, r: 1, p: 1 } as const;

export const ANN: Credentials = {
  clientId: 'c1',
  userName: 'ann',
  password: Buffer.from('secret'),
  certificate: null,
  remoteAddress: '10.0.0.1',
  protocolVersion: 5,
};

export function settle(method: Method, credentials: Credentials) {
  return Promise.resolve(method.authenticate(credentials));
}

/** Users, rules and bans as a cluster would have them, and access control over them, on a clock of its own. */
export class World {
  nowMs = 1_000;
  readonly errors: string[] = [];
  readonly lines: { readonly details: object; readonly message: string }[] = [];
  readonly counts = new Map<string, number>();
  readonly directory: Directory;
  #revision = 1;

  constructor() {
    this.directory = new Directory({ error: (_details, message) => void this.errors.push(message) });
  }

  put(collection: number, name: string, bytes: Uint8Array): void {
    const document: DocumentRecord = {
      ...{ collection, name, bytes },
      ...{ revision: this.#revision++, expiresAtMs: Number.POSITIVE_INFINITY },
    };
    this.directory.changed(collection, name, document);
  }

  remove(collection: number, name: string): void {
    this.directory.changed(collection, name, null);
  }

  async addUser(name: string, password: string, superuser = false): Promise<void> {
    const stored = {
      superuser,
      password: await hashPassword(Buffer.from(password), CHEAP),
      scram: await scramKeysOf(password, undefined, 4_096),
    };
    this.put(DocumentCollection.users, name, encodeUser(stored));
  }

  removeUser(name: string): void {
    this.remove(DocumentCollection.users, name);
  }

  setRules(...rules: readonly (Partial<GivenRule> & { readonly topics: readonly string[] })[]): void {
    const complete: AclRule[] = rules.map((rule, at) =>
      completeRule({ permission: 'allow', who: 'all', action: 'all', ...rule }, `r${String(at)}`),
    );
    this.put(DocumentCollection.aclRules, RULES_NAME, encodeRules(complete));
  }

  ban(kind: BanKind, value: string): void {
    const bytes = encodeBan({ reason: '', createdAt: '2030-01-01T00:00:00Z', expiresAt: null });
    this.put(DocumentCollection.bans, banName(kind, value), bytes);
  }

  access(methods: readonly Method[], { allowsOtherwise = true, perUser = 3, perAddress = 5 } = {}): NodeAccess {
    const log = { warn: (details: object, message: string) => void this.lines.push({ details, message }) };
    const now = (): number => this.nowMs;
    return new NodeAccess({
      directory: this.directory,
      methods,
      attempts: new Attempts({ perUser, perAddress, windowSec: 60 }, now),
      failures: new FailureLog(log, now),
      allowsOtherwise,
      count: (method, outcome) => {
        const key = `${method} ${outcome}`;
        this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
      },
    });
  }
}

/** Asks, and waits for the answer, which has to come once. */
export function login(access: NodeAccess, part: Partial<Credentials> = {}): Promise<AuthenticationOutcome> {
  return new Promise((resolve, reject) => {
    let answers = 0;
    access.authenticate({ ...ANN, ...part }, (outcome) => {
      if (++answers > 1) reject(new Error('answered twice'));
      resolve(outcome);
    });
  });
}

export async function granted(access: NodeAccess, part: Partial<Credentials> = {}): Promise<Grant> {
  const outcome = await login(access, part);
  if (outcome.kind === 'granted') return outcome.grant;
  throw new Error(outcome.kind === 'refused' ? `refused: ${outcome.refusal.detail}` : outcome.kind);
}

/** The reason code of a refusal, or the kind of another outcome. */
export function codeOf(outcome: AuthenticationOutcome): number | string {
  return outcome.kind === 'refused' ? outcome.refusal.reasonCode : outcome.kind;
}
