export { InvariantError, invariant } from './assert.ts';
export {
  addressOf,
  hasQuorum,
  isJoint,
  isMember,
  isVoter,
  majority,
  members,
  quorumValue,
  tagOf,
  voteOutcome,
  voters,
} from './configuration.ts';
export { decodeConfiguration, encodeConfiguration } from './configuration-codec.ts';
export { RaftCore, type TakeOptions } from './core.ts';
export { Random } from './random.ts';
export * from './types.ts';
