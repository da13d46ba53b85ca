/** Thrown when the replicated state breaks one of its own rules: a bug or a corrupted log, never bad input. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Stays on in production: a replica that is wrong must stop rather than spread. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
