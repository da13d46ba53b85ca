import type { Edit, Mutant } from '../mutant.ts';

/** Test files of test/conformance, without `.test.ts`, and of each of them parts of the names of tests. */
export type Named = Readonly<Record<string, readonly string[]>>;

/** A bug of the broker, or of what a conformance test reads, and the tests that have to fail for it, all of them. */
export interface Planted extends Mutant {
  readonly fails: Named;
}

type Change = readonly [file: string, search: string, replace: string];

/**
 * A planted bug.
 *
 * @param name lower case words with hyphens, unique
 * @param breaks what no longer holds, in a few words
 * @param fails every test whose name holds one of the parts has to fail
 */
export function planted(name: string, breaks: string, fails: Named, ...changes: readonly Change[]): Planted {
  const edits = changes.map(([file, search, replace]): Edit => ({ file, search, replace }));
  return { name, breaks, fails, edits };
}
