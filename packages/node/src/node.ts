import { randomInt, randomUUID } from 'node:crypto';
import { bump } from '@quorate/broker';
import type { FastifyInstance } from 'fastify';
import { formatAddress, type NodeConfig } from './config/index.ts';
import { openData } from './data.ts';
import { DiskWatch } from './disk-watch.ts';
import { createHttpServer, type NodeView } from './http/index.ts';
import { Identity } from './identity/identity.ts';
import { MqttListeners } from './listener/mqtt-listeners.ts';
import type { Logger } from './logging/index.ts';
import { memoryShareOf } from './memory.ts';
import { createMetrics, type Metrics } from './metrics/index.ts';
import { realClock } from './raft/index.ts';
import type { SelfDescription } from './runtime/identity.ts';
import { observe } from './runtime/observe.ts';
import { Replica } from './runtime/replica.ts';
import type { ReplicaObserver } from './runtime/replica-options.ts';
import { Settings } from './runtime/settings.ts';
import { createView } from './runtime/view.ts';
import { newPeerCounters, type PeerCounters, type PeerHandlers, PeerTransport } from './transport/index.ts';

/** Release of this program. */
export const VERSION = '0.1.0';

/** A node that runs. */
export interface RunningNode {
  readonly view: NodeView;
  /** Drains and stops: hands leadership over, tells clients to go elsewhere, gives their sessions back. */
  stop(): Promise<void>;
  /** Reads the certificates of its listeners again; what can not be used is logged and changes nothing. */
  reloadCertificates(): Promise<void>;
  /** Resolves, with the reason, when the node can not go on; the process must end then. */
  readonly failed: Promise<Error>;
}

/** Bounds on the steps of a stop: with no majority in reach they can not be completed. */
const TRANSFER_MS = 2_000;
const DRAIN_MS = 3_000;
/** For clients to close their side after goodbye, and for HTTP requests under way. */
const CLOSE_MS = 500;
const POLL_MS = 10;

/** What is open, to be closed in reverse order. */
type Closers = (() => Promise<void> | void)[];

/**
 * Opens the data directory, joins the cluster and listens. Resolves when the listeners are open; a leader is not needed.
 * A start that fails leaves nothing open.
 * @throws StorageError, or the system's error for an address that can not be listened on
 */
export async function startNode(config: NodeConfig, logger: Logger): Promise<RunningNode> {
  const closers: Closers = [];
  try {
    return await open(config, logger, closers);
  } catch (error) {
    await closeAll(closers).catch(() => {});
    throw error;
  }
}

async function open(config: NodeConfig, logger: Logger, closers: Closers): Promise<RunningNode> {
  const data = await openData(config, logger);
  closers.push(() => data.close());
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  let listener: MqttListeners | null = null;
  const onFatal = (error: unknown): void => {
    // At once and before anybody looks at it: what waits in memory for clients must not reach them any more.
    listener?.destroy();
    fail(error instanceof Error ? error : new Error(String(error)));
  };
  const metrics = createMetrics();
  const peerCounters = newPeerCounters();
  const identityPart = new Identity({
    config,
    log: logger.child({ component: 'identity' }),
    metrics,
    nowMs: () => realClock.nowMs(),
    wallClockMs: Date.now,
  });
  identityPart.load(data.recovered.state);
  const replica = new Replica({
    config,
    version: VERSION,
    logger,
    observer: observerOf(metrics),
    clock: realClock,
    seed: randomInt(2 ** 31),
    newId: randomUUID,
    identity: data.identity,
    memoryShare: memoryShareOf(config.limits.memoryHighWaterMarkBytes),
    recovered: data.recovered,
    standIn: data.doubt !== null,
    identityPart,
    createTransport: (handlers, describe) => createTransport(config, logger, handlers, peerCounters, describe),
    onFatal,
  });
  closers.push(() => replica.stop());
  const { broker, transport } = replica;
  identityPart.attach(broker);
  const clients = new MqttListeners({
    config,
    broker,
    admission: broker.bounds.admission,
    logger,
    onFatal: replica.fail,
    onRefused: (reason) => {
      bump(broker.counters.connectsRefused, reason);
    },
    onWebSocketFault: (code) => {
      bump(broker.counters.protocolErrors, code);
    },
  });
  listener = clients;
  let draining = false;
  const connectedPeers = (): string[] => transport.connectedPeers();
  const status = () => replica.driver.status();
  observe(metrics, { broker, status, peers: peerCounters, connectedPeers });
  clients.observe(metrics);
  const view = createView({
    config,
    broker,
    status,
    connectedPeers,
    draining: () => draining,
    listening: () => clients.listening,
    doubt: data.doubt,
    notMember: () => replica.membership.notMember,
    foundingWaitsFor: () => replica.membership.foundingWaitsFor,
    meetsCluster: () => replica.membership.peers.meetCluster,
    exposeMetrics: () => metrics.expose(),
  });
  const http = createHttpServer({
    view,
    logger,
    version: VERSION,
    admin: replica.membership.admin,
    identity: identityPart.admin(),
    settings: new Settings(broker),
  });
  closers.push(() => closeHttp(http));
  closers.push(() => {
    identityPart.stop();
  });
  closers.push(() => {
    clients.destroy();
  });
  await clients.listen();
  await http.listen({ host: config.http.host, port: config.http.port });
  await replica.start();
  const disk = new DiskWatch(config, logger, {
    onLow: () => {
      replica.driver.transferLeadership(null);
    },
    onFull: replica.fail,
  });
  disk.start();
  closers.push(() => disk.stop());
  const { incarnation } = data.identity;
  logger.info(
    { mqtt: config.mqtt, http: config.http, peer: config.peer, version: VERSION, incarnation },
    `quorate ${VERSION} is listening for MQTT on ${config.mqtt.host}:${String(config.mqtt.port)}`,
  );
  const stop = async (): Promise<void> => {
    draining = true;
    logger.info('stopping: clients are told to go to another node');
    await drain(replica, clients);
    await closeAll(closers);
    logger.info('stopped');
  };
  let stopping: Promise<void> | null = null;
  return {
    view,
    failed,
    reloadCertificates: () => clients.reloadCertificates(),
    stop: () => {
      stopping ??= stop();
      return stopping;
    },
  };
}

/** Gives leadership and sessions away, as far as that is possible in the time there is for it. */
async function drain(replica: Replica, clients: MqttListeners): Promise<void> {
  const { broker, driver, transport } = replica;
  clients.close();
  if (replica.failed) return;
  /** Alone, a node can neither hand leadership over nor give sessions back. */
  const hasMajority = (): boolean => {
    const { voters } = driver.status().configuration;
    return (transport.connectedPeers().filter((id) => voters.includes(id)).length + 1) * 2 > voters.length;
  };
  if (driver.status().configuration.voters.length > 1) {
    driver.transferLeadership(null);
    await until(() => replica.status.role !== 'leader' || !hasMajority(), TRANSFER_MS);
  }
  broker.drain();
  await until(() => broker.settled || replica.failed || !hasMajority(), DRAIN_MS);
  await until(() => clients.socketCount === 0, CLOSE_MS);
}

/** Closes everything, last opened first, also when one of them can not be closed; throws the first error. */
async function closeAll(closers: Closers): Promise<void> {
  const errors: unknown[] = [];
  for (const close of closers.splice(0).reverse()) {
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}

async function closeHttp(http: FastifyInstance): Promise<void> {
  const force = setTimeout(() => {
    http.server.closeAllConnections();
  }, CLOSE_MS);
  await http.close();
  clearTimeout(force);
}

function createTransport(
  config: NodeConfig,
  logger: Logger,
  handlers: PeerHandlers,
  counters: PeerCounters,
  describe: () => SelfDescription,
): PeerTransport {
  return new PeerTransport({
    nodeId: config.nodeId,
    listen: config.peer,
    // The replica knows whom to dial, and changes it while it runs.
    peers: new Map(),
    // A member that is not known here yet, or a node that waits to become one. One of another cluster is refused before.
    admitsUnknown: (hello) => hello.clusterId !== '' || describe().clusterId !== '',
    identity: () => ({
      ...describe(),
      bootstrapMembers: [...config.cluster.keys()].sort().join(','),
      peerAddress: formatAddress(config.advertise.peer),
      httpAddress: formatAddress(config.advertise.http),
      mqttAddress: formatAddress(config.advertise.mqtt),
    }),
    handlers,
    logger: logger.child({ component: 'peers' }),
    counters,
  });
}

function observerOf(metrics: Metrics): ReplicaObserver {
  return {
    batchApplied: (durationMs, commands) => {
      metrics.publishCommitSeconds.observe(durationMs / 1000);
      metrics.logBatchCommands.observe(commands);
    },
    logWritten: (durationMs, sizeBytes) => {
      metrics.logWriteSeconds.observe(durationMs / 1000);
      metrics.logWriteBytes.value += sizeBytes;
    },
    checkpointWritten: (durationMs) => {
      metrics.checkpointSeconds.observe(durationMs / 1000);
    },
    leaderChanged: () => {
      metrics.raftLeaderChanges.value++;
    },
  };
}

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition() && performance.now() < deadlineMs) {
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}
