export type { ErrorEnvelope } from './errors.ts';
export type { ClusterView, LeaderView, MemberView, NodeRole, NodeView, Readiness } from './node-view.ts';
export { createHttpServer, type HttpServerOptions } from './server.ts';
