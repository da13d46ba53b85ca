import { BROKER_MUTANTS } from './broker.ts';
import { CONSENSUS } from './consensus.ts';
import type { Mutant } from './mutant.ts';
import { RUNTIME } from './runtime.ts';
import { STORAGE } from './storage.ts';

/** All mutants, from the bottom up. */
export const MUTANTS: readonly Mutant[] = [...CONSENSUS, ...STORAGE, ...RUNTIME, ...BROKER_MUTANTS];
