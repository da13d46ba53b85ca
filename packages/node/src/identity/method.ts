import type { Credentials } from '@quorate/broker';
import type { OwnRules } from './acl/policy.ts';

/** The ways to prove who one is. */
export type MethodName = 'password' | 'jwt' | 'certificate' | 'http' | 'anonymous';

/** Whom a client has proven to be, and what came with the proof. */
export interface Proven {
  /** Null for an anonymous client. */
  readonly userName: string | null;
  /** Of the user's password, as it was when it was checked: another one ends the grant. Null for other proofs. */
  readonly credentialsId: string | null;
  /** Rules do not hold for it. Of users with a password their entry says so. */
  readonly superuser: boolean;
  /** Null when the rules of the cluster alone say what it may do. */
  readonly own: OwnRules | null;
  /** Monotonic milliseconds, or Infinity. */
  readonly expiresAtMs: number;
}

export type Verdict =
  | { readonly kind: 'granted'; readonly proven: Proven }
  | {
      readonly kind: 'refused';
      /** See `Refusal` of the broker. */
      readonly reasonCode: number;
      readonly detail: string;
    }
  /** The client shows nothing that this method looks at: the next one is asked. */
  | { readonly kind: 'notMine' };

/** A verdict with which the search ends. */
export type Settled = Exclude<Verdict, { readonly kind: 'notMine' }>;

/** One way to prove who one is. */
export interface Method {
  readonly name: MethodName;
  /** Must not reject, and must end by itself. What needs no waiting is answered at once. */
  authenticate(credentials: Credentials): Verdict | Promise<Verdict>;
}

export const NOT_MINE: Verdict = { kind: 'notMine' };

export function refused(reasonCode: number, detail: string): Settled {
  return { kind: 'refused', reasonCode, detail };
}

/** Somebody about whom no more is known than the name. */
export function proven(userName: string | null, part: Partial<Proven> = {}): Proven {
  const { credentialsId = null, superuser = false, own = null, expiresAtMs = Number.POSITIVE_INFINITY } = part;
  return { userName, credentialsId, superuser, own, expiresAtMs };
}
