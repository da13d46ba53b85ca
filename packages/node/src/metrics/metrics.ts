import { collectDefaultMetrics, Registry } from 'prom-client';
import {
  type Cell,
  counter,
  gauge,
  type LabelledCells,
  labelledCounter,
  labelledGauge,
  pairedCounter,
} from './cells.ts';
import { Histogram } from './histogram.ts';

const PREFIX = 'quorate_';

/*
 * What limits refuse and drop is there from the start, with 0: to `increase()` of Prometheus a series that begins at 3 has not
 * grown, so that an alert would miss the first messages that were dropped.
 */
const DROPPED = [
  'queue_full',
  'share_queue_full',
  'retained_quota_exceeded',
  'expired',
  'slow_consumer_qos0',
  'forward_qos0',
  'packet_too_large_for_client',
  'not_authorized',
];
const CONNECTS_REFUSED = [
  'server_busy',
  'pending_connections',
  'too_many_connections',
  'address_connections',
  'connection_rate',
  'connect_timeout',
  'authentication_busy',
  'memory_high',
  'congested',
  'quota_exceeded',
  'server_unavailable',
];
const DISCONNECTS = ['slow_consumer', 'receive_maximum_exceeded', 'topic_name_invalid', 'no_quorum'];
const PROTOCOL_ERRORS = ['PACKET_TOO_LARGE', 'CLIENT_ID_TOO_LONG'];

/** 100 us to 10 s: from one fast fsync to a stall that a client notices. */
const SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const PIECES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];

export interface MetricsOptions {
  /** With CPU, memory, event loop delay and garbage collection of the process; true by default. */
  readonly processMetrics?: boolean;
}

/** Everything a node counts. Set and bump the members; {@link Metrics.expose} reads them. */
export type Metrics = ReturnType<typeof createMetrics>;

type ByQos = readonly [qos0: Cell, qos1: Cell, qos2: Cell];

function byQos(cells: LabelledCells): ByQos {
  return [cells.of('0'), cells.of('1'), cells.of('2')];
}

function clientMetrics(registry: Registry) {
  const about = (name: string, help: string) => ({ name: PREFIX + name, help });
  const qos = { label: 'qos', initial: ['0', '1', '2'] };
  return {
    connections: gauge(
      registry,
      about('connections', 'MQTT connections to this node, those without CONNECT included.'),
    ),
    connectionsTotal: counter(registry, about('connections_total', 'MQTT connections accepted since the start.')),
    /** By the listener's name. */
    listenerConnections: labelledGauge(registry, {
      ...about('listener_connections', 'Open sockets by listener, those that are not MQTT yet included.'),
      label: 'listener',
    }),
    listenerRefused: labelledCounter(registry, {
      ...about('listener_refused_total', 'Sockets that were closed unread, since the listener or the node was full.'),
      label: 'listener',
    }),
    listenerFailures: labelledCounter(registry, {
      ...about(
        'listener_handshake_failures_total',
        'Connections that failed at PROXY header, TLS or WebSocket upgrade.',
      ),
      label: 'listener',
    }),
    /** By reason in snake_case: `server_unavailable`, `too_many_connections`. */
    connectsRefused: labelledCounter(registry, {
      ...about('connects_refused_total', 'CONNECTs and connections that were refused.'),
      label: 'reason',
      initial: CONNECTS_REFUSED,
    }),
    /** By reason in snake_case: `client`, `keep_alive`, `taken_over`, `protocol_error`, `no_quorum`. */
    disconnects: labelledCounter(registry, {
      ...about('disconnects_total', 'MQTT connections that ended.'),
      label: 'reason',
      initial: DISCONNECTS,
    }),
    sessions: gauge(registry, about('sessions', 'Sessions in the replicated state.')),
    subscriptions: gauge(registry, about('subscriptions', 'Subscriptions in the replicated state.')),
    retainedMessages: gauge(registry, about('retained_messages', 'Retained messages in the replicated state.')),
    /** Index by QoS: `messagesReceived[1].value++`. */
    messagesReceived: byQos(
      labelledCounter(registry, { ...about('messages_received_total', 'PUBLISH packets from clients.'), ...qos }),
    ),
    /** Index by QoS. */
    messagesSent: byQos(
      labelledCounter(registry, { ...about('messages_sent_total', 'PUBLISH packets to clients.'), ...qos }),
    ),
    /** By reason in snake_case: `queue_full`, `expired`. */
    messagesDropped: labelledCounter(registry, {
      ...about('messages_dropped_total', 'Messages that a limit or an expiry dropped.'),
      label: 'reason',
      initial: DROPPED,
    }),
    takeovers: counter(registry, about('takeovers_total', 'Sessions of this node taken over by another connection.')),
    /** By the error's code: `INVALID_UTF8`. */
    protocolErrors: labelledCounter(registry, {
      ...about('protocol_errors_total', 'Connections closed for what the client sent.'),
      label: 'code',
      initial: PROTOCOL_ERRORS,
    }),
  };
}

/** How near the bounds are, and what they cost. */
function boundMetrics(registry: Registry) {
  const about = (name: string, help: string) => ({ name: PREFIX + name, help });
  return {
    connectionsPending: gauge(registry, about('connections_pending', 'Connections that have not sent CONNECT yet.')),
    addressesRemembered: gauge(
      registry,
      about('addresses_remembered', 'Addresses of clients that are counted, or were within the last second.'),
    ),
    /** By the words of the reason code in snake_case: `quota_exceeded`. */
    subscriptionsRefused: labelledCounter(registry, {
      ...about('subscriptions_refused_total', 'Topic filters that were refused.'),
      label: 'reason',
      initial: ['quota_exceeded', 'not_authorized'],
    }),
    retainedBytes: gauge(registry, about('retained_bytes', 'Topics, properties and payloads of retained messages.')),
    publishersHeldNow: gauge(
      registry,
      about('publishers_held', 'Clients that are not read now for what they published.'),
    ),
    /** By limit: `messages`, `bytes`, `memory`. */
    publishersHeld: labelledCounter(registry, {
      ...about('publishers_held_total', 'Times that a client was not read for a while for what it published.'),
      label: 'limit',
      initial: ['messages', 'bytes', 'memory'],
    }),
    publishersHeldSeconds: counter(registry, about('publishers_held_seconds_total', 'For how long, all together.')),
    /** 1 or 0. */
    memoryHigh: gauge(registry, about('memory_high', '1 while memory is at its high-water mark.')),
    memoryHighTotal: counter(
      registry,
      about('memory_high_total', 'Times that memory has reached its high-water mark.'),
    ),
    memoryShare: gauge(registry, about('memory_share', 'Memory in use as a share of the high-water mark.')),
  };
}

function consensusMetrics(registry: Registry) {
  const about = (name: string, help: string) => ({ name: PREFIX + name, help });
  return {
    /** 1 or 0. */
    serving: gauge(registry, about('serving', '1 when this node serves clients: in a quorum, within its lease.')),
    raftTerm: gauge(registry, about('raft_term', 'Current term.')),
    /** 1 or 0. */
    raftIsLeader: gauge(registry, about('raft_is_leader', '1 when this node leads.')),
    raftLeaderChanges: counter(
      registry,
      about('raft_leader_changes_total', 'Times that this node saw another leader than before.'),
    ),
    raftCommitIndex: gauge(registry, about('raft_commit_index', 'Highest log index known to be committed.')),
    raftAppliedIndex: gauge(registry, about('raft_applied_index', 'Highest log index applied to the state.')),
    unappliedProposalBytes: gauge(
      registry,
      about('unapplied_proposal_bytes', 'Bytes of commands proposed by this node and not yet applied.'),
    ),
    logWriteBytes: counter(registry, about('log_write_bytes_total', 'Bytes written to the log.')),
    /** By node id: 1 while connected, 0 while not. */
    peerConnected: labelledGauge(registry, {
      ...about('peer_connected', '1 while connected to the peer.'),
      label: 'peer',
    }),
    /** `in` and `out`. */
    peerBytes: labelledCounter(registry, {
      ...about('peer_bytes_total', 'Bytes from and to peers.'),
      label: 'direction',
      initial: ['in', 'out'],
    }),
  };
}

function identityMetrics(registry: Registry) {
  const about = (name: string, help: string) => ({ name: PREFIX + name, help });
  return {
    /** By method, and by outcome: `granted`, `refused`, `banned`, `limited`, `unavailable`. */
    authentications: pairedCounter(registry, {
      ...about('authentications_total', 'Logins of MQTT clients at this node.'),
      labels: ['method', 'outcome'],
    }),
    /** By what was denied: the names of `Denied` in the broker. */
    authorizationDenied: labelledCounter(registry, {
      ...about('authorization_denied_total', 'What clients of this node wanted to do and may not.'),
      label: 'action',
      initial: ['publish', 'subscribe', 'will', 'queued_message', 'subscription_removed'],
    }),
    users: gauge(registry, about('users', 'Users with a password in the replicated state.')),
    aclRules: gauge(registry, about('acl_rules', 'Access rules in the replicated state.')),
    bans: gauge(registry, about('bans', 'Bans in the replicated state.')),
    passwordsWaiting: gauge(registry, about('password_verifications_waiting', 'Logins that wait for their turn.')),
  };
}

function histograms() {
  const about = (name: string, help: string, buckets: readonly number[]) =>
    new Histogram({ name: PREFIX + name, help, buckets });
  return {
    publishCommitSeconds: about('publish_commit_seconds', 'From a proposed publish to its commit and apply.', SECONDS),
    logWriteSeconds: about('log_write_seconds', 'One synced write to the log.', SECONDS),
    logBatchCommands: about('log_batch_commands', 'Commands in one batch of this node.', PIECES),
    checkpointSeconds: about('checkpoint_seconds', 'One checkpoint of the state store.', SECONDS),
  };
}

/**
 * The metrics of one node, in a registry of their own.
 *
 * A hot path keeps a cell (`const sent = metrics.messagesSent[1]`) and bumps `sent.value`.
 * What is cheaper to look up than to track is set in a function given to {@link Metrics.onScrape}.
 */
export function createMetrics(options: MetricsOptions = {}) {
  const registry = new Registry();
  if (options.processMetrics ?? true) collectDefaultMetrics({ register: registry, prefix: PREFIX });
  const scrapeHooks: (() => void)[] = [];
  const observed = histograms();
  return {
    ...clientMetrics(registry),
    ...boundMetrics(registry),
    ...consensusMetrics(registry),
    ...identityMetrics(registry),
    ...observed,
    /** Calls `hook` before each scrape, to set gauges. It must be quick and must not throw. */
    onScrape(hook: () => void): void {
      scrapeHooks.push(hook);
    },
    /** Everything as Prometheus text, version 0.0.4. */
    async expose(): Promise<string> {
      for (const hook of scrapeHooks) hook();
      const plain = await registry.metrics();
      return [plain, ...Object.values(observed).map((each) => each.expose())].join('\n');
    },
  };
}

/** Content type of the text of {@link Metrics.expose}. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;
