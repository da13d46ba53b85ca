import { randomBytes } from 'node:crypto';
import {
  type DataDirectory,
  isDamage,
  openDataDirectory,
  prepareInstall,
  readDirectoryIdentity,
  setAside,
} from '@quorate/storage';
import type { NodeConfig } from './config/index.ts';
import type { Logger } from './logging/index.ts';
import type { Identity } from './runtime/identity.ts';
import { memoryStores } from './runtime/memory-stores.ts';
import { type Recovered, recover, type Stores } from './runtime/recovery.ts';

/** What a node has to start with. */
export interface NodeData {
  readonly identity: Identity;
  readonly recovered: Recovered;
  /** Why the data directory is not used; null when it is. See `ReplicaOptions.standIn`. */
  readonly doubt: string | null;
  /** Closes the directory, after the stores. */
  close(): Promise<void>;
}

/**
 * Opens the data directory of a node. One that is damaged or in doubt is left as it is, and the node gets empty stores in
 * memory with which it has no part in anything: if the other members are a quorum without it they take it in anew, and
 * only then its data is set aside (`startAnew`). A node that is alone in its cluster is refused instead.
 *
 * @throws StorageError
 */
export async function openData(config: NodeConfig, logger: Logger): Promise<NodeData> {
  let directory: DataDirectory | null = null;
  try {
    const clusterMembers = [...config.cluster.keys()].sort().join(',');
    directory = await openDataDirectory({ path: config.dataDir, nodeId: config.nodeId, clusterMembers });
    const recovered = await recover(storesOf(directory));
    const opened = directory;
    return { identity: identityOf(opened), recovered, doubt: null, close: () => opened.close() };
  } catch (error) {
    await directory?.close();
    const hasOthers = [...config.cluster.keys()].some((id) => id !== config.nodeId);
    if (!isDamage(error) || !hasOthers) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const standIn = await openStandIn(config, reason);
    logger.error(
      { err: error },
      `${reason} Until the other members take it in anew this node neither votes nor acknowledges; its data stays where ` +
        'it is.',
    );
    return standIn;
  }
}

function storesOf(directory: DataDirectory): Stores {
  const doubts = directory.suspect?.reasons ?? [];
  return {
    path: directory.path,
    founding: directory.founding,
    doubts,
    stateStore: () => directory.stateStore(),
    logStore: () => directory.logStore(),
    snapshots: {
      store: directory.snapshots(),
      stateStore: () => directory.stateStore(),
      prepareInstall: (reader) => prepareInstall(directory, reader),
    },
  };
}

function identityOf(directory: DataDirectory): Identity {
  return {
    get incarnation() {
      return directory.incarnation;
    },
    directoryId: directory.directoryId,
    get clusterId() {
      return directory.clusterId;
    },
    nextIncarnation: (atLeast) => directory.nextIncarnation(atLeast),
    setClusterId: (clusterId) => directory.setClusterId(clusterId),
    setFounding: (configuration) => directory.setFounding(configuration),
    doubt: (reason) => directory.doubt(reason),
    get hasSetAside() {
      return directory.setAside !== null;
    },
    dropSetAside: () => directory.dropSetAside(),
  };
}

/** With the identity that the data directory will have when it is formatted anew. */
async function openStandIn(config: NodeConfig, doubt: string): Promise<NodeData> {
  const found = await readDirectoryIdentity(config.dataDir);
  // Not a greater one: the start after this one has the same directory id, and takes the next incarnation of this file.
  let incarnation = found?.incarnation ?? Date.now();
  let clusterId = found?.clusterId ?? null;
  const recovered = await recover(memoryStores());
  return {
    identity: {
      get incarnation() {
        return incarnation;
      },
      directoryId: randomBytes(16).toString('hex'),
      get clusterId() {
        return clusterId;
      },
      nextIncarnation: async (atLeast = 0) => {
        incarnation = Math.max(incarnation + 1, atLeast);
        return await Promise.resolve(incarnation);
      },
      setClusterId: async (id) => {
        clusterId = await Promise.resolve(id);
      },
      setFounding: async () => await Promise.resolve(),
      doubt: async () => await Promise.resolve(),
      hasSetAside: false,
      dropSetAside: async () => await Promise.resolve(),
    },
    recovered,
    doubt,
    close: async () => await Promise.resolve(),
  };
}

/** Sets aside what the data directory holds, for the node to start from nothing under the identity that was admitted. */
export async function startAnew(config: NodeConfig, reason: string, directoryId: string): Promise<void> {
  await setAside({ path: config.dataDir, nodeId: config.nodeId, reason, newDirectoryId: () => directoryId });
}
