/** One change of a source file. */
export interface Edit {
  /** Path from the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly search: string;
  readonly replace: string;
}

/** A bug that somebody might write, planted in the product. */
export interface Mutant {
  /** Lower case words with hyphens, unique. */
  readonly name: string;
  /** The rule that no longer holds, in a few words. */
  readonly breaks: string;
  readonly edits: readonly Edit[];
  /**
   * For a bug that the simulator can not see, or only by rare luck: a test file, by its path from the root, that must fail
   * with it. It is run when no seed finds it.
   */
  readonly test?: string;
  /** No seed can find it: the simulator has disks of its own. Only the test is run. */
  readonly onDisksOnly?: true;
}

/** A mutant of one edit. @param test see `Mutant.test` */
export function mutant(
  name: string,
  breaks: string,
  file: string,
  search: string,
  replace: string,
  test?: string,
): Mutant {
  return { name, breaks, edits: [{ file, search, replace }], ...(test !== undefined && { test }) };
}

/**
 * The edited text of a file.
 *
 * @throws Error when the text to replace is not there exactly once: the mutant is out of date
 */
export function applyEdit(source: string, { file, search, replace }: Edit): string {
  const parts = source.split(search);
  if (parts.length !== 2) throw new Error(`${file} holds ${parts.length - 1} times instead of once:\n${search}`);
  return parts.join(replace);
}

/**
 * All files that a mutant changes, edited.
 *
 * @param read gives the text of a file by its path from the root of the repository
 * @throws Error as `applyEdit`
 */
export function mutatedFiles(mutant: Mutant, read: (file: string) => string): Map<string, string> {
  const files = new Map<string, string>();
  for (const edit of mutant.edits) {
    files.set(edit.file, applyEdit(files.get(edit.file) ?? read(edit.file), edit));
  }
  return files;
}
