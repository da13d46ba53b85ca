export { FAULT_KINDS } from './faults.ts';
export { type Mutation, type SimulationOptions, type SimulationResult, simulate } from './simulation.ts';
