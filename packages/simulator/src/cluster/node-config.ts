import { loadConfig, type NodeConfig } from '@quorate/node/runtime';

/** What differs from seed to seed in how nodes are configured. */
export interface NodeTuning {
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly leaseMs: number;
  readonly gracePeriodMs: number;
  readonly receiveMaximum: number;
  readonly maxInflightMessages: number;
  readonly checkpointIntervalMs: number;
  readonly maxAppendBytes: number;
  readonly maxInflightAppends: number;
}

/** Less than a configuration may have: what is not recent is read from the disk. */
const RECENT_LOG_BYTES = 64 * 1024;
const OUTGOING_BUFFER_BYTES = 64 * 1024;

/** The configuration of one node; what a seed does not choose has its default. */
export function nodeConfig(id: string, ids: readonly string[], tuning: NodeTuning): NodeConfig {
  const { electionTimeoutMs, heartbeatIntervalMs, maxAppendBytes, maxInflightAppends } = tuning;
  const { leaseMs, gracePeriodMs, receiveMaximum, maxInflightMessages, checkpointIntervalMs } = tuning;
  const config = loadConfig({
    values: {
      nodeId: id,
      dataDir: 'none',
      cluster: Object.fromEntries(ids.map((member, at) => [member, `127.0.0.1:${7001 + at}`])),
      raft: { electionTimeoutMs, heartbeatIntervalMs, maxAppendBytes, maxInflightAppends },
      serving: { leaseMs, gracePeriodMs },
      limits: { receiveMaximum, maxInflightMessages, maxOutgoingBufferBytes: OUTGOING_BUFFER_BYTES },
      checkpoint: { intervalMs: checkpointIntervalMs },
      sysIntervalSec: 0,
    },
  });
  return { ...config, raft: { ...config.raft, recentLogBytes: RECENT_LOG_BYTES } };
}
