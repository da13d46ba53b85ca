import type { Broker } from '@quorate/broker';
import { isVoter, type MembershipResult, type Message, members, type Status } from '@quorate/consensus';
import type { Hello } from '@quorate/protocol';
import { formatAddress } from '../config/address.ts';
import type { NodeConfig } from '../config/index.ts';
import type { RaftDriver } from '../raft/index.ts';
import type { TransportLogger } from '../transport/index.ts';
import { Admin } from './admin.ts';
import { Channel } from './channels.ts';
import { Founding } from './founding.ts';
import { type Identity, Readmitted, type SelfDescription } from './identity.ts';
import { MemberDuties } from './member-duties.ts';
import { Operations } from './operations.ts';
import { type Dialler, Peers } from './peers.ts';

export interface MembershipOptions {
  readonly config: NodeConfig;
  readonly identity: Identity;
  /** See `ReplicaOptions.standIn`. */
  readonly standIn: boolean;
  readonly broker: Broker;
  readonly driver: RaftDriver;
  /** As last reported by the driver. */
  readonly status: () => Status;
  readonly transport: () => Dialler & {
    send(to: string, channel: number, payload: Uint8Array): boolean;
    connectedPeers(): string[];
  };
  readonly nowMs: () => number;
  readonly logger: TransportLogger;
  readonly onFatal: (error: unknown) => void;
}

const NOTHING = new Uint8Array(0);

/** Who belongs to the cluster: founding it, letting nodes in and out, and whose messages count. */
export class Membership {
  readonly admin: Admin;
  readonly peers: Peers;
  readonly #options: MembershipOptions;
  readonly #founding: Founding;
  readonly #duties: MemberDuties;
  /** The leader says that this node is none of its members. */
  #notMember = false;
  /** Peers that refused this node as one of another cluster. */
  readonly #refusedBy = new Set<string>();

  constructor(options: MembershipOptions) {
    this.#options = options;
    const { broker, driver, logger, config, nowMs } = options;
    const { nodeId } = config;
    this.peers = new Peers({
      nodeId,
      cluster: config.cluster,
      configuration: () => options.status().configuration,
      state: () => broker.machine.state,
      mayLeave: (id) => {
        const { configurationCommitted, leader } = options.status();
        return configurationCommitted === true && leader !== id;
      },
    });
    const { peers } = this;
    this.#founding = this.#createFounding();
    const status = (): Status => driver.status();
    const transfer = (to: string | null): void => {
      driver.transferLeadership(to);
    };
    this.#duties = new MemberDuties({
      broker,
      peers,
      status,
      change: (change) => {
        driver.changeMembership(change);
      },
      handOver: () => {
        transfer(null);
      },
      logger,
    });
    const operations = new Operations({ broker, peers, duties: this.#duties, status, transfer, nowMs });
    const send = (to: string, channel: number, payload: Uint8Array): boolean =>
      options.transport().send(to, channel, payload);
    this.admin = new Admin({ nodeId, operations, status, send, nowMs });
  }

  /** The leader said that this node is none of its members. */
  get notMember(): boolean {
    return this.#notMember;
  }

  /** Members without whom the cluster is not founded; null once it is, or when this node has no part in that. */
  get foundingWaitsFor(): readonly string[] | null {
    return this.#founding.unborn ? this.#founding.missing : null;
  }

  describe(): SelfDescription {
    const { identity, status } = this.#options;
    return {
      clusterId: identity.clusterId ?? '',
      directoryId: identity.directoryId,
      incarnation: String(identity.incarnation),
      founded: this.#founding.writing || members(status().configuration).length > 0,
    };
  }

  /** Whom to dial, from the start. */
  dial(): void {
    this.peers.dial(this.#options.transport());
  }

  connected(peer: string, hello: Hello): void {
    this.#refusedBy.delete(peer);
    this.peers.connected(peer, hello);
    this.#founding.connected(peer);
    this.#tellStranger(peer);
  }

  disconnected(peer: string): void {
    this.peers.disconnected(peer);
    this.#founding.disconnected(peer);
    this.admin.peerLost(peer);
  }

  /** A peer refuses this node, or this node the peer. */
  rejected(peer: string, code: string, reason: string): void {
    const { config, status, onFatal } = this.#options;
    if (code !== 'WRONG_CLUSTER' || status().leader !== null) return;
    // Anybody may call: only those count that this node takes for its peers.
    if (!config.cluster.has(peer) && !members(status().configuration).includes(peer)) return;
    this.#refusedBy.add(peer);
    // Most of the peers say so: its data directory or its configuration is wrong.
    if (this.#refusedBy.size * 2 < config.cluster.size) return;
    onFatal(
      new Error(
        `this node and ${[...this.#refusedBy].join(', ')} belong to different clusters (${reason}): ` +
          'check cluster in the configuration, and that dataDir is the one of this cluster',
      ),
    );
  }

  /** Whether the core may see a message. */
  mayReceive(from: string, message: Message): boolean {
    // What it would do by its first configuration must wait until that is durable.
    if (this.#founding.writing) return false;
    if (message.kind === 'appendRequest' || message.kind === 'heartbeat') {
      this.#notMember = false;
      if (this.#options.standIn) {
        // Its sender takes this directory id for a member, so the others are a quorum without what is in doubt here.
        this.#options.onFatal(new Readmitted(this.#options.identity.directoryId));
        return false;
      }
    }
    return this.peers.mayReceive(from, message);
  }

  /** False for a channel of others. @throws PeerProtocolError */
  onMessage(from: string, channel: number, payload: Uint8Array): boolean {
    switch (channel) {
      case Channel.founding:
        if (!this.#options.standIn) this.#founding.received(from, payload);
        return true;
      case Channel.foundingQuestion:
        this.#founding.asked(from, payload);
        return true;
      case Channel.foundingAnswer:
        this.#founding.answered(from, payload);
        return true;
      case Channel.adminRequest:
        if (this.peers.isAdmitted(from)) this.admin.onRequest(from, payload);
        return true;
      case Channel.adminResponse:
        this.admin.onResponse(payload);
        return true;
      case Channel.notMember:
        this.#onNotMember(from);
        return true;
      default:
        return false;
    }
  }

  onStatus(before: Status, status: Status): void {
    this.peers.touch();
    if (before.role === 'leader' && status.role !== 'leader') this.#duties.stepDown();
    if (status.role === 'leader')
      for (const peer of this.#options.transport().connectedPeers()) this.#tellStranger(peer);
    this.#forgetSetAside(status);
  }

  onResult(result: MembershipResult): void {
    this.#duties.result(result);
  }

  tick(nowMs: number): void {
    this.dial();
    this.#founding.tick(nowMs);
    this.#duties.tick(nowMs);
    this.admin.tick(nowMs);
  }

  #createFounding(): Founding {
    const { config, identity, logger, standIn, driver, transport, onFatal } = this.#options;
    return new Founding({
      nodeId: config.nodeId,
      bootstrapMembers: standIn ? [] : [...config.cluster.keys()].sort(),
      directoryId: identity.directoryId,
      clusterId: () => identity.clusterId,
      configuration: () => {
        const { configuration, configurationIndex } = driver.status();
        return { configuration, index: configurationIndex ?? 0 };
      },
      store: (configuration) => identity.setFounding(configuration),
      bootstrap: (configuration) => {
        driver.bootstrap(configuration);
      },
      peer: (nodeId) => this.peers.get(nodeId),
      send: (to, channel, payload) => {
        transport().send(to, channel, payload);
      },
      logger,
      onFatal,
    });
  }

  /** A node that is connected and is no member waits for what never comes, unless it is told. */
  #tellStranger(peer: string): void {
    const { status, broker, transport } = this.#options;
    const { configuration, role } = status();
    if (role !== 'leader' || members(configuration).includes(peer)) return;
    if (!broker.machine.state.members.has(peer)) transport().send(peer, Channel.notMember, NOTHING);
  }

  #onNotMember(from: string): void {
    const { logger, config } = this.#options;
    if (this.#notMember) return;
    this.#notMember = true;
    const address = formatAddress(config.advertise.peer);
    logger.warn(
      { from },
      `this node is not a member of the cluster that ${from} leads: to let it in run quorate join ${config.nodeId}=${address}`,
    );
  }

  /** With a vote again this node holds what the cluster holds: what was set aside is of no use any more. */
  #forgetSetAside({ configuration, configurationCommitted }: Status): void {
    const { identity, config, onFatal } = this.#options;
    if (!identity.hasSetAside || configurationCommitted !== true || !isVoter(configuration, config.nodeId)) return;
    if (configuration.memberTags?.[config.nodeId] === identity.directoryId) identity.dropSetAside().catch(onFatal);
  }
}
