import { randomBytes } from 'node:crypto';
import type {
  AccessControl,
  AuthenticationExchange,
  AuthenticationOutcome,
  Credentials,
  Refusal,
} from '@quorate/broker';
import { ReasonCode } from '@quorate/protocol';
import type { Attempts } from './attempts.ts';
import type { Directory } from './directory.ts';
import type { FailureLog } from './failure-log.ts';
import { DirectoryGrant } from './grant.ts';
import { type Method, type MethodName, type Proven, proven, type Settled } from './method.ts';
import type { PasswordMethod } from './password-method.ts';
import { SCRAM_METHOD, ScramExchange } from './scram.ts';
import type { User } from './users.ts';

/** How an attempt to log in ended. */
export type LoginOutcome = 'granted' | 'refused' | 'banned' | 'limited' | 'unavailable';
/** What settled it; `none` when no method was asked, or none knew the client. */
export type LoginMethod = MethodName | 'scram' | 'none';

export interface AccessOptions {
  readonly directory: Directory;
  /** In the order in which they are asked. */
  readonly methods: readonly Method[];
  readonly attempts: Attempts;
  readonly failures: FailureLog;
  /** What is said of topics that no rule matches. */
  readonly allowsOtherwise: boolean;
  readonly count: (method: LoginMethod, outcome: LoginOutcome) => void;
}

type Done = (outcome: AuthenticationOutcome) => void;

const BLOCKED: Refusal = { reasonCode: ReasonCode.connectionRateExceeded, detail: 'too many failed logins' };

/** Asks the configured methods in their order, behind bans and the limit of failed logins. */
export class NodeAccess implements AccessControl {
  readonly #options: AccessOptions;
  readonly #passwords: PasswordMethod | null;
  /** Until the cluster has a secret of its own there is no user that a name could be told apart from. */
  readonly #fallbackSecret = randomBytes(32);

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#passwords = (options.methods.find(({ name }) => name === 'password') as PasswordMethod | undefined) ?? null;
  }

  authenticate(credentials: Credentials, done: Done): void {
    const { attempts } = this.#options;
    const { remoteAddress, userName } = credentials;
    const banned = this.#banOf(credentials, userName);
    if (banned !== null) return done(this.#refuse(credentials, 'none', 'banned', banned));
    if (attempts.isBlocked(remoteAddress, userName)) {
      // Whoever is known to have the right password is not kept out by others who try with a wrong one.
      const known = this.#passwords?.recall(credentials) ?? null;
      if (known === null) return done(this.#refuse(credentials, 'none', 'limited', BLOCKED));
      return done(this.#settle(credentials, 'password', known));
    }
    this.#ask(credentials, 0, done);
  }

  beginExchange(
    method: string,
    credentials: Credentials,
    expectedUserName: string | null,
  ): AuthenticationExchange | null {
    if (method !== SCRAM_METHOD || this.#passwords === null) return null;
    const { directory } = this.#options;
    return new ScramExchange({
      credentials,
      expectedUserName,
      findUser: (userName) => directory.users.get(userName),
      secret: directory.scramSecret ?? this.#fallbackSecret,
      refusalOf: (userName) => this.#scramRefusalOf(credentials, userName),
      onRefused: (userName, reasonCode, detail) => {
        this.#refuse({ ...credentials, userName }, 'scram', 'refused', { reasonCode, detail });
      },
      grant: (user: User, data) =>
        this.#grant(credentials, 'scram', proven(user.name, { credentialsId: user.credentialsId }), data),
    });
  }

  #scramRefusalOf(credentials: Credentials, userName: string): AuthenticationOutcome | null {
    const banned = this.#banOf(credentials, userName);
    if (banned !== null) return this.#refuse(credentials, 'scram', 'banned', banned);
    if (!this.#options.attempts.isBlocked(credentials.remoteAddress, userName)) return null;
    return this.#refuse({ ...credentials, userName }, 'scram', 'limited', BLOCKED);
  }

  #banOf({ clientId, remoteAddress }: Credentials, userName: string | null): Refusal | null {
    const ban = this.#options.directory.bans.find(clientId, userName, remoteAddress);
    return ban === null ? null : { reasonCode: ReasonCode.banned, detail: `${ban.kind} ${ban.value} is banned` };
  }

  /** Goes on without a turn of the event loop as long as methods answer at once. */
  #ask(credentials: Credentials, from: number, done: Done): void {
    const { methods } = this.#options;
    for (let at = from; at < methods.length; at++) {
      const method = methods[at] as Method;
      const verdict = method.authenticate(credentials);
      if (verdict instanceof Promise) {
        const next = at + 1;
        void verdict.then((settled) => {
          if (settled.kind === 'notMine') this.#ask(credentials, next, done);
          else done(this.#settle(credentials, method.name, settled));
        });
        return;
      }
      if (verdict.kind !== 'notMine') return done(this.#settle(credentials, method.name, verdict));
    }
    const { userName, password } = credentials;
    const shown = userName !== null || password !== null;
    done(
      this.#refuse(credentials, 'none', 'refused', {
        reasonCode: shown ? ReasonCode.badUserNameOrPassword : ReasonCode.notAuthorized,
        detail: shown ? 'no method knows the user' : 'no credentials',
      }),
    );
  }

  #settle(credentials: Credentials, method: LoginMethod, verdict: Settled): AuthenticationOutcome {
    if (verdict.kind === 'granted') return this.#grant(credentials, method, verdict.proven, null);
    const { reasonCode, detail } = verdict;
    const isWrong = reasonCode === ReasonCode.badUserNameOrPassword || reasonCode === ReasonCode.notAuthorized;
    return this.#refuse(credentials, method, isWrong ? 'refused' : 'unavailable', { reasonCode, detail });
  }

  #grant(credentials: Credentials, method: LoginMethod, who: Proven, data: Uint8Array | null): AuthenticationOutcome {
    const { directory, allowsOtherwise, count } = this.#options;
    const { clientId, remoteAddress: address } = credentials;
    const grant = new DirectoryGrant(directory, { clientId, userName: who.userName, address }, who, allowsOtherwise);
    // The proven name may be another one than the claimed, and what holds may have changed meanwhile.
    const refusal = grant.revoked();
    if (refusal !== null) {
      const outcome = refusal.reasonCode === ReasonCode.banned ? 'banned' : 'refused';
      return this.#refuse({ ...credentials, userName: who.userName }, method, outcome, refusal);
    }
    count(method, 'granted');
    return { kind: 'granted', grant, data };
  }

  #refuse(
    { clientId, userName, remoteAddress }: Credentials,
    method: LoginMethod,
    outcome: LoginOutcome,
    refusal: Refusal,
  ): AuthenticationOutcome {
    const { attempts, failures, count } = this.#options;
    count(method, outcome);
    if (outcome === 'refused') attempts.failed(remoteAddress, userName);
    failures.add({ clientId, userName, remoteAddress, method, outcome, detail: refusal.detail });
    return { kind: 'refused', refusal };
  }
}
