import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { bodyRefusals, jsonOnly, logChange, refusals, refuse } from './admin-routes.ts';
import type { AdminResult } from './node-admin.ts';
import type { NodeSettings } from './node-settings.ts';
import { SettingsBody, SettingsChangeBody } from './schemas.ts';

const tags = ['settings'];

const getSchema = {
  summary: 'The settings of the cluster; any node answers',
  tags,
  response: { 200: SettingsBody, ...refusals },
};

const putSchema = {
  summary: 'Changes settings of the cluster; any node takes the request',
  description: 'Answered when the change is committed. A setting that is not named stays as it is.',
  tags,
  body: SettingsChangeBody,
  response: { 200: SettingsBody, ...bodyRefusals },
};

const UNAVAILABLE: AdminResult = {
  ok: false,
  code: 'NOT_AVAILABLE',
  reason: 'This node knows no settings of the cluster: ask another one',
};

/** The routes of the cluster's settings; without `settings` they answer 503 NOT_AVAILABLE. */
export function settingsRoutes(settings: NodeSettings | undefined): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get('/api/v1/settings', { schema: getSchema }, (_request, reply) => {
      if (settings === undefined) void refuse(reply, UNAVAILABLE);
      else void reply.code(200).send({ ...settings.current() });
    });

    app.put('/api/v1/settings', { schema: putSchema, onRequest: jsonOnly }, async (request, reply) => {
      if (settings === undefined) return refuse(reply, UNAVAILABLE);
      const result = await settings.change(request.body);
      logChange(request, 'settings', { settings: request.body }, result);
      return result.ok ? reply.code(200).send({ ...settings.current() }) : refuse(reply, result);
    });
    done();
  };
}
