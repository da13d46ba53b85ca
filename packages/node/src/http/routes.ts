import type { FastifyPluginCallbackTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { METRICS_CONTENT_TYPE } from '../metrics/index.ts';
import type { NodeView } from './node-view.ts';
import { ClusterBody, ErrorBody, LeaderBody, StatusBody } from './schemas.ts';

const probes = ['probes'];
const cluster = ['cluster'];

const liveSchema = {
  summary: 'Whether the process runs',
  tags: probes,
  response: { 200: StatusBody, 500: ErrorBody },
};

const readySchema = {
  summary: 'Whether clients should be sent to this node',
  description: '200 only when in a quorum, caught up, listening and not draining.',
  tags: probes,
  response: { 200: StatusBody, 500: ErrorBody, 503: ErrorBody },
};

const metricsSchema = {
  summary: 'Metrics in the Prometheus text format',
  tags: probes,
  response: {
    200: { description: 'Metrics', content: { 'text/plain': { schema: Type.String() } } },
    500: ErrorBody,
  },
};

const leaderSchema = {
  summary: 'The leader; any node answers',
  tags: cluster,
  response: { 200: LeaderBody, 500: ErrorBody, 503: ErrorBody },
};

const clusterSchema = {
  summary: 'All nodes; any node answers',
  tags: cluster,
  response: { 200: ClusterBody, 500: ErrorBody },
};

const openapiSchema = {
  summary: 'This API as an OpenAPI document',
  tags: ['meta'],
  response: { 200: Type.Object({}, { additionalProperties: true, description: 'OpenAPI 3.1' }), 500: ErrorBody },
};

/** The routes of the HTTP API. */
export function routes(view: NodeView): FastifyPluginCallbackTypebox {
  return (app, _options, done) => {
    app.get('/livez', { schema: liveSchema }, () => ({ status: 'live' }));

    app.get('/readyz', { schema: readySchema }, (_request, reply) => {
      const { ready, code, reason } = view.readiness();
      if (ready) void reply.code(200).send({ status: 'ready' });
      else void reply.code(503).send({ code, reason });
    });

    app.get('/metrics', { schema: metricsSchema }, async (_request, reply) => {
      const text = await view.metrics();
      return reply.type(METRICS_CONTENT_TYPE).send(text);
    });

    app.get('/api/v1/leader', { schema: leaderSchema }, (_request, reply) => {
      const leader = view.leader();
      if (leader !== null) {
        void reply.code(200).send({ ...leader });
        return;
      }
      const reason = `Node ${view.nodeId} knows of no leader: an election is going on, or there is no majority`;
      void reply.code(503).send({ code: 'NO_LEADER', reason });
    });

    app.get('/api/v1/cluster', { schema: clusterSchema }, () => {
      const seen = view.cluster();
      const { warnings, ...rest } = seen;
      const nodes = seen.nodes.map((node) => ({ ...node }));
      return { ...rest, nodes, ...(warnings !== undefined && { warnings: [...warnings] }) };
    });

    app.get('/api/v1/openapi.json', { schema: openapiSchema }, () => app.swagger());
    done();
  };
}
