import { randomInt, randomUUID } from 'node:crypto';
import { type DataDirectory, openDataDirectory } from '@quorate/storage';
import type { FastifyInstance } from 'fastify';
import { formatAddress, type NodeConfig } from './config/index.ts';
import { createHttpServer, type NodeView } from './http/index.ts';
import { MqttListener } from './listener/mqtt-listener.ts';
import type { Logger } from './logging/index.ts';
import { createMetrics, type Metrics } from './metrics/index.ts';
import { realClock } from './raft/index.ts';
import { observe } from './runtime/observe.ts';
import { recover } from './runtime/recovery.ts';
import { Replica, type ReplicaObserver } from './runtime/replica.ts';
import { createView } from './runtime/view.ts';
import { newPeerCounters, type PeerCounters, type PeerHandlers, PeerTransport } from './transport/index.ts';

/** Release of this program. */
export const VERSION = '0.1.0';

/** A node that runs. */
export interface RunningNode {
  readonly view: NodeView;
  /** Drains and stops: hands leadership over, tells clients to go elsewhere, gives their sessions back. */
  stop(): Promise<void>;
  /** Resolves, with the reason, when the node can not go on; the process must end then. */
  readonly failed: Promise<Error>;
}

/** Bounds on the steps of a stop: with no majority in reach they can not be completed. */
const TRANSFER_MS = 2_000;
const DRAIN_MS = 3_000;
const POLL_MS = 10;

/**
 * Opens the data directory, joins the cluster and listens. Resolves when the listeners are open; a leader is not needed.
 * @throws StorageError, or the system's error for an address that can not be listened on
 */
export async function startNode(config: NodeConfig, logger: Logger): Promise<RunningNode> {
  const voters = [...config.cluster.keys()].sort();
  const clusterMembers = voters.join(',');
  const directory = await openDataDirectory({ path: config.dataDir, nodeId: config.nodeId, clusterMembers });
  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  const onFatal = (error: unknown): void => {
    fail(error instanceof Error ? error : new Error(String(error)));
  };
  const metrics = createMetrics();
  const peerCounters = newPeerCounters();
  const recovered = await recover(directory, { voters, learners: [], outgoing: [] });
  const replica = new Replica({
    config,
    version: VERSION,
    logger,
    observer: observerOf(metrics),
    clock: realClock,
    seed: randomInt(2 ** 31),
    newId: randomUUID,
    identity: directory,
    recovered,
    createTransport: (handlers) => createTransport(config, directory, logger, handlers, peerCounters),
    onFatal,
  });
  const { broker, transport } = replica;
  const listener = new MqttListener(broker, logger);
  let draining = false;
  const connectedPeers = (): string[] => transport.connectedPeers();
  const status = () => replica.driver.status();
  const peerIds = [...config.cluster.keys()].filter((id) => id !== config.nodeId);
  observe(metrics, { broker, status, peers: peerCounters, peerIds, connectedPeers });
  const view = createView({
    config,
    broker,
    status,
    connectedPeers,
    draining: () => draining,
    listening: () => listener.listening,
    exposeMetrics: () => metrics.expose(),
  });
  const http = createHttpServer({ view, logger, version: VERSION });
  const stopAll = async (): Promise<void> => {
    listener.close();
    await replica.stop();
    await http.close();
    await directory.close();
  };
  try {
    await listen(config, listener, http);
    await replica.start();
  } catch (error) {
    await stopAll();
    throw error;
  }
  logger.info(
    { mqtt: config.mqtt, http: config.http, peer: config.peer, version: VERSION, incarnation: directory.incarnation },
    `quorate ${VERSION} is listening for MQTT on ${config.mqtt.host}:${String(config.mqtt.port)}`,
  );
  return {
    view,
    failed,
    stop: async () => {
      draining = true;
      logger.info('stopping: clients are told to go to another node');
      listener.close();
      replica.driver.transferLeadership(null);
      await until(() => replica.status.role !== 'leader', TRANSFER_MS);
      broker.drain();
      await until(() => broker.settled, DRAIN_MS);
      await stopAll();
      logger.info('stopped');
    },
  };
}

function createTransport(
  config: NodeConfig,
  directory: DataDirectory,
  logger: Logger,
  handlers: PeerHandlers,
  counters: PeerCounters,
): PeerTransport {
  return new PeerTransport({
    nodeId: config.nodeId,
    listen: config.peer,
    peers: new Map([...config.cluster].filter(([id]) => id !== config.nodeId)),
    identity: () => ({
      clusterId: directory.clusterId ?? '',
      bootstrapMembers: [...config.cluster.keys()].sort().join(','),
      incarnation: String(directory.incarnation),
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

async function listen(config: NodeConfig, listener: MqttListener, http: FastifyInstance): Promise<void> {
  await listener.listen(config.mqtt);
  await http.listen({ host: config.http.host, port: config.http.port });
}

async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const deadlineMs = performance.now() + timeoutMs;
  while (!condition() && performance.now() < deadlineMs) {
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}
