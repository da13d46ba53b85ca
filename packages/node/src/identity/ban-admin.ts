import { DocumentCollection } from '@quorate/broker';
import type { BanRequest, Changed, Page } from '../http/identity-admin.ts';
import type { AdminResult } from '../http/node-admin.ts';
import { type Ban, type BanKind, banName, encodeBan, MAX_BAN_VALUE, normalBanValue } from './bans.ts';
import { type ChangeDocument, done, failureOf, refusal } from './changes.ts';
import type { Directory } from './directory.ts';
import { pageOf } from './page.ts';

const { bans: BANS } = DocumentCollection;

function valueOf(kind: BanKind, given: string): { readonly value: string } | { readonly refused: AdminResult } {
  const value = normalBanValue(kind, given);
  if (value !== null) return { value };
  const expected =
    kind === 'address' ? 'an IP address or a block like 10.0.0.0/8' : `1 to ${String(MAX_BAN_VALUE)} characters`;
  return { refused: refusal('INVALID', `value is ${JSON.stringify(given.slice(0, 80))}: expected ${expected}`) };
}

/** Adds and removes bans. Each is a document of its own, which the cluster forgets when its time is over. */
export class BanAdmin {
  readonly #directory: Directory;
  readonly #change: ChangeDocument;
  readonly #wallClockMs: () => number;

  constructor(directory: Directory, change: ChangeDocument, wallClockMs: () => number) {
    this.#directory = directory;
    this.#change = change;
    this.#wallClockMs = wallClockMs;
  }

  list(after: string | null, limit: number): Page<Ban> {
    return pageOf(this.#directory.sortedBans(), ({ kind, value }) => banName(kind, value), after, limit);
  }

  async add({ kind, value: given, reason, expiresInSec }: BanRequest): Promise<Changed<Ban>> {
    const named = valueOf(kind, given);
    if ('refused' in named) return named.refused;
    const nowMs = this.#wallClockMs();
    const expiresInMs = expiresInSec === null ? null : expiresInSec * 1000;
    const createdAt = new Date(nowMs).toISOString();
    const expiresAt = expiresInMs === null ? null : new Date(nowMs + expiresInMs).toISOString();
    const ban: Ban = { kind, value: named.value, reason, createdAt, expiresAt };
    const content = { bytes: encodeBan(ban), expiresInMs };
    const name = banName(kind, named.value);
    const change = await this.#change({ collection: BANS, name, expected: 'any', content });
    return failureOf(change, 'The ban was not added') ?? { ...done('The ban holds'), value: ban };
  }

  async remove(kind: BanKind, given: string): Promise<AdminResult> {
    const named = valueOf(kind, given);
    if ('refused' in named) return named.refused;
    const name = banName(kind, named.value);
    const change = await this.#change({ collection: BANS, name, expected: 'present', content: null });
    if (change.ok && change.outcome === 'conflict') {
      return refusal('NOT_FOUND', `There is no ban of ${kind} ${named.value}`);
    }
    return failureOf(change, 'The ban was not removed') ?? done(`The ban of ${kind} ${named.value} is gone`);
  }
}
