export { CommandError } from './command-error.ts';
export { describeFailure, type Failure } from './failure.ts';
export { main } from './main.ts';
