import type { DocumentCommand } from '@quorate/broker';
import type { AdminResult } from '../http/node-admin.ts';
import type { DocumentChange } from './document-proposer.ts';

/** Proposes a change of a document. */
export type ChangeDocument = (command: DocumentCommand) => Promise<DocumentChange>;

/** Times that a change is tried again because another one came in between. */
const MAX_TRIES = 8;

export function done(reason: string): AdminResult {
  return { ok: true, code: 'OK', reason };
}

export function refusal(code: string, reason: string): AdminResult {
  return { ok: false, code, reason };
}

/** What to say when a change did not come about for another reason than a conflict; null when it did. */
export function failureOf(change: DocumentChange, what: string): AdminResult | null {
  if (!change.ok) return refusal(change.code, change.reason);
  if (change.outcome === 'tooMany') return refusal('LIMIT_REACHED', `${what}: there are as many as there may be`);
  if (change.outcome === 'tooLarge') return refusal('LIMIT_REACHED', `${what}: it is larger than the cluster keeps`);
  return null;
}

/**
 * Changes a document by what it is now, again if somebody else changed it first.
 *
 * @param attempt makes the change from what this node has applied, or says why there is none to make
 */
export async function changeByNow(
  change: ChangeDocument,
  what: string,
  attempt: () => { readonly command: DocumentCommand } | { readonly refused: AdminResult },
): Promise<AdminResult | null> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const next = attempt();
    if ('refused' in next) return next.refused;
    const ended = await change(next.command);
    const failure = failureOf(ended, what);
    if (failure !== null) return failure;
    // A conflict is answered in its place in the log: the change that it lost to is applied here.
    if (ended.ok && ended.outcome !== 'conflict') return null;
  }
  return refusal('CHANGE_IN_PROGRESS', `${what}: others change the same all the time; ask again`);
}
