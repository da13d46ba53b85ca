import { type State, StateLoader } from '@quorate/broker';
import type { Configuration, InitialState } from '@quorate/consensus';
import type { DataDirectory, LogStore, StateStore } from '@quorate/storage';

/** What a node finds in its data directory, ready to go on from. */
export interface Recovered {
  readonly log: LogStore;
  readonly stateStore: StateStore;
  readonly state: State;
  readonly initial: InitialState;
  /** Stamp of the last entry or, with an empty log, of the state. */
  readonly lastStampMs: number;
}

/**
 * Loads the state as of its last checkpoint and the log behind it. Entries after the checkpoint are applied again once
 * a leader says that they are committed.
 */
export async function recover(directory: DataDirectory, bootstrap: Configuration): Promise<Recovered> {
  const stateStore = directory.stateStore();
  const position = await stateStore.open();
  const loader = new StateLoader();
  await stateStore.load((key, value) => {
    loader.add(key, value);
  });
  const state = loader.finish(position.appliedIndex, position.appliedTerm);
  const log = directory.logStore();
  const opened = await log.open();
  const initial: InitialState = {
    hardState: opened.hardState,
    configuration: bootstrap,
    snapshotIndex: opened.compactedIndex,
    snapshotTerm: opened.compactedTerm,
    entries: opened.entries,
    appliedIndex: position.appliedIndex,
  };
  const lastStampMs = Math.max(opened.entries.at(-1)?.stampMs ?? 0, state.nowMs);
  return { log, stateStore, state, initial, lastStampMs };
}
