import { type State, StateLoader } from '@quorate/broker';
import { decodeConfiguration, type SnapshotRequest } from '@quorate/consensus';
import { decodeSnapshotMessage, encodeSnapshotMessage, type SnapshotMessage } from '@quorate/protocol';
import type {
  InstallableLog,
  LogStore,
  PreparedInstall,
  SnapshotInfo,
  SnapshotReader,
  SnapshotStore,
  StateStore,
} from '@quorate/storage';
import type { InstalledFacts, RaftDriver } from '../raft/index.ts';
import { SnapshotReceiver, SnapshotSender, teeSnapshot } from '../snapshot/index.ts';
import type { RefusalCode } from '../snapshot/refusal.ts';
import type { TransportLogger } from '../transport/index.ts';
import type { Checkpointer } from './checkpointer.ts';
import { MACHINE_VERSION } from './machine-version.ts';
import { isConfigurationKey } from './stored-configuration.ts';

/** The log of a node, which an installed snapshot brings to its place. */
export type NodeLog = LogStore & InstallableLog;

/** Where snapshots lie and how one becomes the state: the data directory, or a simulated disk. */
export interface SnapshotHome {
  readonly store: SnapshotStore;
  prepareInstall(reader: SnapshotReader): Promise<PreparedInstall>;
  /** The state store after an installation, not open. */
  stateStore(): StateStore;
}

export interface SnapshotsOptions {
  readonly home: SnapshotHome;
  readonly log: NodeLog;
  readonly driver: Pick<RaftDriver, 'acceptsSnapshot' | 'install' | 'snapshotReceiving' | 'snapshotSent' | 'status'>;
  readonly checkpointer: Checkpointer;
  readonly clusterId: () => string | null;
  readonly appliedIndex: () => number;
  readonly nowMs: () => number;
  /** Resolves in a later turn of the event loop. */
  readonly turn: () => Promise<void>;
  readonly send: (to: string, payload: Uint8Array | readonly Uint8Array[]) => boolean;
  /** The state takes the place of everything applied so far, in this very call. */
  readonly restore: (state: State, clusterId: string) => void;
  readonly logger: TransportLogger;
  readonly onFatal: (error: unknown) => void;
}

/** Snapshots of this node on their way to others, and of others on their way into this node. */
export class Snapshots {
  readonly #options: SnapshotsOptions;
  readonly #sender: SnapshotSender;
  readonly #receiver: SnapshotReceiver;
  #cleaning: Promise<void> = Promise.resolve();
  /** Who sends, or goes on sending, and the term that it leads: one belongs to the other. */
  #leader = { from: '', term: 0 };
  #stopped = false;
  /** Ends the wait for an installation that the driver was asked for. */
  #giveUp: () => void = () => {};

  constructor(options: SnapshotsOptions) {
    this.#options = options;
    const { home, driver, logger, onFatal, checkpointer } = options;
    const send = (to: string, message: SnapshotMessage): boolean => options.send(to, encodeSnapshotMessage(message));
    this.#sender = new SnapshotSender({
      store: {
        // One that was received and not installed may be ahead of what is applied here.
        newest: async () => (await home.store.list()).find(({ index }) => index <= options.appliedIndex()) ?? null,
        open: (id) => home.store.open(id),
      },
      dump: (minIndex) => checkpointer.dump(minIndex, options.clusterId(), MACHINE_VERSION),
      send,
      nowMs: options.nowMs,
      onSent: (peer, index, term, ok) => {
        driver.snapshotSent(peer, index, term, ok);
      },
      logger,
      onFatal,
    });
    this.#receiver = new SnapshotReceiver({
      receiver: home.store.receiver,
      accepts: (index) => driver.acceptsSnapshot(index),
      onReceiving: (from, term) => {
        this.#leader = { from, term };
        driver.snapshotReceiving(from, term);
      },
      install: (info, from) => this.#install(info, from),
      send,
      logger,
      onFatal,
      clusterId: options.clusterId,
      maxMachineVersion: MACHINE_VERSION,
    });
  }

  /** The least index of the snapshots on their way: the log is kept behind it. Null when there is none. */
  get oldestIndex(): number | null {
    return this.#sender.oldestIndex;
  }

  request({ peer, minIndex }: SnapshotRequest): void {
    this.#sender.request(peer, minIndex, this.#options.driver.status().term);
  }

  /** @throws PeerProtocolError */
  onMessage(from: string, payload: Uint8Array): void {
    const message = decodeSnapshotMessage(payload);
    if (message.kind === 'offer' || message.kind === 'chunk') this.#receiver.onMessage(from, message);
    else this.#sender.onMessage(from, isThere(message) ? { ...message, ok: true } : message);
  }

  peerLost(peer: string): void {
    this.#sender.peerLost(peer);
  }

  stepDown(): void {
    this.#sender.stepDown();
  }

  tick(nowMs: number): void {
    this.#sender.tick(nowMs);
  }

  /** When the driver is stopped: an installation that it has not begun by then is given up. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#giveUp();
    await Promise.all([this.#sender.stop(), this.#receiver.stop()]);
    await this.#cleaning;
  }

  /** The new state is built in memory while its database is filled, beside a node that goes on; the swap is short. */
  async #install(info: SnapshotInfo, from: string): Promise<boolean> {
    const { home, restore, logger } = this.#options;
    // What it deletes is told by its name: not beside the next one that is made.
    await this.#cleaning;
    const loader = new StateLoader();
    const reader = await home.store.open(info.id);
    let prepared: PreparedInstall;
    try {
      prepared = await home.prepareInstall(
        teeSnapshot(reader, (records) => {
          for (const [key, value] of records) if (!isConfigurationKey(key)) loader.add(key, value);
        }),
      );
    } finally {
      await reader.close();
    }
    const { index, term, stampMs, clusterId } = info;
    // Before anything is changed: what makes no state must not become the one on disk.
    while (loader.next()) await this.#options.turn();
    const state = loader.finish(index, term);
    const configuration = decodeConfiguration(info.configuration);
    // Not who sent the last of it: another leader may have taken over since.
    const facts: InstalledFacts = {
      index,
      term,
      stampMs,
      configuration,
      from: this.#leader.from,
      leaderTerm: this.#leader.term,
    };
    return await this.#swap(prepared, facts, () => {
      logger.info({ index, from }, `a snapshot of ${from} up to entry ${String(index)} is installed`);
      restore(state, clusterId);
    });
  }

  /** @param onInstalled in the turn in which the core hears of it */
  async #swap(prepared: PreparedInstall, facts: InstalledFacts, onInstalled: () => void): Promise<boolean> {
    const { home, driver, log, checkpointer, onFatal } = this.#options;
    let committed = false;
    const installed = await new Promise<boolean>((resolve) => {
      this.#giveUp = () => {
        resolve(false);
      };
      if (this.#stopped) return resolve(false);
      driver.install({
        facts,
        commit: async () => {
          if (!driver.acceptsSnapshot(facts.index)) return false;
          await checkpointer.handOver(async (before) => {
            await before.close();
            await prepared.commit(log);
            committed = true;
            const stateStore = home.stateStore();
            await stateStore.open();
            return stateStore;
          }, facts);
          return true;
        },
        done: (done) => {
          try {
            if (done) onInstalled();
          } catch (error) {
            onFatal(error);
          }
          resolve(done);
        },
      });
    });
    // A stop may have come behind the commit: the node goes on from the snapshot at its next start.
    // Deleting what was before is a burst, which nothing waits for.
    if (committed) this.#cleaning = prepared.cleanUp().catch(onFatal);
    else await prepared.abandon();
    return installed;
  }
}

/**
 * The peer has committed all that the snapshot stands for: it installed it, and the word of that was lost with a
 * connection or a process. To send it another one would go on for ever when nothing new comes.
 */
function isThere(message: SnapshotMessage): message is Extract<SnapshotMessage, { kind: 'result' }> {
  return message.kind === 'result' && message.code === ('SNAPSHOT_NOT_NEEDED' satisfies RefusalCode);
}
