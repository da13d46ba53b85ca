import { LIMIT_RANGES, type LimitName } from '@quorate/broker';
import { type TInteger, Type } from 'typebox';
import { NODE_ID, NODE_ID_EXPECTED } from '../config/node-id.ts';

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
  voter: Type.Optional(Type.Boolean({ description: 'Whether it has a vote, also while it can not be reached' })),
  state: Type.Optional(
    Type.Union([Type.Literal('member'), Type.Literal('joining')], {
      description: 'joining: a learner that becomes a voter by itself once it has caught up',
    }),
  ),
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
    warnings: Type.Optional(
      Type.Array(Type.Object({ code: Type.String(), reason: Type.String() }), {
        description: 'About the node that answers, which serves all the same',
      }),
    ),
  },
  { description: 'The cluster as the node that answers sees it' },
);

/* What changes the cluster. Here a description is a noun phrase: a refusal says "expected" and the description. */

/** A node's name. */
function nodeId(about: string) {
  return Type.String({ pattern: NODE_ID.source, description: `${about}: ${NODE_ID_EXPECTED}` });
}

export const JoinBody = Type.Object(
  {
    id: nodeId('the node that joins'),
    peer: Type.String({
      maxLength: 300,
      description: 'HOST:PORT where that node listens for peers',
      examples: ['10.0.0.4:7001'],
    }),
    voter: Type.Optional(
      Type.Boolean({ default: true, description: 'true for a voter, false for a node that stays a learner' }),
    ),
    replaces: Type.Optional(nodeId('the member that leaves when the new one becomes a voter')),
  },
  { additionalProperties: false, description: 'an object with id and peer' },
);

export const MemberParams = Type.Object({ id: nodeId('a member') });

export const TransferBody = Type.Object(
  { to: Type.Optional(nodeId('the next leader')) },
  { additionalProperties: false, description: 'an object, {} to leave the choice to the leader' },
);

export const JoinedBody = Type.Object(
  { id: Type.String(), code: Type.Literal('ACCEPTED'), reason: Type.String() },
  { description: 'The cluster took the node as a learner; /api/v1/cluster shows how it goes on' },
);

export const RemovedBody = Type.Object(
  { id: Type.String(), code: Type.String(), reason: Type.String() },
  { description: 'The node is no member any more' },
);

export const NewLeaderBody = Type.Object(
  { id: Type.String(), term: Type.Integer({ minimum: 0 }) },
  { description: 'The new leader' },
);

const sharedSubscriptionStrategy = Type.Union(
  [Type.Literal('round_robin'), Type.Literal('sticky'), Type.Literal('hash_client_id'), Type.Literal('hash_topic')],
  { description: 'round_robin, sticky, hash_client_id or hash_topic' },
);

const fullQueuePolicy = Type.Union([Type.Literal('drop_newest'), Type.Literal('drop_oldest')], {
  description: 'drop_newest or drop_oldest',
});

function limitSchema(name: LimitName): TInteger {
  const { min: minimum, max: maximum } = LIMIT_RANGES[name];
  return Type.Integer({ minimum, maximum, description: `an integer from ${minimum} to ${maximum}` });
}

/** Spelt out, so that the types of the routes have their names. docs/limits.md says what each of them is. */
const clusterLimits = {
  sessions: limitSchema('sessions'),
  queuedMessagesPerSession: limitSchema('queuedMessagesPerSession'),
  queuedBytesPerSession: limitSchema('queuedBytesPerSession'),
  sharedInflightPerSession: limitSchema('sharedInflightPerSession'),
  queuedMessagesPerGroup: limitSchema('queuedMessagesPerGroup'),
  queuedBytesPerGroup: limitSchema('queuedBytesPerGroup'),
  retainedMessages: limitSchema('retainedMessages'),
  retainedBytes: limitSchema('retainedBytes'),
  documentsPerCollection: limitSchema('documentsPerCollection'),
} satisfies Record<LimitName, TInteger>;

const settings = { sharedSubscriptionStrategy, fullQueuePolicy, ...clusterLimits };

export const SettingsBody = Type.Object(settings, {
  description: 'The settings of the cluster, as the node that answers knows them',
});

export const SettingsChangeBody = Type.Partial(Type.Object(settings), {
  additionalProperties: false,
  minProperties: 1,
  description: `an object with some of ${Object.keys(settings).join(', ')}`,
});
