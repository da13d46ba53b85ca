export type { ErrorEnvelope } from './errors.ts';
export type {
  AccessAnswer,
  AccessQuestion,
  BanRequest,
  Changed,
  IdentityAdmin,
  Page,
  UserView,
} from './identity-admin.ts';
export type { AdminResult, JoinRequest, NodeAdmin } from './node-admin.ts';
export type { ClusterSettings, NodeSettings } from './node-settings.ts';
export type {
  ClusterView,
  LeaderView,
  MemberState,
  MemberView,
  NodeRole,
  NodeView,
  Readiness,
  Warning,
} from './node-view.ts';
export { createHttpServer, type HttpServerOptions } from './server.ts';
