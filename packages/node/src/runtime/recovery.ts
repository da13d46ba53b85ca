import { type State, StateLoader } from '@quorate/broker';
import { type Configuration, decodeConfiguration, type InitialState } from '@quorate/consensus';
import { type OpenedLog, type StatePosition, StorageError } from '@quorate/storage';
import type { CheckpointFacts, CheckpointStore } from './checkpointer.ts';
import type { NodeLog, SnapshotHome } from './snapshots.ts';
import { isConfigurationKey, readStoredConfiguration } from './stored-configuration.ts';

/** What a store found that makes its data doubtful; see `LevelLogStore.doubts`. Known after `open`. */
interface MayDoubt {
  readonly doubts?: readonly string[];
}

/** Where a node keeps its stores: the data directory, or a simulated disk. */
export interface Stores {
  readonly path?: string;
  /** The first configuration of the cluster, encoded, if this node had a part in founding it. */
  readonly founding: Uint8Array | null;
  /** Why the stores are not to be trusted although nothing shows in them, found earlier or elsewhere. */
  readonly doubts: readonly string[];
  readonly snapshots: SnapshotHome;
  stateStore(): CheckpointStore & MayDoubt;
  logStore(): NodeLog & MayDoubt;
}

/** What a node finds in its data directory, ready to go on from. */
export interface Recovered {
  readonly log: NodeLog;
  readonly stateStore: CheckpointStore;
  readonly snapshots: SnapshotHome;
  readonly state: State;
  /** What the state store holds. */
  readonly stored: CheckpointFacts;
  readonly initial: InitialState;
  /** Stamp of the last entry or, with an empty log, of the state. */
  readonly lastStampMs: number;
}

/** Findings named in a refusal; the rest is counted. */
const FINDINGS_NAMED = 3;
const NO_CONFIGURATION: Configuration = { voters: [], learners: [], outgoing: [] };

/**
 * Loads the state as of its last checkpoint and the log behind it. Entries after the checkpoint are applied again once
 * a leader says that they are committed.
 *
 * @throws StorageError DATA_DOUBTFUL when acknowledged writes may be missing from the stores (never after a mere crash
 *   or power cut, whatever it tore), or what the stores themselves throw. No store is left open then
 */
export async function recover(stores: Stores): Promise<Recovered> {
  const stateStore = stores.stateStore();
  const log = stores.logStore();
  const opened: { close(): Promise<void> }[] = [];
  try {
    const position = await stateStore.open();
    opened.push(stateStore);
    const found = await log.open();
    opened.push(log);
    const doubts = [...stores.doubts, ...(stateStore.doubts ?? []), ...(log.doubts ?? []), ...compare(position, found)];
    if (doubts.length > 0) {
      throw new StorageError('DATA_DOUBTFUL', { path: stores.path ?? 'memory', reason: reasonOf(doubts) });
    }
    const { state, configuration } = await loadState(stateStore, position, firstConfiguration(stores.founding));
    const lastStampMs = Math.max(found.entries.at(-1)?.stampMs ?? 0, state.nowMs);
    const { appliedIndex: index, appliedTerm: term } = position;
    const stored = { index, term, stampMs: state.nowMs, configuration };
    const initial = initialOf(position, found, configuration, state);
    return { log, stateStore, snapshots: stores.snapshots, state, stored, initial, lastStampMs };
  } catch (error) {
    for (const store of opened.reverse()) await store.close().catch(() => {});
    throw error;
  }
}

function firstConfiguration(founding: Uint8Array | null): Configuration {
  return founding === null ? NO_CONFIGURATION : decodeConfiguration(founding);
}

/** The state trails the log and is never behind its beginning: entries are applied when durable, compacted when in it. */
function compare({ appliedIndex, appliedTerm }: StatePosition, log: OpenedLog): string[] {
  const { compactedIndex, compactedTerm, entries } = log;
  const lastIndex = compactedIndex + entries.length;
  if (appliedIndex < compactedIndex) {
    return [
      `The state stands at entry ${appliedIndex}, but the log begins after entry ${compactedIndex}: state was lost.`,
    ];
  }
  if (appliedIndex > lastIndex) {
    return [`The state stands at entry ${appliedIndex}, but the log ends at entry ${lastIndex}: entries were lost.`];
  }
  const term = appliedIndex === compactedIndex ? compactedTerm : entries[appliedIndex - compactedIndex - 1]?.term;
  if (term === appliedTerm) return [];
  return [`The state stands at entry ${appliedIndex} of term ${appliedTerm}, but the log holds term ${term} there.`];
}

function reasonOf(doubts: readonly string[]): string {
  const named = doubts.slice(0, FINDINGS_NAMED).map((doubt) => doubt.replaceAll(/\s+/g, ' ').replace(/\.$/, ''));
  const more = doubts.length - named.length;
  return `${named.join('; ')}${more > 0 ? `; and ${String(more)} more` : ''}`;
}

async function loadState(
  stateStore: CheckpointStore,
  position: StatePosition,
  first: Configuration,
): Promise<{ state: State; configuration: Configuration }> {
  const loader = new StateLoader();
  let configuration = first;
  await stateStore.load((key, value) => {
    if (isConfigurationKey(key)) configuration = readStoredConfiguration(value) ?? first;
    else loader.add(key, value);
  });
  return { state: loader.finish(position.appliedIndex, position.appliedTerm), configuration };
}

function initialOf(
  position: StatePosition,
  found: OpenedLog,
  configuration: Configuration,
  state: State,
): InitialState {
  const { appliedIndex } = position;
  return {
    hardState: found.hardState,
    configuration,
    snapshotIndex: found.compactedIndex,
    snapshotTerm: found.compactedTerm,
    // With nothing behind it in the log, the state stands at the snapshot.
    snapshotStampMs: found.entries.length === 0 && appliedIndex === found.compactedIndex ? state.nowMs : 0,
    entries: found.entries,
    appliedIndex,
  };
}
