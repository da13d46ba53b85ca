/** What a fuzzer found, with what it takes to see it again. */
export class FuzzFailure extends Error {
  override readonly name = 'FuzzFailure';
  /** The first names the level; what follows is that level's. */
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[], cause: unknown) {
    super(message, { cause });
    this.lines = lines;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}

/** The message without its values: what stays the same when the input gets smaller. */
export function kindOf(error: unknown): string {
  return messageOf(error)
    .replace(/\b(?:0x[0-9a-f]+|[0-9a-f]*\d[0-9a-f]*|(?:[0-9a-f]{2})+)\b/g, '#')
    .replace(/#(?:,?#)+/g, '#');
}

/**
 * Leaves out parts, halves first and then smaller ones, as long as what is left still fails.
 *
 * @param fails whether these parts alone still fail
 * @param attempts how often that may be asked
 */
export async function minimise<T>(
  parts: readonly T[],
  fails: (parts: readonly T[]) => boolean | Promise<boolean>,
  attempts: number,
): Promise<readonly T[]> {
  let best = parts;
  let left = attempts;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = best.length - size; at > -size && left > 0; at -= size) {
      const from = Math.max(0, at);
      const fewer = [...best.slice(0, from), ...best.slice(from + size)];
      if (fewer.length === best.length || fewer.length === 0) continue;
      left--;
      if (await fails(fewer)) best = fewer;
    }
  }
  return best;
}
