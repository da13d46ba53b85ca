/** A promise or an invariant is broken. Ends the simulation of its seed. */
export class Violation extends Error {
  override name = 'Violation';
  /** Which one: a stable word such as `P2-one-owner`. */
  readonly invariant: string;

  constructor(invariant: string, sentence: string) {
    super(sentence);
    this.invariant = invariant;
  }
}

/** Fails the simulation unless `condition` holds. The sentence is made only when it is needed. */
export function demand(condition: boolean, invariant: string, sentence: () => string): asserts condition {
  if (!condition) throw new Violation(invariant, sentence());
}
