import { invariant } from '../errors.ts';
import type { StatePosition } from '../types.ts';

/** The rule of `StateStore.write`, for every implementation: the position never goes back. */
export function checkPosition(before: StatePosition, after: StatePosition): void {
  const { appliedIndex, appliedTerm } = after;
  const sound = Number.isSafeInteger(appliedIndex) && Number.isSafeInteger(appliedTerm);
  const forward = appliedIndex >= before.appliedIndex && appliedTerm >= before.appliedTerm;
  invariant(
    sound && forward,
    'state store',
    `the applied position never falls: ${before.appliedIndex}/${before.appliedTerm} to ${appliedIndex}/${appliedTerm}`,
  );
}
