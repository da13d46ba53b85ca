import type { AclRule, GivenRule } from '../identity/acl/rules.ts';
import type { Ban, BanKind } from '../identity/bans.ts';
import type { AdminResult } from './node-admin.ts';

/** A user as the API shows one: nothing of its password. */
export interface UserView {
  readonly name: string;
  readonly superuser: boolean;
}

/** A part of a list. */
export interface Page<T> {
  readonly data: readonly T[];
  /** What is behind this item comes next; null at the end. */
  readonly next: string | null;
}

/** What to do to a rule, a user or a ban, and how it ended; the value is there when it is ok. */
export type Changed<T> = AdminResult & { readonly value?: T };

export interface BanRequest {
  readonly kind: BanKind;
  readonly value: string;
  readonly reason: string;
  /** Whole seconds; null for ever. */
  readonly expiresInSec: number | null;
}

/** Something that a client might do. */
export interface AccessQuestion {
  readonly clientId: string;
  readonly userName: string | null;
  readonly address: string;
  readonly action: 'publish' | 'subscribe';
  /** A topic name, or a topic filter to subscribe to. */
  readonly topic: string;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
}

export interface AccessAnswer {
  readonly allowed: boolean;
  /** Id of the rule that decides about a topic; null for none, and for a subscription. */
  readonly rule: string | null;
  readonly reason: string;
}

/**
 * Who may come in and what they may do, for the whole cluster. Lists are those of this node; a change resolves when it is
 * applied here, and is applied everywhere in the same order. Refusals are results, as those of `NodeAdmin`.
 */
export interface IdentityAdmin {
  /** @param after names behind this one */
  users(after: string | null, limit: number): Page<UserView>;
  addUser(name: string, password: string, superuser: boolean): Promise<Changed<UserView>>;
  changeUser(
    name: string,
    change: { readonly password: string | null; readonly superuser: boolean | null },
  ): Promise<Changed<UserView>>;
  removeUser(name: string): Promise<AdminResult>;
  /** @param after rules behind the one with this id */
  rules(after: string | null, limit: number): Page<AclRule>;
  /** @param position from 0; null for the end */
  addRule(rule: GivenRule, position: number | null): Promise<Changed<AclRule>>;
  removeRule(id: string): Promise<AdminResult>;
  replaceRules(rules: readonly GivenRule[]): Promise<Changed<readonly AclRule[]>>;
  testAccess(question: AccessQuestion): AccessAnswer;
  /** @param after a ban as `KIND:VALUE` */
  bans(after: string | null, limit: number): Page<Ban>;
  addBan(request: BanRequest): Promise<Changed<Ban>>;
  removeBan(kind: BanKind, value: string): Promise<AdminResult>;
}
