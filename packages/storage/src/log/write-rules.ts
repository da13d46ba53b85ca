import { invariant } from '../errors.ts';
import type { LogWrite } from '../types.ts';
import type { TermRuns } from './term-runs.ts';

const STORE = 'log store';

/** The rules of `LogStore.append`, for every implementation. @throws StorageError INVARIANT_BROKEN */
export function checkWrite(
  write: LogWrite,
  compactedIndex: number,
  terms: TermRuns,
  hard: { readonly term: number; readonly vote: string | null },
): void {
  const { entries, hardState } = write;
  if (hardState !== null) {
    const { term, vote } = hardState;
    invariant(Number.isSafeInteger(term) && term >= hard.term, STORE, `the term never falls: ${hard.term} to ${term}`);
    const sameVote = term > hard.term || hard.vote === null || hard.vote === vote;
    invariant(sameVote, STORE, `one vote per term: in term ${term} ${hard.vote}, then ${vote}`);
  }
  const first = entries[0];
  if (first === undefined) return;
  invariant(first.index > compactedIndex, STORE, `entry ${first.index} is compacted (through ${compactedIndex})`);
  invariant(first.index <= terms.lastIndex + 1, STORE, `no gap: entry ${first.index} after ${terms.lastIndex}`);
  let term = terms.termAt(first.index - 1) ?? 0;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    invariant(entry !== undefined && entry.index === first.index + i, STORE, 'entries of a write are contiguous');
    invariant(Number.isSafeInteger(entry.term) && entry.term >= term, STORE, `terms never fall at ${entry.index}`);
    term = entry.term;
  }
}
