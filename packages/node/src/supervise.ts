import { isDiskFull } from '@quorate/storage';
import type { NodeConfig } from './config/index.ts';
import { startAnew } from './data.ts';
import { DiskFull, hasRoom } from './disk-watch.ts';
import type { Logger } from './logging/index.ts';
import { type RunningNode, startNode } from './node.ts';
import { Readmitted, StateDiverged } from './runtime/index.ts';

/** A node that starts again by itself after what another start mends. */
export interface SupervisedNode {
  stop(): Promise<void>;
  /** Resolves, with the reason, when the node can not go on; the process must end then. */
  readonly failed: Promise<Error>;
}

const ROOM_POLL_MS = 1_000;

/**
 * Runs a node, and starts it again from what is on its disk when it has to begin anew: the cluster took it in as a new
 * one, its state was found to differ from the others', or the disk was full. Whatever else ends it is final.
 *
 * @throws what the first start throws
 */
export async function runNode(config: NodeConfig, logger: Logger): Promise<SupervisedNode> {
  let stopping = false;
  let current: RunningNode | null = await startWithRoom(config, logger, () => stopping);
  let wake: () => void = () => {};
  const stopped = new Promise<void>((resolve) => {
    wake = resolve;
  });

  async function supervise(): Promise<Error | null> {
    while (current !== null) {
      const failure = await Promise.race([current.failed, stopped]);
      if (failure === undefined) return null;
      await current.stop();
      current = null;
      if (!(await prepare(failure, config, logger))) return failure;
      if (!stopping) current = await startWithRoom(config, logger, () => stopping);
    }
    return null;
  }

  const ended = supervise().catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  const failed = new Promise<Error>((resolve) => {
    void ended.then((error) => {
      if (error !== null) resolve(error);
    });
  });
  return {
    failed,
    stop: async () => {
      stopping = true;
      wake();
      await ended;
      await current?.stop();
    },
  };
}

/** True when another start will do. */
async function prepare(failure: Error, config: NodeConfig, logger: Logger): Promise<boolean> {
  if (failure instanceof Readmitted) {
    logger.warn(failure.message);
    await startAnew(config, failure.message, failure.directoryId);
    return true;
  }
  if (failure instanceof StateDiverged || failure instanceof DiskFull || isDiskFull(failure)) {
    logger.error({ err: failure }, failure.message);
    return true;
  }
  return false;
}

/** Null when a stop came before there was room. */
async function startWithRoom(config: NodeConfig, logger: Logger, stopping: () => boolean): Promise<RunningNode | null> {
  let said = false;
  for (;;) {
    try {
      if (said ? await hasRoom(config) : true) return await startNode(config, logger);
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
    if (!said) logger.warn({ dataDir: config.dataDir }, 'the disk is full: the node starts when there is room again');
    said = true;
    if (stopping()) return null;
    await new Promise((resolve) => {
      setTimeout(resolve, ROOM_POLL_MS);
    });
  }
}
