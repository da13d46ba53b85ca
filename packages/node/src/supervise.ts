import { isDiskFull } from '@quorate/storage';
import type { NodeConfig } from './config/index.ts';
import { startAnew } from './data.ts';
import { DiskFull, hasRoom } from './disk-watch.ts';
import type { Logger } from './logging/index.ts';
import { type RunningNode, startNode } from './node.ts';
import { Readmitted, StateDiverged } from './runtime/index.ts';

/** A node that starts again by itself after what another start mends. */
export interface SupervisedNode {
  /** Drains and stops, also while it waits for room on the disk. */
  stop(): Promise<void>;
  /** As {@link RunningNode.reloadCertificates}; nothing while no node runs, since each start reads them. */
  reloadCertificates(): Promise<void>;
  /** Resolves, with the reason, when the node can not go on; the process must end then. */
  readonly failed: Promise<Error>;
}

/** What is needed of a {@link RunningNode}. */
type Startable = Pick<RunningNode, 'stop' | 'failed' | 'reloadCertificates'>;

/** What a supervised node is made of; another one in tests. */
export interface SupervisedParts {
  readonly startNode: (config: NodeConfig, logger: Logger) => Promise<Startable>;
  readonly startAnew: typeof startAnew;
  readonly hasRoom: typeof hasRoom;
  /** Between two looks at a full disk. */
  readonly roomPollMs: number;
}

const PARTS: SupervisedParts = { startNode, startAnew, hasRoom, roomPollMs: 1_000 };

/**
 * Runs a node, and starts it again from what is on its disk when it has to begin anew: the cluster took it in as a new
 * one, its state was found to differ from the others', or the disk was full. Whatever else ends it is final, a first
 * start that fails included.
 */
export function runNode(config: NodeConfig, logger: Logger, parts = PARTS): SupervisedNode {
  let stop: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    stop = resolve;
  });
  let current: Startable | null = null;
  const onStarted = (node: Startable): void => {
    current = node;
  };
  const ended = supervise(config, logger, stopped, parts, onStarted).catch((error: unknown) =>
    error instanceof Error ? error : new Error(String(error)),
  );
  const failed = new Promise<Error>((resolve) => {
    void ended.then((error) => {
      if (error !== null) resolve(error);
    });
  });
  return {
    failed,
    reloadCertificates: async () => current?.reloadCertificates(),
    stop: async () => {
      stop();
      await ended;
    },
  };
}

/** Resolves to null when it was stopped, else to what ended it. */
async function supervise(
  config: NodeConfig,
  logger: Logger,
  stopped: Promise<void>,
  parts: SupervisedParts,
  onStarted: (node: Startable) => void,
): Promise<Error | null> {
  let waitFirst = false;
  for (;;) {
    const node = await startWithRoom(config, logger, stopped, waitFirst, parts);
    if (node === null) return null;
    onStarted(node);
    const failure = await Promise.race([node.failed, stopped]);
    await node.stop();
    if (failure === undefined) return null;
    if (!(await prepare(failure, config, logger, parts))) return failure;
    waitFirst = isFull(failure);
  }
}

/** True when another start will do. */
async function prepare(failure: Error, config: NodeConfig, logger: Logger, parts: SupervisedParts): Promise<boolean> {
  if (failure instanceof Readmitted) {
    logger.warn(failure.message);
    await parts.startAnew(config, failure.message, failure.directoryId);
    return true;
  }
  if (failure instanceof StateDiverged || isFull(failure)) {
    logger.error({ err: failure }, failure.message);
    return true;
  }
  return false;
}

function isFull(failure: Error): boolean {
  return failure instanceof DiskFull || isDiskFull(failure);
}

/** @param waitFirst the disk was full just now. @returns null when a stop came before there was room */
async function startWithRoom(
  config: NodeConfig,
  logger: Logger,
  stopped: Promise<void>,
  waitFirst: boolean,
  parts: SupervisedParts,
): Promise<Startable | null> {
  for (let wait = waitFirst; ; wait = true) {
    if (wait) {
      logger.warn({ dataDir: config.dataDir }, 'the disk is full: the node starts when there is room again');
      if (!(await waitForRoom(config, stopped, parts))) return null;
    }
    try {
      return await parts.startNode(config, logger);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }
}

/** False when a stop came first. */
async function waitForRoom(
  config: NodeConfig,
  stopped: Promise<void>,
  { hasRoom, roomPollMs }: SupervisedParts,
): Promise<boolean> {
  for (;;) {
    let timer: NodeJS.Timeout | undefined;
    const pause = new Promise<true>((resolve) => {
      timer = setTimeout(resolve, roomPollMs, true);
    });
    const goOn = await Promise.race([pause, stopped]);
    clearTimeout(timer);
    if (goOn !== true) return false;
    if (await hasRoom(config)) return true;
  }
}
