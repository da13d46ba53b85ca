import type { Broker } from '@quorate/broker';
import type { Status } from '@quorate/consensus';
import { formatAddress, type NodeConfig } from '../config/index.ts';
import type { ClusterView, LeaderView, MemberView, NodeView, Readiness, Warning } from '../http/index.ts';

export interface ViewSources {
  readonly config: NodeConfig;
  readonly broker: Broker;
  readonly status: () => Status;
  readonly connectedPeers: () => readonly string[];
  readonly draining: () => boolean;
  readonly listening: () => boolean;
  /** Why the data directory is not used; see `openData`. Null when it is. */
  readonly doubt: string | null;
  /** The leader said so. */
  readonly notMember: () => boolean;
  /** Members that must be there before the cluster is founded; null once it is. */
  readonly foundingWaitsFor: () => readonly string[] | null;
  /** A peer belongs to a cluster that exists already. */
  readonly meetsCluster: () => boolean;
  readonly exposeMetrics: () => Promise<string>;
}

/** The cluster as this node sees it, for the HTTP API. */
export function createView(sources: ViewSources): NodeView {
  const { config, broker, status } = sources;

  /** What a node said of itself in the log, else what this node's configuration knows. */
  function addresses(id: string): { mqtt: string | null; http: string | null; peer: string | null } {
    const { nodes, members } = broker.machine.state;
    const record = nodes.get(id);
    if (record !== undefined) return { mqtt: record.mqtt, http: record.http, peer: record.peer };
    const joining = members.get(id);
    if (joining !== undefined) return { mqtt: null, http: null, peer: joining.peer };
    const peer = config.cluster.get(id);
    return { mqtt: null, http: null, peer: peer === undefined ? null : formatAddress(peer) };
  }

  function readiness(): Readiness {
    if (sources.draining()) return { ready: false, code: 'DRAINING', reason: 'this node is shutting down' };
    if (!sources.listening())
      return { ready: false, code: 'STARTING', reason: 'this node is not listening for clients yet' };
    if (sources.doubt !== null) return { ready: false, code: 'DATA_DOUBTFUL', reason: sources.doubt };
    if (broker.serving) return { ready: true, code: 'READY', reason: 'in contact with a majority and caught up' };
    if (sources.notMember()) {
      return {
        ready: false,
        code: 'NOT_A_MEMBER',
        reason: 'this node is not a member of the cluster: it was removed, or waits for quorate join',
      };
    }
    const missing = sources.foundingWaitsFor();
    const { voters, learners } = status().configuration;
    if (voters.length + learners.length === 0 && (missing === null || sources.meetsCluster())) {
      return {
        ready: false,
        code: 'NOT_A_MEMBER',
        reason: 'this node has no part in its cluster yet: a leader with a majority has to let it in',
      };
    }
    if (missing !== null) {
      const whom = missing.length === 0 ? 'the first member to found it' : missing.join(', ');
      return { ready: false, code: 'NOT_FOUNDED', reason: `there is no cluster yet: waiting for ${whom}` };
    }
    if (status().leader === null) {
      return {
        ready: false,
        code: 'NO_QUORUM',
        reason: 'no leader is known: this node may be cut off from the majority',
      };
    }
    const reason = broker.registered
      ? 'this node has not heard from a majority through the leader lately'
      : 'this node is catching up with the log';
    return { ready: false, code: broker.registered ? 'NO_QUORUM' : 'CATCHING_UP', reason };
  }

  function leader(): LeaderView | null {
    const { leader: id, term } = status();
    return id === null ? null : { id, term, ...addresses(id) };
  }

  function member(id: string, now: Status, connected: readonly string[]): MemberView {
    const self = id === config.nodeId;
    const reachable = self || connected.includes(id);
    const learner = now.configuration.learners.includes(id);
    const role = !reachable ? 'unreachable' : id === now.leader ? 'leader' : learner ? 'learner' : 'follower';
    const voter = now.configuration.voters.includes(id);
    const joining = !voter && broker.machine.state.members.get(id)?.voter === true;
    return { id, role, self, voter, state: joining ? 'joining' : 'member', ...addresses(id) };
  }

  function warningsOf(): Warning[] {
    const { isShort, share } = broker.bounds.memory;
    if (!isShort) return [];
    const percent = `${String(Math.round(share * 100))} %`;
    const reason = `memory is at ${percent} of limits.memoryHighWaterMarkBytes: clients are refused and publishers slowed down`;
    return [{ code: 'MEMORY_HIGH', reason }];
  }

  function cluster(): ClusterView {
    const now = status();
    const connected = sources.connectedPeers();
    const { voters, learners } = now.configuration;
    const ids = [...new Set([...voters, ...learners])].sort();
    const { state } = broker.machine;
    const warnings = warningsOf();
    return {
      clusterId: state.clusterId,
      term: now.term,
      leader: now.leader,
      commitIndex: now.commitIndex,
      appliedIndex: state.appliedIndex,
      nodes: ids.map((id) => member(id, now, connected)),
      ...(warnings.length > 0 && { warnings }),
    };
  }

  return { nodeId: config.nodeId, readiness, leader, cluster, metrics: sources.exposeMetrics };
}
