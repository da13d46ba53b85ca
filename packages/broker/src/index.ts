export type {
  AccessControl,
  AuthenticationExchange,
  AuthenticationOutcome,
  CertificateNames,
  Credentials,
  Grant,
  Refusal,
} from './access.ts';
export { Admission, type AdmissionLimits, type Visit } from './admission.ts';
export { Broker, type BrokerEvents, type BrokerOptions } from './broker.ts';
export { CLOSE_REASONS, type CloseReason } from './connection/closing.ts';
export { Connection } from './connection/connection.ts';
export {
  BrokerCounters,
  type BrokerEnvironment,
  type BrokerLimits,
  type BrokerLog,
  bump,
  type ClientSocket,
} from './environment.ts';
export { type CommandOwner, NOBODY, Proposer } from './proposer.ts';
export * from './state/index.ts';
