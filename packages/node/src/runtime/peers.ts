import type { State } from '@quorate/broker';
import { addressOf, type Configuration, isMember, type Message, members, tagOf } from '@quorate/consensus';
import type { Hello } from '@quorate/protocol';
import { parseAddress } from '../config/address.ts';
import type { HostPort } from '../transport/index.ts';

/** What a connected peer said of itself. */
export interface KnownPeer {
  readonly directoryId: string;
  /** Empty while it knows no cluster. */
  readonly clusterId: string;
  /** It has a configuration, so it is not at its very first start. */
  readonly founded: boolean;
  /** HOST:PORT where it is dialled. */
  readonly peerAddress: string;
}

/** The part of the transport that decides whom to dial. */
export interface Dialler {
  setPeer(id: string, addresses: readonly HostPort[]): void;
  removePeer(id: string): void;
}

export interface PeersOptions {
  readonly nodeId: string;
  /** Peer addresses of this node's `cluster` setting. */
  readonly cluster: ReadonlyMap<string, HostPort>;
  readonly configuration: () => Configuration;
  readonly state: () => State;
  /**
   * Whether a node that is no member any more may be let go: not before that is committed, nor as long as it leads. It
   * has to bring its own removal to an end, and tell who asked for it.
   */
  readonly mayLeave: (nodeId: string) => boolean;
}

/**
 * The other nodes: where they are dialled, and whose data directory answers there. A member is its name *and* its data
 * directory: one that lost it comes back under its name without its votes and its log.
 */
export class Peers {
  readonly #options: PeersOptions;
  readonly #known = new Map<string, KnownPeer>();
  /** The addresses last given to the transport, as text. */
  readonly #dialled = new Map<string, string>();
  /** Nodes that are asked to join at an address and are no members yet. */
  readonly #guests = new Map<string, HostPort>();
  #changed = true;

  constructor(options: PeersOptions) {
    this.#options = options;
  }

  get(nodeId: string): KnownPeer | undefined {
    return this.#known.get(nodeId);
  }

  /** One of those that are connected belongs to a cluster that has a name. */
  get meetCluster(): boolean {
    return [...this.#known.values()].some(({ clusterId }) => clusterId !== '');
  }

  connected(nodeId: string, { directoryId, clusterId, founded, peerAddress }: Hello): void {
    this.#known.set(nodeId, { directoryId, clusterId, founded, peerAddress });
  }

  disconnected(nodeId: string): void {
    this.#known.delete(nodeId);
  }

  /** True for a peer that is connected and whose data directory is the one that the configuration knows by its name. */
  isAdmitted(nodeId: string): boolean {
    const configuration = this.#options.configuration();
    return isMember(configuration, nodeId) && this.#hasTag(configuration, nodeId);
  }

  /** A member by name that came back with another data directory. */
  isReplaced(nodeId: string): boolean {
    const configuration = this.#options.configuration();
    return isMember(configuration, nodeId) && this.#known.has(nodeId) && !this.#hasTag(configuration, nodeId);
  }

  #hasTag(configuration: Configuration, nodeId: string): boolean {
    const tag = tagOf(configuration, nodeId);
    return tag === '' || tag === this.#known.get(nodeId)?.directoryId;
  }

  /**
   * Whether the core may see a message. Answers count towards quorums, so they count only from the data directory that
   * is a member: a node that lost its own must not confirm what the lost one had promised otherwise. Requests are let
   * through even then: by a newer configuration than the one here their sender may be a proper leader.
   */
  mayReceive(from: string, message: Message): boolean {
    switch (message.kind) {
      case 'voteResponse':
      case 'appendResponse':
      case 'heartbeatResponse':
      case 'readIndexRequest':
        return this.isAdmitted(from);
      default:
        return true;
    }
  }

  /** A data directory that is no member gets no log: neither by its own name's old place in it, nor at all. */
  maySend(to: string, message: Message): boolean {
    switch (message.kind) {
      case 'appendRequest':
      case 'heartbeat':
      case 'timeoutNow':
        return this.#mayFollow(to);
      default:
        return true;
    }
  }

  /** Not a member, or one by the directory that it has; one that is not introduced yet may have any. */
  #mayFollow(nodeId: string): boolean {
    const configuration = this.#options.configuration();
    return !isMember(configuration, nodeId) || this.#hasTag(configuration, nodeId);
  }

  /** Dials a node that is to join. */
  invite(nodeId: string, address: HostPort): void {
    this.#guests.set(nodeId, address);
    this.#changed = true;
  }

  /** It has joined, or it is not to join any more. */
  forget(nodeId: string): void {
    this.#guests.delete(nodeId);
    this.#changed = true;
  }

  /** Configuration, members or addresses are other ones. */
  touch(): void {
    this.#changed = true;
  }

  /** Brings the transport up to date, if anything has changed. */
  dial(transport: Dialler): void {
    if (!this.#changed) return;
    this.#changed = false;
    const { nodeId, cluster, configuration } = this.#options;
    const inForce = members(configuration());
    // Without a configuration the setting is all there is; with one, who left it must not come back by the setting.
    const wanted = new Set(inForce.length > 0 ? inForce : cluster.keys());
    for (const id of this.#options.state().members.keys()) wanted.add(id);
    for (const id of this.#guests.keys()) wanted.add(id);
    wanted.delete(nodeId);
    for (const id of wanted) {
      const addresses = this.#addressesOf(id);
      const text = addresses.map(({ host, port }) => `${host}:${String(port)}`).join(',');
      if (text === '' || this.#dialled.get(id) === text) continue;
      this.#dialled.set(id, text);
      transport.setPeer(id, addresses);
    }
    for (const id of [...this.#dialled.keys()]) {
      if (wanted.has(id)) continue;
      if (!this.#options.mayLeave(id)) {
        this.#changed = true;
        continue;
      }
      this.#dialled.delete(id);
      transport.removePeer(id);
    }
  }

  /** Where a node is reached as far as is known here, as HOST:PORT, for those that go by a configuration; '' if nothing is. */
  addressOf(nodeId: string): string {
    const texts = [...this.#textsOf(nodeId), this.#known.get(nodeId)?.peerAddress ?? ''];
    return texts.find((text) => parseAddress(text) !== undefined) ?? '';
  }

  /**
   * Newest first: what it said itself in the log, what it was joined with, what the configuration says. That one is in
   * force before it is applied, and a node that starts anew may have applied none of the records yet: without an address
   * in it two voters that have all of the log, and that nobody ever told of each other, would not meet.
   */
  #textsOf(nodeId: string): string[] {
    const { nodes, members: records } = this.#options.state();
    return [
      nodes.get(nodeId)?.peer ?? '',
      records.get(nodeId)?.peer ?? '',
      addressOf(this.#options.configuration(), nodeId),
    ];
  }

  /** Those of {@link #textsOf}, then what the operator says. */
  #addressesOf(nodeId: string): HostPort[] {
    const addresses = this.#textsOf(nodeId).flatMap((text) => parseAddress(text) ?? []);
    for (const address of [this.#guests.get(nodeId), this.#options.cluster.get(nodeId)]) {
      if (address !== undefined) addresses.push(address);
    }
    const seen = new Set<string>();
    return addresses.filter(({ host, port }) => {
      const text = `${host}:${String(port)}`;
      return seen.has(text) ? false : seen.add(text);
    });
  }
}
