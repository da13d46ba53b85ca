import { type Broker, CheckpointTaker, type State } from '@quorate/broker';
import { type Configuration, members, type SnapshotRequest } from '@quorate/consensus';
import type { NodeConfig } from '../config/index.ts';
import type { Clock, RaftDriver } from '../raft/index.ts';
import type { TransportLogger } from '../transport/index.ts';
import { Channel } from './channels.ts';
import { Checkpointer } from './checkpointer.ts';
import type { Identity } from './identity.ts';
import type { Recovered } from './recovery.ts';
import { Snapshots } from './snapshots.ts';
import { StateComparison, type StateDiverged } from './state-comparison.ts';

export interface StoredStateOptions {
  readonly config: NodeConfig;
  readonly identity: Identity;
  readonly recovered: Recovered;
  readonly broker: Broker;
  readonly driver: RaftDriver;
  readonly configuration: () => Configuration;
  readonly clock: Clock;
  readonly send: (to: string, channel: number, payload: Uint8Array) => void;
  readonly sendBulk: (to: string, channel: number, payload: Uint8Array | readonly Uint8Array[]) => boolean;
  readonly isConnected: (nodeId: string) => boolean;
  readonly onCheckpointWritten: (durationMs: number) => void;
  /** A snapshot was installed: this is the state from here on. */
  readonly onRestored: (state: State, clusterId: string) => void;
  readonly onDiverged: (error: StateDiverged) => void;
  readonly logger: TransportLogger;
  readonly onFatal: (error: unknown) => void;
}

/** The state beside the log: its checkpoints on disk, snapshots of them, and whether the members agree on it. */
export class StoredState {
  readonly snapshots: Snapshots;
  readonly #options: StoredStateOptions;
  readonly #checkpointer: Checkpointer;
  readonly #comparison: StateComparison;

  constructor(options: StoredStateOptions) {
    this.#options = options;
    this.#comparison = this.#createComparison();
    this.#checkpointer = this.#createCheckpointer();
    this.snapshots = this.#createSnapshots();
  }

  /** Whether a checkpoint would be taken now, not missed. */
  get acceptsCheckpoint(): boolean {
    return this.#checkpointer.accepts;
  }

  /** The entry of a checkpoint command was applied. */
  checkpoint(compactIndex: number, logBytes: number): void {
    const { state } = this.#options.broker.machine;
    const { appliedIndex: index, appliedTerm: term, nowMs: stampMs } = state;
    const facts = { index, term, stampMs, configuration: this.#options.driver.configurationAt(index) };
    this.#checkpointer.add(() => new CheckpointTaker(state), facts, compactIndex, logBytes);
  }

  request(request: SnapshotRequest): void {
    this.snapshots.request(request);
  }

  /** False for a channel of others. @throws PeerProtocolError */
  onMessage(from: string, channel: number, payload: Uint8Array): boolean {
    if (channel === Channel.snapshot) this.snapshots.onMessage(from, payload);
    else if (channel === Channel.checkpointSum) this.#comparison.received(from, payload);
    else return false;
    return true;
  }

  /** The state was replaced: sums of before mean nothing any more. */
  restored(): void {
    this.#comparison.reset();
  }

  /** Closes the state store too. */
  async stop(): Promise<void> {
    await this.snapshots.stop();
    await this.#checkpointer.stop();
  }

  #createComparison(): StateComparison {
    const { config, configuration, isConnected, send, logger, onDiverged } = this.#options;
    return new StateComparison({
      nodeId: config.nodeId,
      configuration,
      broadcast: (payload) => {
        for (const id of members(configuration())) {
          if (id !== config.nodeId && isConnected(id)) send(id, Channel.checkpointSum, payload);
        }
      },
      logger,
      onDiverged,
    });
  }

  #createCheckpointer(): Checkpointer {
    const { clock, config, driver, recovered, onCheckpointWritten, onFatal } = this.#options;
    const { log, snapshots, stateStore, stored, initial } = recovered;
    return new Checkpointer(
      {
        log,
        snapshots: snapshots.store,
        nowMs: () => clock.nowMs(),
        defer: (task) => {
          clock.defer(task);
        },
        compactEntries: config.checkpoint.compactEntries,
        compact: (index, term) => {
          driver.compact(index, term);
        },
        onWritten: onCheckpointWritten,
        onSum: (index, sum) => {
          this.#comparison.own(index, sum);
        },
        onFatal,
      },
      stateStore,
      stored,
      initial.snapshotIndex,
    );
  }

  #createSnapshots(): Snapshots {
    const { clock, identity, broker, driver, recovered, sendBulk, onRestored, logger, onFatal } = this.#options;
    return new Snapshots({
      home: recovered.snapshots,
      log: recovered.log,
      driver,
      checkpointer: this.#checkpointer,
      clusterId: () => identity.clusterId,
      appliedIndex: () => broker.machine.state.appliedIndex,
      nowMs: () => clock.nowMs(),
      turn: () =>
        new Promise((resolve) => {
          clock.defer(resolve);
        }),
      send: (to, payload) => sendBulk(to, Channel.snapshot, payload),
      restore: onRestored,
      logger,
      onFatal,
    });
  }
}
