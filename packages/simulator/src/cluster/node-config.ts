import type { NodeConfig } from '@quorate/node/runtime';

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

const MIB = 1024 * 1024;

/** A complete configuration: small windows, so that they fill up. */
export function nodeConfig(id: string, ids: readonly string[], tuning: NodeTuning): NodeConfig {
  const address = { host: '127.0.0.1', port: 1 };
  return {
    nodeId: id,
    dataDir: 'none',
    mqtt: address,
    http: address,
    peer: address,
    advertise: { mqtt: address, http: address, peer: address },
    cluster: new Map(ids.map((member) => [member, address])),
    allowAnonymous: false,
    insecureHttp: false,
    insecurePeers: false,
    log: { level: 'info', pretty: false },
    raft: {
      electionTimeoutMs: tuning.electionTimeoutMs,
      heartbeatIntervalMs: tuning.heartbeatIntervalMs,
      tickIntervalMs: 10,
      maxAppendBytes: tuning.maxAppendBytes,
      maxInflightAppends: tuning.maxInflightAppends,
      maxInflightBytes: MIB,
      recentLogBytes: 64 * 1024,
      maxUncommittedBytes: MIB,
      slowWriteMs: 100,
    },
    serving: { leaseMs: tuning.leaseMs, gracePeriodMs: tuning.gracePeriodMs },
    limits: {
      maxPacketSizeBytes: MIB,
      maxConnections: 1_000,
      receiveMaximum: tuning.receiveMaximum,
      maxKeepAliveSec: 65_535,
      maxInflightMessages: tuning.maxInflightMessages,
      maxOutgoingBufferBytes: 64 * 1024,
      maxSubscriptionsPerClient: 100,
      maxTopicLevels: 16,
      connectTimeoutMs: 5_000,
    },
    checkpoint: { intervalMs: tuning.checkpointIntervalMs, maxBytes: MIB },
    sysIntervalSec: 0,
  };
}
