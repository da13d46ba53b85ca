import type { Grant, Refusal } from '@quorate/broker';
import { type QoS, ReasonCode } from '@quorate/protocol';
import { ownRights, type Rights } from './acl/policy.ts';
import type { Subject } from './acl/template.ts';
import type { Directory } from './directory.ts';
import type { Proven } from './method.ts';

/** What one authenticated client may do, by the rules of this moment. */
export class DirectoryGrant implements Grant {
  readonly userName: string | null;
  readonly expiresAtMs: number;
  readonly #directory: Directory;
  readonly #subject: Subject;
  readonly #proven: Proven;
  readonly #otherwise: boolean;
  readonly #own: Rights | null;
  #rights: Rights | null = null;
  #generation = -1;

  /** @param otherwise what is said where no rule matches */
  constructor(directory: Directory, subject: Subject, proven: Proven, otherwise: boolean) {
    this.userName = proven.userName;
    this.expiresAtMs = proven.expiresAtMs;
    this.#directory = directory;
    this.#subject = subject;
    this.#proven = proven;
    this.#own = proven.own === null ? null : ownRights(proven.own, subject);
    // What the client brought says what is allowed: rules can only take from it.
    this.#otherwise = proven.own === null ? otherwise : true;
  }

  mayPublish(topic: string, qos: QoS, retain: boolean): boolean {
    if (this.#isSuperuser()) return true;
    if (this.#own?.mayPublish(topic, qos, retain) === false) return false;
    return this.#current()?.mayPublish(topic, qos, retain) ?? false;
  }

  maySubscribe(filter: string, qos: QoS): boolean {
    if (this.#isSuperuser()) return true;
    if (this.#own?.maySubscribe(filter, qos) === false) return false;
    return this.#current()?.maySubscribe(filter, qos) ?? false;
  }

  revoked(): Refusal | null {
    const { clientId, userName, address } = this.#subject;
    const ban = this.#directory.bans.find(clientId, userName, address);
    if (ban !== null) return { reasonCode: ReasonCode.banned, detail: `${ban.kind} ${ban.value} is banned` };
    const { credentialsId } = this.#proven;
    if (credentialsId === null || userName === null) return null;
    const user = this.#directory.users.get(userName);
    if (user === undefined) return { reasonCode: ReasonCode.notAuthorized, detail: `user ${userName} is gone` };
    if (user.credentialsId === credentialsId) return null;
    return { reasonCode: ReasonCode.notAuthorized, detail: `user ${userName} has another password now` };
  }

  #isSuperuser(): boolean {
    const { superuser, credentialsId, userName } = this.#proven;
    if (superuser || credentialsId === null || userName === null) return superuser;
    return this.#directory.users.get(userName)?.superuser ?? false;
  }

  /** Null when the rules can not be read: nothing is allowed then. */
  #current(): Rights | null {
    const { generation, policy } = this.#directory;
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#rights = policy?.rightsOf(this.#subject, this.#otherwise) ?? null;
    }
    return this.#rights;
  }
}
