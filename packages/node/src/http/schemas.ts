import { Type } from 'typebox';

/* The bodies of the HTTP API. The OpenAPI document is made from these. */

const addressOrNull = Type.Union([Type.String({ description: 'HOST:PORT' }), Type.Null()]);

/** Every error has this body. */
export const ErrorBody = Type.Object(
  {
    code: Type.String({ description: 'Stable name of the error, in capitals', examples: ['NO_LEADER'] }),
    reason: Type.String({ description: 'A sentence for people' }),
  },
  { description: 'An error' },
);

export const StatusBody = Type.Object({ status: Type.String() });

export const LeaderBody = Type.Object(
  {
    id: Type.String(),
    term: Type.Integer({ minimum: 0 }),
    http: addressOrNull,
    mqtt: addressOrNull,
    peer: addressOrNull,
  },
  { description: 'The leader and how to reach it' },
);

export const MemberBody = Type.Object({
  id: Type.String(),
  role: Type.Union([
    Type.Literal('leader'),
    Type.Literal('follower'),
    Type.Literal('learner'),
    Type.Literal('unreachable'),
  ]),
  mqtt: addressOrNull,
  http: addressOrNull,
  peer: addressOrNull,
  self: Type.Boolean({ description: 'True for the node that answered' }),
});

export const ClusterBody = Type.Object(
  {
    clusterId: Type.Union([Type.String(), Type.Null()]),
    term: Type.Integer({ minimum: 0 }),
    leader: Type.Union([Type.String(), Type.Null()]),
    commitIndex: Type.Integer({ minimum: 0 }),
    appliedIndex: Type.Integer({ minimum: 0 }),
    nodes: Type.Array(MemberBody),
  },
  { description: 'The cluster as the node that answers sees it' },
);
