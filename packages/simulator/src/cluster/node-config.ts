import { loadConfig, type NodeConfig } from '@quorate/node/runtime';

/** What differs from seed to seed in how nodes are configured. */
export interface NodeTuning {
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  readonly tickIntervalMs: number;
  readonly leaseMs: number;
  readonly gracePeriodMs: number;
  readonly receiveMaximum: number;
  readonly maxInflightMessages: number;
  readonly checkpointIntervalMs: number;
  /** Less than a configuration may have: messages here are small, and one append is to be many or few entries. */
  readonly maxAppendBytes: number;
  readonly maxInflightAppends: number;
  readonly compactEntries: number;
  readonly keepLogBytes: number;
  /** Less than a configuration may have: what is not recent is read from the disk, or comes with a snapshot. */
  readonly recentLogBytes: number;
}

const OUTGOING_BUFFER_BYTES = 64 * 1024;

/** Where a node listens for the others. */
export function peerAddressOf(id: string): string {
  return `127.0.0.1:${7000 + Number(id.slice(1))}`;
}

/** The configuration of one node; what a seed does not choose has its default. One that is not in `ids` waits to be joined. */
export function nodeConfig(id: string, ids: readonly string[], tuning: NodeTuning): NodeConfig {
  const { electionTimeoutMs, heartbeatIntervalMs, tickIntervalMs, maxInflightAppends } = tuning;
  const { leaseMs, gracePeriodMs, receiveMaximum, maxInflightMessages, checkpointIntervalMs } = tuning;
  const { compactEntries, keepLogBytes, maxAppendBytes, recentLogBytes } = tuning;
  const config = loadConfig({
    values: {
      nodeId: id,
      dataDir: 'none',
      cluster: Object.fromEntries(ids.map((member) => [member, peerAddressOf(member)])),
      peer: peerAddressOf(id),
      raft: { electionTimeoutMs, heartbeatIntervalMs, tickIntervalMs, maxInflightAppends },
      serving: { leaseMs, gracePeriodMs },
      limits: { receiveMaximum, maxInflightMessages, maxOutgoingBufferBytes: OUTGOING_BUFFER_BYTES },
      checkpoint: { intervalMs: checkpointIntervalMs, compactEntries, keepLogBytes },
      sysIntervalSec: 0,
    },
  });
  return { ...config, raft: { ...config.raft, maxAppendBytes, recentLogBytes } };
}
