import {
  ByteReader,
  ByteWriter,
  type CommandOwner,
  type MemberRecord,
  type NodeRecord,
  readMember,
  State,
} from '@quorate/broker';
import type { Configuration, MembershipChange, MembershipResult, Status } from '@quorate/consensus';
import { MemberDuties } from '../../../../packages/node/src/runtime/member-duties.ts';
import { type KnownPeer, Peers } from '../../../../packages/node/src/runtime/peers.ts';
import { assert } from '../../../support/suite.ts';

const COMMAND_HEADER_BYTES = 5;

export function nodeRecord(nodeId: string, up: boolean): NodeRecord {
  return { nodeId, incarnation: 1, lastSequence: 0, up, mqtt: '', http: '', peer: '', version: '', leaseMs: 1000 };
}

export function member(nodeId: string, part: Partial<MemberRecord> = {}): MemberRecord {
  return { nodeId, peer: `h:${nodeId.slice(1)}`, voter: true, replaces: null, ...part };
}

/** Of each voter the directory `d` and its name. */
export function configurationOf(voters: readonly string[], learners: readonly string[] = []): Configuration {
  const memberTags = Object.fromEntries([...voters, ...learners].map((id) => [id, `d-${id}`]));
  return { voters, learners, outgoing: [], memberTags };
}

/**
 * A cluster as its leader n1 sees it: members, their hellos and the replicated records. What is proposed and what the
 * core is asked for happens when the test says so.
 */
export class MembersWorld {
  readonly state = new State();
  readonly log: string[] = [];
  /** Asked of the core and not answered. */
  readonly asked: MembershipChange[] = [];
  /** Proposed and not applied. */
  readonly proposed: { readonly nodeId: string; readonly member: MemberRecord | null }[] = [];
  /** Who is told of the outcome of each. */
  readonly #owners: CommandOwner[] = [];
  readonly caughtUp = new Set<string>();
  handOvers = 0;
  registered = true;
  nowMs = 1_000;
  status: Status;
  readonly peers: Peers;
  duties: MemberDuties;
  readonly broker;

  constructor(configuration: Configuration) {
    const writer = new ByteWriter();
    const isRegistered = (): boolean => this.registered;
    this.broker = {
      nodeId: 'n1',
      get registered() {
        return isRegistered();
      },
      machine: { state: this.state },
      proposer: {
        open: () => writer,
        added: (owner: CommandOwner) => {
          const { term, ...command } = readMember(new ByteReader(writer.take().subarray(COMMAND_HEADER_BYTES)));
          assert.is(term, this.status.term, 'void in any other term');
          this.proposed.push(command);
          this.#owners.push(owner);
        },
      },
    };
    this.status = {
      id: 'n1',
      role: 'leader',
      term: 1,
      leader: 'n1',
      commitIndex: 1,
      lastIndex: 1,
      termCommitted: true,
      configuration,
      configurationIndex: 1,
      configurationCommitted: true,
      joint: false,
      followers: [],
    };
    this.state.appliedTerm = 1;
    this.peers = new Peers({
      nodeId: 'n1',
      cluster: new Map(),
      configuration: () => this.status.configuration,
      state: () => this.state,
      mayLeave: () => true,
    });
    this.duties = this.newLeader();
  }

  get configuration(): Configuration {
    return this.status.configuration;
  }

  /** Another process leads: what the duties keep in memory is gone. */
  newLeader(): MemberDuties {
    this.asked.length = 0;
    this.proposed.length = 0;
    this.#owners.length = 0;
    const say = (_fields: object, message: string): void => void this.log.push(message);
    this.duties = new MemberDuties({
      broker: this.broker,
      peers: this.peers,
      status: () => this.fullStatus(),
      change: (change) => this.asked.push({ kind: 'changeMembership', ...change }),
      handOver: () => {
        this.handOvers++;
      },
      logger: { debug: say, info: say, warn: say, error: say },
    });
    return this.duties;
  }

  fullStatus(): Status {
    const { voters, learners } = this.configuration;
    const place = { matchIndex: 0, nextIndex: 1, mode: 'replicate' as const, lastHeardMs: 0 };
    const followers = [...voters, ...learners].map((id) => ({ id, ...place, caughtUp: this.caughtUp.has(id) }));
    return { ...this.status, followers };
  }

  hello(id: string, directoryId = `d-${id}`): void {
    const known: KnownPeer = { directoryId, clusterId: 'c', founded: true, peerAddress: `h:${id.slice(1)}` };
    this.peers.connected(id, known as Parameters<Peers['connected']>[1]);
  }

  put(record: MemberRecord): void {
    this.state.members.set(record.nodeId, record);
  }

  up(id: string, up = true): void {
    this.state.nodes.set(id, nodeRecord(id, up));
  }

  /** Applies what is proposed; void where the term is another one by now. */
  apply(kind: 'ok' | 'stale' | 'refused' = 'ok'): void {
    const owners = this.#owners.splice(0);
    for (const [at, { nodeId, member: put }] of this.proposed.splice(0).entries()) {
      if (kind === 'ok' && put === null) this.state.members.delete(nodeId);
      else if (kind === 'ok' && put !== null) this.state.members.set(nodeId, put);
      owners[at]?.commandApplied(0, 0, { kind });
    }
  }

  /** Carries a change of the core out, to its end. */
  commit(): void {
    const change = this.asked.shift();
    assert.ok(change, 'no change is under way');
    this.status = { ...this.status, configuration: wantedBy(change, this.configuration) };
    this.answer({ id: change.id, ok: true, code: 'COMMITTED' });
  }

  answer(result: MembershipResult): void {
    this.duties.result(result);
  }

  /** The next look of the duties, also after something was proposed. */
  tick(): void {
    this.nowMs += 300;
    this.duties.tick(this.nowMs);
  }

  /** What the next look leads to, in words. */
  step(): string {
    const before = this.handOvers;
    this.tick();
    const [change] = this.asked;
    if (change !== undefined) {
      const tags = Object.entries(change.memberTags ?? {}).map(([id, tag]) => `${id}=${tag}`);
      return `voters ${change.voters.join()} learners ${change.learners.join()} ${tags.join()}`.trim();
    }
    const [record] = this.proposed;
    if (record?.member != null) {
      const { nodeId, voter, replaces } = record.member;
      return `put ${nodeId} ${voter ? 'voter' : 'learner'} for ${replaces ?? 'nobody'}`;
    }
    if (record !== undefined) return `forget ${record.nodeId}`;
    return this.handOvers > before ? 'hand over' : 'nothing';
  }
}

export function wantedBy(change: MembershipChange, before: Configuration): Configuration {
  const { voters, learners } = change;
  const ids = [...voters, ...learners];
  const tags = { ...before.memberTags, ...change.memberTags };
  const memberTags = Object.fromEntries(ids.map((id) => [id, tags[id] ?? '']));
  return { voters, learners, outgoing: [], memberTags };
}
