import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { isValidTopicFilter, isValidTopicName } from '@quorate/protocol';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { TSchema } from 'typebox';
import { showValue } from '../config/error.ts';
import type { AclRule } from '../identity/acl/rules.ts';
import { parseIp } from '../identity/addresses.ts';
import { jsonOnly, refuse } from './admin-routes.ts';
import type { IdentityAdmin, Page } from './identity-admin.ts';
import * as schemas from './identity-schemas.ts';
import type { AdminResult } from './node-admin.ts';
import { ErrorBody } from './schemas.ts';

/** A list of a thousand rules. */
const RULES_LIMIT_BYTES = 2 * 1024 * 1024;

const failures = { 400: ErrorBody, 404: ErrorBody, 409: ErrorBody, 500: ErrorBody, 502: ErrorBody };
const refusals = { ...failures, 503: ErrorBody, 504: ErrorBody };
const bodyRefusals = { ...refusals, 413: ErrorBody, 415: ErrorBody };

function listSchema<T extends TSchema>(summary: string, tag: string, body: T) {
  return {
    summary,
    tags: [tag],
    querystring: schemas.PageQuery,
    response: { 200: body, 400: ErrorBody, 500: ErrorBody },
  };
}

interface Query {
  readonly limit?: string;
  readonly cursor?: string;
}

/** A list as every list is answered. A cursor is opaque: what it holds may change. */
function answerPage<T, V>(query: Query, list: (after: string | null, limit: number) => Page<T>, view: (item: T) => V) {
  const limit = query.limit === undefined ? schemas.DEFAULT_PAGE : Number(query.limit);
  const after = query.cursor === undefined ? null : Buffer.from(query.cursor, 'base64url').toString('utf8');
  const { data, next } = list(after, limit);
  const cursor = next === null ? null : Buffer.from(next, 'utf8').toString('base64url');
  return { data: data.map(view), meta: { limit, cursor } };
}

/** Each change leaves a line that says who asked for what. Never with a password. */
function logChange(request: FastifyRequest, change: string, details: object, result: AdminResult): void {
  const { ok, code, reason } = result;
  const line = { ...details, change, from: request.ip, code, reason };
  request.log.info(line, ok ? 'users, access rules or bans were changed' : 'a change of these was refused');
}

function invalid(reply: FastifyReply, reason: string): FastifyReply {
  return refuse(reply, { ok: false, code: 'INVALID', reason });
}

/** What came of a change, once it is in the log of this node. */
function ended<T, V>(
  reply: FastifyReply,
  result: AdminResult & { readonly value?: T },
  status: 200 | 201,
  view: (value: T) => V,
): FastifyReply {
  if (!result.ok || result.value === undefined) return refuse(reply, result);
  return reply.code(status).send(view(result.value));
}

function ruleView(rule: AclRule) {
  const { who } = rule;
  return {
    ...rule,
    who: typeof who === 'string' ? who : { ...who },
    topics: [...rule.topics],
    qos: rule.qos && [...rule.qos],
  };
}

function userRoutes(identity: IdentityAdmin): FastifyPluginCallbackTypebox {
  const tag = 'users';
  return (app, _options, done) => {
    app.get('/api/v1/users', { schema: listSchema('Users with a password', tag, schemas.UsersBody) }, (request) =>
      answerPage(request.query, identity.users.bind(identity), (user) => ({ ...user })),
    );

    const add = {
      summary: 'Adds a user; any node takes the request',
      tags: [tag],
      body: schemas.AddUserBody,
      response: { 201: schemas.UserBody, ...bodyRefusals },
    };
    app.post('/api/v1/users', { schema: add, onRequest: jsonOnly }, async (request, reply) => {
      const { name, password, superuser = false } = request.body;
      const result = await identity.addUser(name, password, superuser);
      logChange(request, 'addUser', { user: name, superuser }, result);
      return ended(reply, result, 201, (user) => ({ ...user }));
    });

    const change = {
      summary: 'Gives a user another password, or makes it a superuser or not',
      description: 'A new password ends the connections that were made with the old one.',
      tags: [tag],
      params: schemas.UserParams,
      body: schemas.ChangeUserBody,
      response: { 200: schemas.UserBody, ...bodyRefusals },
    };
    app.patch('/api/v1/users/:name', { schema: change, onRequest: jsonOnly }, async (request, reply) => {
      const { password = null, superuser = null } = request.body;
      const { name } = request.params;
      const result = await identity.changeUser(name, { password, superuser });
      logChange(request, 'changeUser', { user: name, password: password !== null, superuser }, result);
      return ended(reply, result, 200, (user) => ({ ...user }));
    });

    const remove = {
      summary: 'Removes a user, and ends its connections',
      tags: [tag],
      params: schemas.UserParams,
      response: { 200: schemas.DoneBody, ...refusals },
    };
    app.delete('/api/v1/users/:name', { schema: remove }, async (request, reply) => {
      const { name } = request.params;
      const result = await identity.removeUser(name);
      logChange(request, 'removeUser', { user: name }, result);
      return result.ok ? reply.code(200).send({ code: result.code, reason: result.reason }) : refuse(reply, result);
    });
    done();
  };
}

function ruleRoutes(identity: IdentityAdmin): FastifyPluginCallbackTypebox {
  const tag = 'access rules';
  return (app, _options, done) => {
    const list = listSchema('Access rules in their order: the first that matches decides', tag, schemas.RulesBody);
    app.get('/api/v1/acl/rules', { schema: list }, (request) =>
      answerPage(request.query, identity.rules.bind(identity), ruleView),
    );

    const add = {
      summary: 'Adds an access rule, at the end or at a position; any node takes the request',
      tags: [tag],
      body: schemas.AddRuleBody,
      response: { 201: schemas.RuleBody, ...bodyRefusals },
    };
    app.post('/api/v1/acl/rules', { schema: add, onRequest: jsonOnly }, async (request, reply) => {
      const { position = null, who = 'all', action = 'all', ...rest } = request.body;
      const result = await identity.addRule({ ...rest, who, action }, position);
      logChange(request, 'addRule', { rule: result.value ?? request.body, position }, result);
      return ended(reply, result, 201, ruleView);
    });

    const replace = {
      summary: 'Puts these rules in the place of all there are, in one step',
      tags: [tag],
      body: schemas.ReplaceRulesBody,
      response: { 200: schemas.RuleListBody, ...bodyRefusals },
    };
    const options = { schema: replace, onRequest: jsonOnly, bodyLimit: RULES_LIMIT_BYTES };
    app.put('/api/v1/acl/rules', options, async (request, reply) => {
      const rules = request.body.rules.map(({ who = 'all', action = 'all', ...rest }) => ({ ...rest, who, action }));
      const result = await identity.replaceRules(rules);
      logChange(request, 'replaceRules', { rules: rules.length }, result);
      return ended(reply, result, 200, (value) => ({ data: value.map(ruleView) }));
    });

    const remove = {
      summary: 'Removes an access rule',
      tags: [tag],
      params: schemas.RuleParams,
      response: { 200: schemas.DoneBody, ...refusals },
    };
    app.delete('/api/v1/acl/rules/:id', { schema: remove }, async (request, reply) => {
      const { id } = request.params;
      const result = await identity.removeRule(id);
      logChange(request, 'removeRule', { rule: id }, result);
      return result.ok ? reply.code(200).send({ code: result.code, reason: result.reason }) : refuse(reply, result);
    });

    const test = {
      summary: 'What the rules say of a client that might come',
      description: 'Of access rules, superusers and the default only: not of bans, nor of what a token allows.',
      tags: [tag],
      body: schemas.TestBody,
      response: { 200: schemas.TestedBody, ...bodyRefusals },
    };
    app.post('/api/v1/acl/test', { schema: test, onRequest: jsonOnly }, (request, reply) => {
      const { clientId = '', userName = null, address = '', qos = 0, retain = false, action, topic } = request.body;
      if (address !== '' && parseIp(address) === null) {
        void invalid(reply, `address is ${showValue(address)}: expected an IP address`);
        return;
      }
      if (!(action === 'publish' ? isValidTopicName(topic) : isValidTopicFilter(topic))) {
        const expected = action === 'publish' ? 'a topic name, without wildcards' : 'a topic filter';
        void invalid(reply, `topic is ${showValue(topic)}: expected ${expected}`);
        return;
      }
      const filter = topic.replace(/^\$share\/[^/]+\//, '');
      const answer = identity.testAccess({ clientId, userName, address, action, topic: filter, qos, retain });
      void reply.code(200).send({ ...answer });
    });
    done();
  };
}

/** Seconds from now until the time that was given, or why it is none. */
function secondsUntil(until: string): number | null {
  const atMs = Date.parse(until);
  const seconds = Math.ceil((atMs - Date.now()) / 1000);
  return Number.isFinite(atMs) && seconds > 0 ? seconds : null;
}

function banRoutes(identity: IdentityAdmin): FastifyPluginCallbackTypebox {
  const tag = 'bans';
  return (app, _options, done) => {
    app.get('/api/v1/bans', { schema: listSchema('Bans that hold', tag, schemas.BansBody) }, (request) =>
      answerPage(request.query, identity.bans.bind(identity), (ban) => ({ ...ban })),
    );

    const add = {
      summary: 'Bans a client id, a user, an address or a block, and ends their connections',
      tags: [tag],
      body: schemas.AddBanBody,
      response: { 201: schemas.BanBody, ...bodyRefusals },
    };
    app.post('/api/v1/bans', { schema: add, onRequest: jsonOnly }, async (request, reply) => {
      const { kind, value, reason = '', expiresInSec, until } = request.body;
      if (expiresInSec !== undefined && until !== undefined) {
        return invalid(reply, 'expiresInSec and until are given: expected one of them, or none');
      }
      const untilSec = until === undefined ? null : secondsUntil(until);
      if (until !== undefined && untilSec === null) {
        return invalid(reply, `until is ${showValue(until)}: expected a time to come in ISO 8601`);
      }
      const ban = { kind, value, reason, expiresInSec: expiresInSec ?? untilSec };
      const result = await identity.addBan(ban);
      logChange(request, 'addBan', { ban }, result);
      return ended(reply, result, 201, (added) => ({ ...added }));
    });

    const remove = {
      summary: 'Takes a ban back',
      tags: [tag],
      params: schemas.BanParams,
      response: { 200: schemas.DoneBody, ...refusals },
    };
    app.delete('/api/v1/bans/:kind/:value', { schema: remove }, async (request, reply) => {
      const { kind, value } = request.params;
      const result = await identity.removeBan(kind, value);
      logChange(request, 'removeBan', { ban: { kind, value } }, result);
      return result.ok ? reply.code(200).send({ code: result.code, reason: result.reason }) : refuse(reply, result);
    });
    done();
  };
}

/** The routes for users, access rules and bans. */
export function identityRoutes(identity: IdentityAdmin): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.register(userRoutes(identity));
    app.register(ruleRoutes(identity));
    app.register(banRoutes(identity));
    done();
  };
}
