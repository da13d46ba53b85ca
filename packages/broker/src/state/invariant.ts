/** Thrown when the replicated state breaks one of its own rules: a bug or a corrupted log, never bad input. */
export class InvariantError extends Error {
  override readonly name: string = 'InvariantError';
}

/**
 * Thrown when the log or the stored state has something that a later version added. To skip it would make this node differ from
 * the others, so it stops; what it has on its disk is good for the version that knows more.
 */
export class NewerVersionError extends InvariantError {
  override readonly name: string = 'NewerVersionError';

  /** @param what is unknown, such as `command type 99` */
  constructor(what: string) {
    super(`${what} is not known to this version: upgrade this node to the version of the others, its data stays`);
  }
}

/** Stays on in production: a replica that is wrong must stop rather than spread. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
