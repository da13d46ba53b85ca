import { type State, StateLoader } from '@quorate/broker';
import type { Configuration, InitialState } from '@quorate/consensus';
import { type LogStore, type OpenedLog, type StatePosition, type StateStore, StorageError } from '@quorate/storage';

/** What a store found that makes its data doubtful; see `LevelLogStore.doubts`. Known after `open`. */
interface MayDoubt {
  readonly doubts?: readonly string[];
}

/** Where a node keeps its stores: the data directory, or a simulated disk. */
export interface Stores {
  readonly path?: string;
  stateStore(): StateStore & MayDoubt;
  logStore(): LogStore & MayDoubt;
}

/** What a node finds in its data directory, ready to go on from. */
export interface Recovered {
  readonly log: LogStore;
  readonly stateStore: StateStore;
  readonly state: State;
  readonly initial: InitialState;
  /** Stamp of the last entry or, with an empty log, of the state. */
  readonly lastStampMs: number;
}

/** Findings named in a refusal; the rest is counted. */
const FINDINGS_NAMED = 3;

/**
 * Loads the state as of its last checkpoint and the log behind it. Entries after the checkpoint are applied again once
 * a leader says that they are committed.
 *
 * @param rememberDoubts called before a refusal, with its reason: must make sure that later starts are refused too
 * @throws StorageError DATA_DOUBTFUL when acknowledged writes may be missing from the stores (never after a mere crash
 *   or power cut, whatever it tore), or what the stores themselves throw. No store is left open then
 */
export async function recover(
  stores: Stores,
  bootstrap: Configuration,
  rememberDoubts: (reason: string) => Promise<void> = async () => {},
): Promise<Recovered> {
  const stateStore = stores.stateStore();
  const log = stores.logStore();
  const opened: { close(): Promise<void> }[] = [];
  try {
    const position = await stateStore.open();
    opened.push(stateStore);
    const found = await log.open();
    opened.push(log);
    const doubts = [...(stateStore.doubts ?? []), ...(log.doubts ?? []), ...compare(position, found)];
    if (doubts.length > 0) {
      const reason = reasonOf(doubts);
      await rememberDoubts(reason);
      throw new StorageError('DATA_DOUBTFUL', { path: stores.path ?? 'memory', reason });
    }
    const state = await loadState(stateStore, position);
    const lastStampMs = Math.max(found.entries.at(-1)?.stampMs ?? 0, state.nowMs);
    return { log, stateStore, state, initial: initialOf(position, found, bootstrap), lastStampMs };
  } catch (error) {
    for (const store of opened.reverse()) await store.close().catch(() => {});
    throw error;
  }
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

async function loadState(stateStore: StateStore, position: StatePosition): Promise<State> {
  const loader = new StateLoader();
  await stateStore.load((key, value) => {
    loader.add(key, value);
  });
  return loader.finish(position.appliedIndex, position.appliedTerm);
}

function initialOf(position: StatePosition, found: OpenedLog, bootstrap: Configuration): InitialState {
  return {
    hardState: found.hardState,
    configuration: bootstrap,
    snapshotIndex: found.compactedIndex,
    snapshotTerm: found.compactedTerm,
    entries: found.entries,
    appliedIndex: position.appliedIndex,
  };
}
