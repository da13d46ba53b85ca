import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sourceFiles } from './copies.ts';
import { type Mutant, mutatedFiles } from './mutant.ts';
import { TypeCheck } from './type-check.ts';

/**
 * The changed files of every mutant, all checked before the first one runs.
 *
 * @param root of the checkout
 * @param packages that the mutants are planted in; what is changed elsewhere is not checked
 * @param checked whether they have to compile, which takes a quarter of a second each
 * @throws Error naming the mutants that do not fit the source, or do not compile
 */
export function prepare<M extends Mutant>(
  mutants: readonly M[],
  root: string,
  packages: readonly string[],
  checked = true,
): Map<M, ReadonlyMap<string, string>> {
  const sources = sourceFiles(root, packages);
  const types = checked ? new TypeCheck(root, sources) : null;
  const prepared = new Map<M, ReadonlyMap<string, string>>();
  const faults: string[] = [];
  for (const mutant of mutants) {
    try {
      const changed = mutatedFiles(mutant, (file) => readFileSync(join(root, file), 'utf8'));
      const compiled = new Map([...changed].filter(([file]) => sources.includes(file)));
      for (const error of types?.errors(compiled) ?? []) faults.push(`${mutant.name}: ${error}`);
      prepared.set(mutant, changed);
    } catch (error) {
      faults.push(`${mutant.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (faults.length > 0) throw new Error(`${faults.length} mutants are out of date:\n${faults.join('\n')}`);
  return prepared;
}
