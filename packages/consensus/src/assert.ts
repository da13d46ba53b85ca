/** Thrown when something that can not happen has happened: a programming error, or a peer that broke the protocol. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Checks what must hold in production too. A core that has thrown must not be used again. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
