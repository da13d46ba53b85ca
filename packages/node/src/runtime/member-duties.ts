import {
  type Broker,
  type CommandOwner,
  type MemberRecord,
  NOBODY,
  writeMember,
  writeMemberRemoved,
} from '@quorate/broker';
import type { MembershipChange, MembershipResult, Status } from '@quorate/consensus';
import type { TransportLogger } from '../transport/index.ts';
import type { KnownPeer, Peers } from './peers.ts';

/** What of the broker the members need. */
export type MembersBroker = Pick<Broker, 'nodeId' | 'registered'> & {
  readonly machine: { readonly state: Broker['machine']['state'] };
  readonly proposer: Pick<Broker['proposer'], 'open' | 'added'>;
};

export interface MemberDutiesOptions {
  readonly broker: MembersBroker;
  readonly peers: Pick<Peers, 'get' | 'isReplaced' | 'addressOf'>;
  readonly status: () => Status;
  readonly change: (change: Omit<MembershipChange, 'kind'>) => void;
  /** Hands leadership over to whoever is furthest. */
  readonly handOver: () => void;
  readonly logger: TransportLogger;
}

type Members = Pick<MembershipChange, 'voters' | 'learners' | 'memberTags'>;

/** After something was proposed or refused, the next look at the members waits so long. */
const RETRY_MS = 250;

/**
 * What the leader does about the members, one step after the other, each decided anew from the configuration and the
 * replicated records, so that any leader goes on where the last one stopped: lets a node in as a learner, gives it its
 * vote when it has caught up, and takes a member that lost its data directory out and in again as the new node it is.
 */
export class MemberDuties {
  readonly #options: MemberDutiesOptions;
  /** Members that an operator is taking out: not to be let in again meanwhile. */
  readonly leaving = new Set<string>();
  #nextId = 1;
  #changing: number | null = null;
  #onResult: ((result: MembershipResult) => void) | null = null;
  #notBeforeMs = 0;

  constructor(options: MemberDutiesOptions) {
    this.#options = options;
  }

  /** No change is under way that this node was asked for. */
  get idle(): boolean {
    return this.#changing === null;
  }

  /** This node may begin a change: it leads, has committed in its term, and nothing is half done. */
  get ready(): boolean {
    const { broker, status } = this.#options;
    const now = status();
    const { state } = broker.machine;
    return (
      now.role === 'leader' &&
      now.termCommitted &&
      state.appliedTerm === now.term &&
      broker.registered &&
      now.joint === false &&
      now.configurationCommitted === true &&
      this.idle
    );
  }

  /** Asks the core for other members; its answer goes to `done`. Only when `ready`. */
  change(members: Members, done: ((result: MembershipResult) => void) | null = null): void {
    const id = this.#nextId++;
    this.#changing = id;
    this.#onResult = done;
    const ids = [...members.voters, ...members.learners];
    const addresses = ids.map((each): [string, string] => [each, this.#options.peers.addressOf(each)]);
    this.#options.change({ id, ...members, memberAddresses: Object.fromEntries(addresses) });
  }

  result(result: MembershipResult): void {
    if (result.id !== this.#changing) return;
    this.#changing = null;
    const done = this.#onResult;
    this.#onResult = null;
    if (!result.ok)
      this.#options.logger.info({ code: result.code }, `the members stay as they are: ${result.reason ?? ''}`);
    done?.(result);
  }

  /** Leadership is lost: the core says so of a change that was under way. */
  stepDown(): void {
    this.leaving.clear();
  }

  tick(nowMs: number): void {
    if (nowMs < this.#notBeforeMs || !this.ready) return;
    const { status, logger } = this.#options;
    const now = status();
    const step = this.#readmit(now) ?? this.#admit(now) ?? this.#promote(now);
    if (step === null) return;
    this.#notBeforeMs = nowMs + RETRY_MS;
    if (step === 'proposed') return;
    logger.info({ voters: step.members.voters, learners: step.members.learners }, step.reason);
    this.change(step.members);
  }

  /**
   * Proposes a record; void, as the removal of one, when this node does not lead any more by then.
   *
   * @param owner hears of the outcome
   */
  putMember(member: MemberRecord, owner: CommandOwner = NOBODY): void {
    const { broker, status } = this.#options;
    writeMember(broker.proposer.open(), member, status().term);
    broker.proposer.added(owner, 0, 0);
  }

  /** @param owner as of {@link putMember} */
  removeMember(nodeId: string, owner: CommandOwner = NOBODY): void {
    const { broker, status } = this.#options;
    writeMemberRemoved(broker.proposer.open(), nodeId, status().term);
    broker.proposer.added(owner, 0, 0);
  }

  /**
   * A member that is back without its data directory. Only when the cluster has given the node up: as long as the
   * process of before may serve, its clients are not to be found anywhere else. Out first, and in by the next step: in
   * one joint change its new directory would count in the old set of voters.
   */
  #readmit({ configuration }: Status): Step | null {
    const { broker, peers } = this.#options;
    const { state } = broker.machine;
    const { voters, learners } = configuration;
    for (const id of [...voters, ...learners]) {
      if (id === broker.nodeId || this.leaving.has(id) || !peers.isReplaced(id)) continue;
      const peer = peers.get(id);
      if (peer === undefined || state.nodes.get(id)?.up === true) continue;
      if (learners.includes(id)) {
        const reason = `${id} is back with another data directory: it begins anew as a learner`;
        return { members: { voters, learners, memberTags: { [id]: peer.directoryId } }, reason };
      }
      if (voters.length === 1) continue;
      const record = state.members.get(id);
      // It has replaced whom it was to replace: a node that got that name later must not leave for it once more.
      if (record?.voter !== true || record.replaces !== null) {
        this.putMember({ nodeId: id, peer: peer.peerAddress, voter: true, replaces: null });
        return 'proposed';
      }
      const reason = `${id} is back with another data directory: its vote is taken back until it has caught up`;
      return { members: { voters: voters.filter((voter) => voter !== id), learners }, reason };
    }
    return null;
  }

  /** A node that is to be a member and is none. */
  #admit({ configuration }: Status): Step | null {
    const { broker, peers } = this.#options;
    const { voters, learners } = configuration;
    const { state } = broker.machine;
    for (const { nodeId } of state.members.values()) {
      // Under this name a process of before may still serve clients.
      if (state.nodes.get(nodeId)?.up === true) continue;
      if (voters.includes(nodeId) || learners.includes(nodeId) || this.leaving.has(nodeId)) continue;
      const peer = peers.get(nodeId);
      // An empty one tells nothing, and would let any data directory of this name in.
      if (peer === undefined || peer.directoryId === '' || isOfAnotherCluster(peer)) continue;
      const reason = `${nodeId} is let in as a learner`;
      const memberTags = { [nodeId]: peer.directoryId };
      return { members: { voters, learners: [...learners, nodeId], memberTags }, reason };
    }
    return null;
  }

  /** A learner that is to have a vote and has caught up. */
  #promote({ configuration, followers }: Status): Step | null {
    const { voters, learners } = configuration;
    for (const id of learners) {
      const record = this.#options.broker.machine.state.members.get(id);
      const caughtUp = followers.find((follower) => follower.id === id)?.caughtUp === true;
      if (record?.voter !== true || !caughtUp || this.leaving.has(id)) continue;
      const { replaces } = record;
      const leaves = replaces !== null && voters.includes(replaces);
      // Alone it leads until the other one has taken over: the core lets a leader take its own vote back.
      if (leaves && replaces === this.#options.broker.nodeId && voters.length > 1) {
        this.#options.handOver();
        return 'proposed';
      }
      if (replaces !== null && this.#options.broker.machine.state.members.has(replaces)) {
        // As with any removal: else it would be let in again for its own record. It may have lost its vote already, being
        // back without its disk.
        this.removeMember(replaces);
        return 'proposed';
      }
      const reason = `${id} has caught up and gets its vote${leaves ? ` in place of ${replaces}` : ''}`;
      const stay = leaves ? voters.filter((voter) => voter !== replaces) : voters;
      const others = learners.filter((each) => each !== id && each !== replaces);
      return { members: { voters: [...stay, id], learners: others }, reason };
    }
    return null;
  }
}

/** A node of another cluster, one that has no name yet: the names of two clusters that have one are compared before. */
export function isOfAnotherCluster(peer: KnownPeer | undefined): boolean {
  return peer !== undefined && peer.founded && peer.clusterId === '';
}

type Step = { readonly members: Members; readonly reason: string } | 'proposed';
