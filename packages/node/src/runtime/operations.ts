import { type CommandOwner, type CommandResult, StateLimits } from '@quorate/broker';
import type { MembershipResult, Status } from '@quorate/consensus';
import type { AdminRequest } from '@quorate/protocol';
import { parseAddress } from '../config/address.ts';
import type { AdminResult } from '../http/index.ts';
import { isOfAnotherCluster, type MemberDuties, type MembersBroker } from './member-duties.ts';
import type { Peers } from './peers.ts';

export interface OperationsOptions {
  readonly broker: MembersBroker;
  readonly peers: Peers;
  readonly duties: MemberDuties;
  readonly status: () => Status;
  readonly transfer: (to: string | null) => void;
  readonly nowMs: () => number;
}

/** One change that an operator asked for, as steps between which this node goes on with its work. */
type Steps = Generator<undefined, AdminResult, undefined>;

interface Operation {
  readonly steps: Steps;
  readonly done: (result: AdminResult) => void;
}

const HELLO_MS = 5_000;
const READY_MS = 3_000;
const COMMIT_MS = 5_000;
const MAX_OPERATIONS = 16;

/**
 * The changes of the cluster that operators ask for, carried out by the leader. What has to outlive it is in the
 * replicated state (`member`): if leadership is lost the caller is told so, and the next leader completes what is there.
 */
export class Operations {
  readonly #options: OperationsOptions;
  readonly #running: Operation[] = [];
  #stepping = false;

  constructor(options: OperationsOptions) {
    this.#options = options;
  }

  begin(request: AdminRequest, done: (result: AdminResult) => void): void {
    if (this.#running.length >= MAX_OPERATIONS) {
      done(refusal('CHANGE_IN_PROGRESS', `${String(MAX_OPERATIONS)} changes are under way: wait for them to end`));
      return;
    }
    this.#running.push({ steps: this.#steps(request), done });
  }

  /** Takes every operation as far as it gets without waiting. */
  tick(): void {
    this.#stepping = true;
    for (const operation of [...this.#running]) {
      const { done, value } = operation.steps.next();
      if (done !== true) continue;
      this.#running.splice(this.#running.indexOf(operation), 1);
      operation.done(value);
    }
    this.#stepping = false;
  }

  *#steps(request: AdminRequest): Steps {
    // Since it was asked.
    if (this.#options.status().role !== 'leader') return LOST;
    switch (request.kind) {
      case 'join':
        return yield* this.#join(request);
      case 'remove':
        return yield* this.#remove(request.nodeId);
      case 'transfer':
        return yield* this.#transfer(request.to);
    }
  }

  *#join({ nodeId, peer, voter, replaces }: AdminRequest & { kind: 'join' }): Steps {
    const { peers, duties } = this.#options;
    const address = parseAddress(peer);
    if (address === undefined) return refusal('INVALID', `${peer} is no address: expected HOST:PORT`);
    if (this.#isMember(nodeId)) {
      return refusal(
        'ALREADY_A_MEMBER',
        `${nodeId} is a member; to let another node in under this name remove it first`,
      );
    }
    if (replaces !== null && !this.#options.status().configuration.voters.includes(replaces)) {
      return refusal('NOT_A_MEMBER', `${replaces}, which ${nodeId} is to replace, is not a member with a vote`);
    }
    peers.invite(nodeId, address);
    try {
      if (!(yield* this.#until(() => peers.get(nodeId) !== undefined, HELLO_MS))) {
        return this.#lost() ?? refusal('PEER_UNREACHABLE', unreachable(nodeId, peer));
      }
      if (isOfAnotherCluster(peers.get(nodeId))) return refusal('PEER_UNREACHABLE', foreign(nodeId));
      // Since it was waited for.
      if (this.#options.status().role !== 'leader') return LOST;
      duties.leaving.delete(nodeId);
      const outcome = yield* this.#outcomeOf((owner) => {
        duties.putMember({ nodeId, peer, voter, replaces }, owner);
      });
      if (outcome === null) return this.#lost() ?? timeout(`whether ${nodeId} is taken in is not known yet`);
      if (outcome.kind === 'refused') return refusal('INVALID', tooMuch(nodeId));
      if (outcome.kind !== 'ok') return LOST;
    } finally {
      peers.forget(nodeId);
    }
    // The duties of the leader do the rest, here or on the next one.
    const isIn = (): boolean => this.#isMember(nodeId) && this.#options.status().configurationCommitted === true;
    if (yield* this.#until(isIn, COMMIT_MS)) {
      return accepted(`${nodeId} is a learner${voter ? ' and becomes a voter when it has caught up' : ''}`);
    }
    return this.#lost() ?? accepted(`${nodeId} will be let in when the change before it is done`);
  }

  *#remove(nodeId: string): Steps {
    const { broker, duties } = this.#options;
    if (!this.#isMember(nodeId) && !broker.machine.state.members.has(nodeId))
      return refusal('NOT_A_MEMBER', `${nodeId} is not a member of this cluster`);
    duties.leaving.add(nodeId);
    try {
      // First, so that no later leader lets it in again. Whether or not there is a record: one may be on its way, for a node that
      // is back without its disk, and would bring it back once more.
      const outcome = yield* this.#outcomeOf((owner) => {
        duties.removeMember(nodeId, owner);
      });
      if (outcome === null) return this.#lost() ?? timeout(`${nodeId} is still a member`);
      if (outcome.kind !== 'ok') return LOST;
      if (!this.#isMember(nodeId)) return accepted(`${nodeId} is not waited for any more`);
      if (!(yield* this.#until(() => duties.ready, READY_MS))) {
        return this.#lost() ?? refusal('CHANGE_IN_PROGRESS', 'another change of the members is under way: try again');
      }
      const { voters, learners } = this.#options.status().configuration;
      if (voters.length === 1 && voters[0] === nodeId) {
        return refusal('LAST_VOTER', `${nodeId} is the last voter: without it there is no cluster`);
      }
      let result: MembershipResult | null = null;
      const others = (ids: readonly string[]): string[] => ids.filter((id) => id !== nodeId);
      duties.change({ voters: others(voters), learners: others(learners) }, (given) => {
        result = given;
        // At once: when this node itself is removed, those who asked soon hang up on it.
        if (!this.#stepping) this.tick();
      });
      if (!(yield* this.#until(() => result !== null, COMMIT_MS))) return timeout(`${nodeId} may still be removed`);
      return resultOf(result, `${nodeId} is not a member any more`);
    } finally {
      duties.leaving.delete(nodeId);
    }
  }

  *#transfer(to: string | null): Steps {
    const { status, transfer, broker } = this.#options;
    const { configuration, term } = status();
    if (to === broker.nodeId) return accepted(`${to} leads already`);
    if (to !== null && !configuration.voters.includes(to)) {
      return refusal('NOT_A_MEMBER', `${to} is not a member with a vote: it can not lead`);
    }
    if (configuration.voters.length === 1) return refusal('LAST_VOTER', 'there is no other voter that could lead');
    transfer(to);
    const over = (): boolean => status().role !== 'leader' && status().term > term && status().leader !== null;
    if (!(yield* this.#until(over, COMMIT_MS))) {
      return timeout(`${to ?? 'no other member'} did not take over: is it connected and caught up?`);
    }
    return accepted(`${status().leader ?? 'another node'} leads`);
  }

  #isMember(nodeId: string): boolean {
    const { voters, learners, outgoing } = this.#options.status().configuration;
    return voters.includes(nodeId) || learners.includes(nodeId) || outgoing.includes(nodeId);
  }

  /**
   * What became of a command of this node, or null when that is not known in time. `stale`: it was proposed in another term, so this
   * node does not lead any more, or does again.
   */
  *#outcomeOf(propose: (owner: CommandOwner) => void): Generator<undefined, CommandResult | null, undefined> {
    const results: CommandResult[] = [];
    propose({ commandApplied: (_kind, _argument, result) => results.push(result) });
    yield* this.#until(() => results.length > 0, COMMIT_MS);
    return results[0] ?? null;
  }

  *#until(condition: () => boolean, timeoutMs: number): Generator<undefined, boolean, undefined> {
    const { nowMs } = this.#options;
    const deadlineMs = nowMs() + timeoutMs;
    while (!condition()) {
      if (nowMs() >= deadlineMs) return false;
      yield;
    }
    return true;
  }

  #lost(): AdminResult | null {
    return this.#options.status().role === 'leader' ? null : LOST;
  }
}

const LOST: AdminResult = {
  ok: false,
  code: 'LEADERSHIP_LOST',
  reason: 'leadership moved meanwhile: look at the cluster and ask again if need be',
};

function unreachable(nodeId: string, peer: string): string {
  return (
    `no node called ${nodeId} answers peers at ${peer}: start it with --node-id ${nodeId} and this peer address, ` +
    'with a new data directory, and see its log for a refusal'
  );
}

function tooMuch(nodeId: string): string {
  const { members, memberNameLength, memberAddressLength } = StateLimits;
  return (
    `${nodeId} is not taken in: a cluster has at most ${String(members)} members, names of at most ${String(memberNameLength)} ` +
    `characters and addresses of at most ${String(memberAddressLength)}`
  );
}

function foreign(nodeId: string): string {
  return `${nodeId} has founded a cluster of its own: start it with a new data directory, and without its name in --cluster`;
}

function accepted(reason: string): AdminResult {
  return { ok: true, code: 'ACCEPTED', reason };
}

function refusal(code: string, reason: string): AdminResult {
  return { ok: false, code, reason };
}

function timeout(reason: string): AdminResult {
  return refusal('TIMEOUT', reason);
}

function resultOf(result: MembershipResult | null, done: string): AdminResult {
  if (result === null || result.ok) return { ok: true, code: 'COMMITTED', reason: done };
  const code = result.code === 'NOT_LEADER' ? 'LEADERSHIP_LOST' : (result.code ?? 'INTERNAL_ERROR');
  return refusal(code, result.reason ?? 'the change was refused');
}
