/** The load generator as a library, for its own tests and for other harnesses. */
export { type BenchOptions, parseCommandLine } from './args.ts';
export { judge, type Output, runBench } from './bench.ts';
export { Connection, type ConnectionOptions } from './client.ts';
export { type Cluster, startCluster } from './cluster.ts';
export {
  encodeConnect,
  encodePublish,
  encodeSubscribe,
  Framer,
  Packet,
  type PacketSink,
  ProtocolError,
  type Qos,
  writeAck,
} from './codec.ts';
export { processCpuSeconds, takeSnapshot, usageBetween } from './cpu.ts';
export { Histogram, type LatencySummary } from './histogram.ts';
export { BenchError, formatHost, type Host, isLoopback, parseHosts } from './hosts.ts';
export { Loop } from './loop.ts';
export { startPacer } from './pacer.ts';
export { makePayload, payloadIntact, stampPayload } from './payload.ts';
export { type Report, renderJson, renderMarkdown, renderText } from './report.ts';
export { SCENARIOS, scenarioQos, selectScenarios } from './scenarios/catalog.ts';
export { type LoadPlan, loadScenario } from './scenarios/load.ts';
export { median, type Summary, summarize } from './summary.ts';
export type { Metric, RunMeasurement, RunOptions, RunResult, Scenario, Target } from './types.ts';
export { Bitmap, DeliveryRecord, findFault, Tally, type Verdict } from './verify.ts';
