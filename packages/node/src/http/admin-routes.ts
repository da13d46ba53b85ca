import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import type { FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import { formatAddress, isWildcard, parseAddress } from '../config/address.ts';
import { showValue } from '../config/error.ts';
import { statusOfAdminCode } from './admin-status.ts';
import type { AdminResult, NodeAdmin } from './node-admin.ts';
import type { LeaderView, NodeView } from './node-view.ts';
import { ErrorBody, JoinBody, JoinedBody, MemberParams, NewLeaderBody, RemovedBody, TransferBody } from './schemas.ts';

const tags = ['members'];

/** A leader that was just elected tells the others at once; this is only for a node that is cut off meanwhile. */
const NEW_LEADER_MS = 5_000;
const NEW_LEADER_ROUND_MS = 10;

const failures = { 400: ErrorBody, 404: ErrorBody, 409: ErrorBody, 500: ErrorBody, 502: ErrorBody };
export const refusals = { ...failures, 503: ErrorBody, 504: ErrorBody };
export const bodyRefusals = { ...refusals, 413: ErrorBody, 415: ErrorBody };

const joinSchema = {
  summary: 'Admits a node; any node takes the request',
  description:
    'Answered when the cluster has taken the node as a learner. It becomes a voter by itself once it has caught up, ' +
    'and in the same change the node that it replaces leaves; /api/v1/cluster shows how it goes on.',
  tags,
  body: JoinBody,
  response: { 202: JoinedBody, ...bodyRefusals },
};

const removeSchema = {
  summary: 'Takes a member out of the cluster; any node takes the request',
  tags,
  params: MemberParams,
  response: { 200: RemovedBody, ...refusals },
};

const transferSchema = {
  summary: 'Hands leadership over; any node takes the request',
  description: 'Answered when the new leader leads. Without `to` the leader chooses.',
  tags,
  body: TransferBody,
  response: { 200: NewLeaderBody, ...bodyRefusals },
};

const UNAVAILABLE: AdminResult = {
  ok: false,
  code: 'NOT_AVAILABLE',
  reason: 'This node takes no changes of the cluster: ask another one',
};

const unavailable: NodeAdmin = {
  join: () => Promise.resolve(UNAVAILABLE),
  remove: () => Promise.resolve(UNAVAILABLE),
  transfer: () => Promise.resolve(UNAVAILABLE),
};

/**
 * A page of another site can make a browser send a POST with a form's or no content type, without asking first. One
 * with application/json needs a preflight (OPTIONS), which this API does not answer; so does every DELETE.
 */
export const jsonOnly: onRequestHookHandler = (request, reply, done) => {
  const given = request.headers['content-type'];
  if (given?.split(';', 1)[0]?.trim().toLowerCase() === 'application/json') {
    done();
    return;
  }
  const reason = `content-type is ${showValue(given)}: expected application/json`;
  void reply.code(415).send({ code: 'UNSUPPORTED_MEDIA_TYPE', reason });
};

/** Answers with the refusal and the status of its code. */
export function refuse(reply: FastifyReply, result: AdminResult): FastifyReply {
  return reply.code(statusOfAdminCode(result.code)).send({ code: result.code, reason: result.reason });
}

function invalid(reason: string): AdminResult {
  return { ok: false, code: 'INVALID', reason };
}

/** Changes are rare and matter: each leaves a line that says who asked for what, and what came of it. */
export function logChange(request: FastifyRequest, change: string, details: object, result: AdminResult): void {
  const { code, reason } = result;
  const line = { ...details, change, from: request.ip, code, reason };
  request.log.info(line, result.ok ? 'the cluster was changed' : 'a change of the cluster was refused');
}

/** The address as the cluster is to keep it, or why it is none. */
function dialable(given: string): { readonly peer: string } | { readonly refused: AdminResult } {
  const address = parseAddress(given);
  if (address === undefined) {
    return { refused: invalid(`peer is ${showValue(given)}: expected HOST:PORT, for example 10.0.0.4:7001`) };
  }
  if (isWildcard(address.host)) {
    return { refused: invalid(`peer is ${showValue(given)}: expected an address that other nodes can connect to`) };
  }
  return { peer: formatAddress(address) };
}

/**
 * The leader after a hand-over, once this node has heard of it, which can be a message later than the node that gave
 * leadership away. Undefined when it does not hear of one in time.
 */
async function newLeader(
  view: NodeView,
  before: LeaderView | null,
  to: string | undefined,
  timeoutMs: number,
): Promise<LeaderView | undefined> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const leader = view.leader();
    const isNew = to === undefined ? leader?.term !== before?.term : leader?.id === to;
    if (leader !== null && isNew) return leader;
    if (performance.now() >= deadlineMs) return undefined;
    await delay(NEW_LEADER_ROUND_MS);
  }
}

/** What the routes need; see HttpServerOptions. */
export interface AdminRoutesOptions {
  readonly view: NodeView;
  readonly admin: NodeAdmin | undefined;
  readonly newLeaderMs: number | undefined;
}

/** The routes that change the cluster. */
export function adminRoutes(options: AdminRoutesOptions): FastifyPluginCallbackTypebox {
  const { view, admin = unavailable, newLeaderMs = NEW_LEADER_MS } = options;
  return (app, _options, done) => {
    app.post('/api/v1/members', { schema: joinSchema, onRequest: jsonOnly }, async (request, reply) => {
      const { id, peer: given, voter = true, replaces = null } = request.body;
      const address = dialable(given);
      if ('refused' in address) return refuse(reply, address.refused);
      if (replaces === id) {
        return refuse(reply, invalid(`replaces is ${showValue(id)}, the node that joins: expected another member`));
      }
      if (replaces !== null && !voter) {
        const expected = 'voter true: only a new voter takes the place of a member';
        return refuse(reply, invalid(`voter is false and replaces is ${showValue(replaces)}: expected ${expected}`));
      }
      const join = { id, peer: address.peer, voter, replaces };
      const result = await admin.join(join);
      logChange(request, 'join', { member: join }, result);
      return result.ok ? reply.code(202).send({ id, code: 'ACCEPTED', reason: result.reason }) : refuse(reply, result);
    });

    app.delete('/api/v1/members/:id', { schema: removeSchema }, async (request, reply) => {
      const { id } = request.params;
      const result = await admin.remove(id);
      logChange(request, 'remove', { member: { id } }, result);
      return result.ok ? reply.code(200).send({ id, code: result.code, reason: result.reason }) : refuse(reply, result);
    });

    app.post('/api/v1/leader', { schema: transferSchema, onRequest: jsonOnly }, async (request, reply) => {
      const { to } = request.body;
      const before = view.leader();
      const result = await admin.transfer(to ?? null);
      logChange(request, 'transfer', { to: to ?? null }, result);
      if (!result.ok) return refuse(reply, result);
      const leader = await newLeader(view, before, to, newLeaderMs);
      if (leader !== undefined) return reply.code(200).send({ id: leader.id, term: leader.term });
      const reason = `Leadership was handed over, but node ${view.nodeId} has heard of no new leader yet`;
      return refuse(reply, { ok: false, code: 'TIMEOUT', reason });
    });
    done();
  };
}
