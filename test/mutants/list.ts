import { BROKER_MUTANTS } from './broker.ts';
import { CONSENSUS } from './consensus.ts';
import type { Mutant } from './mutant.ts';
import { RUNTIME } from './runtime.ts';

/** All mutants, from the bottom up. */
export const MUTANTS: readonly Mutant[] = [...CONSENSUS, ...RUNTIME, ...BROKER_MUTANTS];
