import swagger from '@fastify/swagger';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import { adminRoutes } from './admin-routes.ts';
import { answerClientError, answerFrameworkError, useErrorEnvelope } from './errors.ts';
import type { IdentityAdmin } from './identity-admin.ts';
import { identityRoutes } from './identity-routes.ts';
import type { NodeAdmin } from './node-admin.ts';
import type { NodeSettings } from './node-settings.ts';
import type { NodeView } from './node-view.ts';
import { routes } from './routes.ts';
import { settingsRoutes } from './settings-routes.ts';
import { AJV_OPTIONS, sentenceOfInvalid } from './validation.ts';

/** What the HTTP API of a node needs. */
export interface HttpServerOptions {
  readonly view: NodeView;
  /** Changes the cluster; without it these routes answer 503 NOT_AVAILABLE. */
  readonly admin?: NodeAdmin;
  /** Users, access rules and bans; without it there are no such routes. */
  readonly identity?: IdentityAdmin;
  /** Settings of the cluster; without it their routes answer 503 NOT_AVAILABLE. */
  readonly settings?: NodeSettings;
  /** How long a hand-over that is done may take to be known to this node, in milliseconds; 5,000 by default. */
  readonly newLeaderMs?: number;
  readonly logger: FastifyBaseLogger;
  /** Release shown in the OpenAPI document. */
  readonly version?: string;
}

/** The largest request, but for a list of rules, names two nodes and an address. */
const BODY_LIMIT_BYTES = 64 * 1024;
const MAX_PARAM_LENGTH = 6_000;
const REQUEST_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_TIMEOUT_MS = 30_000;
const MAX_CONNECTIONS = 1_000;

/**
 * The HTTP server of a node, not yet listening: `await server.listen({ host, port })`, later `await server.close()`.
 * Every error body is `{"code","reason"}`.
 */
export function createHttpServer(options: HttpServerOptions): FastifyInstance {
  const { view, admin, identity, settings, newLeaderMs, logger, version = '0.1.0' } = options;
  const app = fastify({
    loggerInstance: logger.child({ component: 'http' }),
    // Probes and scrapes come every second; they would be most of the log.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT_BYTES,
    // A client id, percent-encoded.
    routerOptions: { maxParamLength: MAX_PARAM_LENGTH },
    requestTimeout: REQUEST_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    // Its own 503 while closing would not be in the envelope; requests that still come are answered.
    return503OnClosing: false,
    clientErrorHandler: answerClientError,
    frameworkErrors: answerFrameworkError,
    ajv: { customOptions: AJV_OPTIONS },
    schemaErrorFormatter: sentenceOfInvalid,
  }).withTypeProvider<TypeBoxTypeProvider>();
  app.server.maxConnections = MAX_CONNECTIONS;
  useErrorEnvelope(app);
  app.addHook('onRequest', (_request, reply, done) => {
    // Every answer is about this moment.
    reply.header('cache-control', 'no-store');
    done();
  });
  app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Quorate', description: 'HTTP API of a Quorate node', version, license: { name: 'Apache-2.0' } },
    },
  });
  app.register(routes(view));
  app.register(adminRoutes({ view, admin, newLeaderMs }));
  if (identity !== undefined) app.register(identityRoutes(identity));
  app.register(settingsRoutes(settings));
  return app;
}
