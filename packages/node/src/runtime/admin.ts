import type { Status } from '@quorate/consensus';
import {
  type AdminRequest,
  decodeAdminRequest,
  decodeAdminResponse,
  encodeAdminRequest,
  encodeAdminResponse,
} from '@quorate/protocol';
import type { AdminResult, JoinRequest, NodeAdmin } from '../http/index.ts';
import { Channel } from './channels.ts';
import type { Operations } from './operations.ts';

export interface AdminOptions {
  readonly nodeId: string;
  readonly operations: Operations;
  readonly status: () => Status;
  readonly send: (to: string, channel: number, payload: Uint8Array) => boolean;
  readonly nowMs: () => number;
}

interface Waiting {
  readonly leader: string;
  readonly deadlineMs: number;
  readonly done: (result: AdminResult) => void;
}

type WithoutId<T> = T extends unknown ? Omit<T, 'id'> : never;

const FORWARDED_MS = 20_000;
const MAX_FORWARDED = 64;

/** Any node takes a change of the cluster; the leader carries it out. */
export class Admin implements NodeAdmin {
  readonly #options: AdminOptions;
  readonly #forwarded = new Map<number, Waiting>();
  #nextId = 1;

  constructor(options: AdminOptions) {
    this.#options = options;
  }

  async join({ id: nodeId, peer, voter, replaces }: JoinRequest): Promise<AdminResult> {
    return await this.#ask({ kind: 'join', nodeId, peer, voter, replaces });
  }

  async remove(nodeId: string): Promise<AdminResult> {
    return await this.#ask({ kind: 'remove', nodeId });
  }

  async transfer(to: string | null): Promise<AdminResult> {
    return await this.#ask({ kind: 'transfer', to });
  }

  #ask(request: WithoutId<AdminRequest>): Promise<AdminResult> {
    return new Promise((resolve) => {
      this.ask(request, resolve);
    });
  }

  /** As the promises above, for callers that have none. */
  ask(request: WithoutId<AdminRequest>, done: (result: AdminResult) => void): void {
    const { nodeId, operations, status, send, nowMs } = this.#options;
    const id = this.#nextId++;
    const { leader } = status();
    if (leader === nodeId) return operations.begin({ ...request, id }, done);
    if (leader === null) return done(NO_LEADER);
    if (this.#forwarded.size >= MAX_FORWARDED) {
      return done({
        ok: false,
        code: 'NOT_READY',
        reason: `${String(MAX_FORWARDED)} changes wait for the leader already`,
      });
    }
    if (!send(leader, Channel.adminRequest, encodeAdminRequest({ ...request, id }))) return done(NO_LEADER);
    this.#forwarded.set(id, { leader, deadlineMs: nowMs() + FORWARDED_MS, done });
  }

  /** From another node, of which an operator asked it. */
  onRequest(from: string, payload: Uint8Array): void {
    const request = decodeAdminRequest(payload);
    this.#options.operations.begin(request, (result) => {
      this.#options.send(from, Channel.adminResponse, encodeAdminResponse({ ...result, id: request.id }));
    });
  }

  onResponse(payload: Uint8Array): void {
    const { id, ok, code, reason } = decodeAdminResponse(payload);
    const waiting = this.#forwarded.get(id);
    this.#forwarded.delete(id);
    waiting?.done({ ok, code, reason });
  }

  /** A connection to a peer is lost: what it was asked is not answered any more. */
  peerLost(peer: string): void {
    for (const [id, { leader, done }] of this.#forwarded) {
      if (leader !== peer) continue;
      this.#forwarded.delete(id);
      done({
        ok: false,
        code: 'LEADERSHIP_LOST',
        reason: `${peer} did not answer: look at the cluster before asking again`,
      });
    }
  }

  tick(nowMs: number): void {
    this.#options.operations.tick();
    for (const [id, { deadlineMs, done }] of this.#forwarded) {
      if (nowMs < deadlineMs) continue;
      this.#forwarded.delete(id);
      done({
        ok: false,
        code: 'TIMEOUT',
        reason: 'the leader did not answer: look at the cluster before asking again',
      });
    }
  }
}

const NO_LEADER: AdminResult = {
  ok: false,
  code: 'NO_LEADER',
  reason: 'no leader is known to this node: without a majority nothing can be changed',
};
