export type { ErrorEnvelope } from './errors.ts';
export type { AdminResult, JoinRequest, NodeAdmin } from './node-admin.ts';
export type { ClusterSettings, NodeSettings } from './node-settings.ts';
export type { ClusterView, LeaderView, MemberState, MemberView, NodeRole, NodeView, Readiness } from './node-view.ts';
export { createHttpServer, type HttpServerOptions } from './server.ts';
