import {
  type Configuration,
  decodeConfiguration,
  encodeConfiguration,
  isMember,
  members,
  tagOf,
} from '@quorate/consensus';
import type { TransportLogger } from '../transport/index.ts';
import { Channel } from './channels.ts';
import { answerTo, FoundingRound } from './founding-round.ts';
import type { KnownPeer } from './peers.ts';

export interface FoundingOptions {
  readonly nodeId: string;
  /** The names in this node's bootstrap list, sorted. A node that is not among them is to be joined and founds nothing. */
  readonly bootstrapMembers: readonly string[];
  readonly directoryId: string;
  readonly clusterId: () => string | null;
  /** In force here, and the index of its entry. */
  readonly configuration: () => { readonly configuration: Configuration; readonly index: number };
  /** Makes the first configuration durable in the identity of this node. */
  readonly store: (configuration: Uint8Array) => Promise<void>;
  readonly bootstrap: (configuration: Configuration) => void;
  readonly peer: (nodeId: string) => KnownPeer | undefined;
  readonly send: (to: string, channel: number, payload: Uint8Array) => void;
  readonly logger: TransportLogger;
  readonly onFatal: (error: unknown) => void;
}

const REMIND_MS = 10_000;

/**
 * The first configuration of a new cluster. One member alone makes it, the first by name, and only when it has heard
 * from every other one that it has none, once all are there: so no second cluster can come from members that lost their
 * data directories.
 * It holds the identity of every member's data directory; the others adopt it if it names theirs.
 */
export class Founding {
  readonly #options: FoundingOptions;
  readonly #round: FoundingRound;
  /** First members that are part of a cluster by now: they said so since they connected. */
  readonly #inCluster = new Set<string>();
  #writing = false;
  #remindedMs = Number.NEGATIVE_INFINITY;
  /** From members that are not connected yet on both ways, as far as this node knows: they may know it earlier. */
  readonly #early = new Map<string, Uint8Array>();

  constructor(options: FoundingOptions) {
    this.#options = options;
    const { bootstrapMembers, nodeId, send } = options;
    this.#round = new FoundingRound(
      bootstrapMembers.filter((id) => id !== nodeId),
      (to, question) => {
        send(to, Channel.foundingQuestion, question);
      },
    );
  }

  /** It is being written: to others this node has a configuration already, but it does not act by it yet. */
  get writing(): boolean {
    return this.#writing;
  }

  /** This node has no configuration, and knows of no cluster that has one. */
  get unborn(): boolean {
    const { nodeId, bootstrapMembers } = this.#options;
    return this.#isEmpty() && this.#options.clusterId() === null && bootstrapMembers.includes(nodeId);
  }

  /** Whom the founding waits for, if it is up to this node. */
  get missing(): string[] {
    const { nodeId, bootstrapMembers, peer } = this.#options;
    return bootstrapMembers.filter((id) => {
      if (id === nodeId) return false;
      const known = peer(id);
      return known === undefined || known.founded || known.clusterId !== '' || this.#inCluster.has(id);
    });
  }

  /** A peer is connected: it may be the one that was waited for, or wait for this one. */
  connected(peer: string): void {
    this.#inCluster.delete(peer);
    this.disconnected(peer);
    const { configuration, index } = this.#options.configuration();
    // Also to one that knows its cluster's name from the log: that holds no first configuration.
    const lacksIt = this.#options.peer(peer)?.founded === false;
    if (lacksIt && index === 0 && members(configuration).length > 0) {
      this.#options.send(peer, Channel.founding, encodeConfiguration(configuration));
    }
    const early = this.#early.get(peer);
    this.#early.delete(peer);
    if (early !== undefined) this.received(peer, early);
    this.#found();
  }

  /** What it has answered counts no more. */
  disconnected(peer: string): void {
    if (this.#options.bootstrapMembers.includes(peer)) this.#round.end();
  }

  /** Somebody who is to found a cluster asks. */
  asked(from: string, question: Uint8Array): void {
    const answer = answerTo(question, this.unborn && !this.#writing);
    if (answer !== null) this.#options.send(from, Channel.foundingAnswer, answer);
  }

  answered(from: string, answer: Uint8Array): void {
    const unborn = this.#round.answered(from, answer);
    if (unborn === true) this.#found();
    if (unborn !== false) return;
    this.#inCluster.add(from);
    this.#round.end();
  }

  /** The first configuration, from a peer that has it. */
  received(from: string, bytes: Uint8Array): void {
    const { nodeId, directoryId, peer, logger, bootstrapMembers } = this.#options;
    if (this.#writing || !this.#isEmpty()) return;
    if (peer(from) === undefined) {
      if (bootstrapMembers.includes(from)) this.#early.set(from, Uint8Array.from(bytes));
      return;
    }
    const configuration = decodeConfiguration(bytes);
    if (tagOf(configuration, from) !== peer(from)?.directoryId) return;
    // Not for a node that is to be joined, which has heard of the cluster earlier than the cluster has got its name.
    if (!isMember(configuration, nodeId)) return;
    if (tagOf(configuration, nodeId) !== directoryId) {
      logger.warn(
        { from },
        `${from} founded the cluster with another data directory of ${nodeId}: waiting to be let in`,
      );
      return;
    }
    this.#store(configuration);
  }

  tick(nowMs: number): void {
    if (!this.unborn || this.#writing) return;
    this.#round.tick(nowMs);
    this.#found();
    if (nowMs - this.#remindedMs < REMIND_MS) return;
    const first = this.#remindedMs === Number.NEGATIVE_INFINITY;
    this.#remindedMs = nowMs;
    if (first) return;
    const { missing } = this;
    if (missing.length === 0) return;
    const inCluster = missing.filter((id) => this.#options.peer(id) !== undefined);
    this.#options.logger.info(
      {},
      inCluster.length > 0
        ? `no part of a cluster yet, but ${inCluster.join(', ')}: as soon as there is a leader with a majority it lets this node in`
        : `no cluster yet: waiting for ${missing.join(', ')}. Every member of --cluster must be there once before a cluster is founded`,
    );
  }

  #found(): void {
    const { nodeId, bootstrapMembers, directoryId, peer } = this.#options;
    if (this.#writing || !this.unborn || bootstrapMembers[0] !== nodeId || this.missing.length > 0) return;
    if (!this.#round.complete()) return;
    const memberTags: Record<string, string> = {};
    for (const id of bootstrapMembers) memberTags[id] = id === nodeId ? directoryId : (peer(id)?.directoryId ?? '');
    this.#store({ voters: [...bootstrapMembers], learners: [], outgoing: [], memberTags });
  }

  #store(configuration: Configuration): void {
    const { store, bootstrap, bootstrapMembers, nodeId, peer, send, logger, onFatal } = this.#options;
    this.#writing = true;
    const bytes = encodeConfiguration(configuration);
    store(bytes).then(() => {
      this.#writing = false;
      logger.info({ voters: configuration.voters }, `the cluster is founded by ${configuration.voters.join(', ')}`);
      bootstrap(configuration);
      for (const id of bootstrapMembers)
        if (id !== nodeId && peer(id)?.clusterId === '') send(id, Channel.founding, bytes);
    }, onFatal);
  }

  #isEmpty(): boolean {
    return members(this.#options.configuration().configuration).length === 0;
  }
}
