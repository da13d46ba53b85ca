export type { AvailabilityOptions, AvailabilityResult, FaultReport, FaultSummary } from './checkers/availability.ts';
export { checkAvailability } from './checkers/availability.ts';
export type { Anomaly, Checker, CheckResult, PromiseId } from './checkers/checker.ts';
export { checkLinearizable, type RegisterOperation, type Verdict } from './checkers/linearizability.ts';
export { type Contradiction, contradictionOf } from './checkers/unique-register.ts';
export { Clients } from './client/clients.ts';
export type { NodeAddress } from './client/packets.ts';
export type { ClientPlan, WorkloadShare } from './client/plan.ts';
export { type ClientHost, ClientPool, type DrainResult, type PoolCounts } from './client/pool.ts';
export { type Credentials, type Probe, probe } from './client/probe.ts';
export { type ClientEnvironment, type ClientIdentity, RecordingClient } from './client/recording-client.ts';
export { Roamer } from './client/roamer.ts';
export { Ticker } from './client/ticker.ts';
export type { ProtocolVersion } from './client/wire.ts';
export type { Cluster, ClusterSettings, Features, NodeHandle } from './cluster/cluster.ts';
export { type DiskKind, diskUnavailable } from './cluster/disks.ts';
export { FixedCluster, type FixedOptions } from './cluster/fixed.ts';
export { majorityLeader } from './cluster/leader.ts';
export { mosquitto } from './cluster/mosquitto.ts';
export { nats } from './cluster/nats.ts';
export { OWN_BUILD, QuorateCluster, type QuorateOptions } from './cluster/quorate.ts';
export { rabbitmq } from './cluster/rabbitmq.ts';
export { watchLeader } from './cluster/watch-leader.ts';
export { RunClock } from './history/clock.ts';
export type * from './history/operation.ts';
export { type History, historyOf, loadHistory, readHistory } from './history/reader.ts';
export { HistoryWriter } from './history/writer.ts';
export { NEMESES } from './nemeses/catalogue.ts';
export { Clocks } from './nemeses/clocks.ts';
export { LinkBook } from './nemeses/link-book.ts';
export type { Begun, Nemesis, NemesisContext, Touches } from './nemeses/nemesis.ts';
export { describePlan, excludes, makePlan, type Plan, type PlannedFault, type PlanOptions } from './nemeses/plan.ts';
export { type PlanResult, type RunPlanOptions, runPlan } from './nemeses/run-plan.ts';
export { followOuterProcess, insideOf, runInside } from './network/inside.ts';
export type { Host, Network, Shape } from './network/network.ts';
export { openNetwork } from './network/open.ts';
export { detectNetwork, type NetworkKind, type Possibility } from './network/possible.ts';
export { seededRandom } from './random.ts';
export { type CheckedHistory, checkHistory, type WorkloadResult } from './run/check.ts';
export { addressOf, checkDeployment, type DeploymentOptions, type DeploymentResult } from './run/deployed.ts';
export { type ClientPlace, type RunOptions, type RunResult, runWorkloads, type Stage } from './run/run.ts';
export { summaryOf } from './run/summary.ts';
export {
  exactlyOnce,
  expiry,
  order,
  ownership,
  queue,
  register,
  shared,
  visibility,
  WORKLOADS,
  wills,
  workloadOf,
} from './workloads/index.ts';
export type { Actor, ActorContext, Workload } from './workloads/workload.ts';
