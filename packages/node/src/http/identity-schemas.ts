import { Type } from 'typebox';

/*
 * The bodies of users, access rules and bans. In what is asked a description is a noun phrase: a refusal says "expected"
 * and the description.
 */

export const MAX_PAGE = 1_000;
export const DEFAULT_PAGE = 100;

/** Of every list: `?limit=100&cursor=...`. Query values are text. */
export const PageQuery = Type.Object(
  {
    limit: Type.Optional(
      Type.String({ pattern: '^(?:[1-9][0-9]{0,2}|1000)$', description: `an integer from 1 to ${String(MAX_PAGE)}` }),
    ),
    cursor: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9_-]{1,4096}$', description: 'meta.cursor of the page before' }),
    ),
  },
  { additionalProperties: false, description: 'limit and cursor' },
);

export const PageMeta = Type.Object({
  limit: Type.Integer(),
  cursor: Type.Union([Type.String(), Type.Null()], { description: 'For the next page; null at the end' }),
});

export const DoneBody = Type.Object({ code: Type.String(), reason: Type.String() }, { description: 'It is done' });

const userName = Type.String({ minLength: 1, maxLength: 256, description: 'a user name of 1 to 256 characters' });
const password = Type.String({ minLength: 1, maxLength: 1_024, description: 'a password of 1 to 1,024 bytes' });
const superuser = Type.Boolean({ description: 'true or false; access rules do not hold for a superuser' });

export const UserBody = Type.Object({ name: Type.String(), superuser: Type.Boolean() }, { description: 'A user' });
export const UsersBody = Type.Object({ data: Type.Array(UserBody), meta: PageMeta });
export const UserParams = Type.Object({ name: userName });

export const AddUserBody = Type.Object(
  { name: userName, password, superuser: Type.Optional(superuser) },
  { additionalProperties: false, description: 'an object with name and password' },
);

export const ChangeUserBody = Type.Object(
  { password: Type.Optional(password), superuser: Type.Optional(superuser) },
  { additionalProperties: false, minProperties: 1, description: 'an object with password, superuser or both' },
);

const qosOf = () => Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(2)], { description: '0, 1 or 2' });

const who = Type.Union(
  [
    Type.Literal('all'),
    Type.Literal('authenticated'),
    Type.Literal('anonymous'),
    Type.Object({ user: Type.String({ minLength: 1, maxLength: 512 }) }, { additionalProperties: false }),
    Type.Object({ clientId: Type.String({ minLength: 1, maxLength: 512 }) }, { additionalProperties: false }),
    Type.Object({ address: Type.String({ minLength: 1, maxLength: 64 }) }, { additionalProperties: false }),
  ],
  { description: 'all, authenticated, anonymous, {"user":NAME}, {"clientId":ID} or {"address":IP or BLOCK}' },
);

const permission = Type.Union([Type.Literal('allow'), Type.Literal('deny')], { description: 'allow or deny' });
const action = Type.Union([Type.Literal('publish'), Type.Literal('subscribe'), Type.Literal('all')], {
  description: 'publish, subscribe or all',
});
const topics = Type.Array(Type.String({ maxLength: 1_024 }), {
  minItems: 1,
  maxItems: 64,
  description: 'a list of topic filters; %c is the client id, %u the user name, "eq " in front means letter for letter',
});

const ruleId = Type.String({ pattern: '^[A-Za-z0-9_-]{1,64}$', description: '1 to 64 letters, digits, - and _' });

export const RuleBody = Type.Object(
  {
    id: ruleId,
    permission,
    who,
    action,
    topics,
    qos: Type.Union([Type.Array(qosOf()), Type.Null()]),
    retain: Type.Union([Type.Boolean(), Type.Null()]),
  },
  { description: 'An access rule' },
);

const givenRule = {
  id: Type.Optional(ruleId),
  permission,
  who: Type.Optional(who),
  action: Type.Optional(action),
  topics,
  qos: Type.Optional(
    Type.Union([Type.Array(qosOf(), { minItems: 1, maxItems: 3 }), Type.Null()], {
      description: 'a list of 0, 1 and 2, or null for any',
    }),
  ),
  retain: Type.Optional(Type.Union([Type.Boolean(), Type.Null()], { description: 'true, false or null for both' })),
};

export const AddRuleBody = Type.Object(
  {
    ...givenRule,
    position: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000, description: 'the place of the rule from 0; the end when left out' }),
    ),
  },
  { additionalProperties: false, description: 'an object with permission and topics' },
);

export const ReplaceRulesBody = Type.Object(
  {
    rules: Type.Array(Type.Object(givenRule, { additionalProperties: false, description: 'a rule' }), {
      maxItems: 1_000,
      description: 'all rules in their order, 1,000 at most',
    }),
  },
  { additionalProperties: false, description: 'an object with rules' },
);

export const RulesBody = Type.Object({ data: Type.Array(RuleBody), meta: PageMeta });
export const RuleListBody = Type.Object({ data: Type.Array(RuleBody) }, { description: 'The rules as they are now' });
export const RuleParams = Type.Object({ id: ruleId });

export const TestBody = Type.Object(
  {
    clientId: Type.Optional(Type.String({ maxLength: 65_535, description: 'a client id' })),
    userName: Type.Optional(
      Type.Union([Type.String({ minLength: 1, maxLength: 512 }), Type.Null()], {
        description: 'a user name, or null for an anonymous client',
      }),
    ),
    address: Type.Optional(Type.String({ maxLength: 64, description: 'an IP address' })),
    action: Type.Union([Type.Literal('publish'), Type.Literal('subscribe')], { description: 'publish or subscribe' }),
    topic: Type.String({ minLength: 1, maxLength: 65_535, description: 'a topic name, or a filter to subscribe to' }),
    qos: Type.Optional(qosOf()),
    retain: Type.Optional(Type.Boolean({ description: 'true or false' })),
  },
  { additionalProperties: false, description: 'an object with action and topic' },
);

export const TestedBody = Type.Object(
  {
    allowed: Type.Boolean(),
    rule: Type.Union([Type.String(), Type.Null()], { description: 'Id of the rule that decides' }),
    reason: Type.String(),
  },
  { description: 'What the rules say' },
);

const banKind = Type.Union([Type.Literal('clientId'), Type.Literal('user'), Type.Literal('address')], {
  description: 'clientId, user or address',
});
const banValue = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'a client id, user name, IP address or block',
});

export const BanBody = Type.Object(
  {
    kind: banKind,
    value: Type.String(),
    reason: Type.String(),
    createdAt: Type.String(),
    expiresAt: Type.Union([Type.String(), Type.Null()]),
  },
  { description: 'A ban' },
);
export const BansBody = Type.Object({ data: Type.Array(BanBody), meta: PageMeta });
export const BanParams = Type.Object({ kind: banKind, value: banValue });

export const AddBanBody = Type.Object(
  {
    kind: banKind,
    value: banValue,
    reason: Type.Optional(Type.String({ maxLength: 256, description: 'a text of 256 characters at most' })),
    expiresInSec: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000_000,
        description: 'whole seconds from now; for ever when left out',
      }),
    ),
    until: Type.Optional(
      Type.String({ maxLength: 64, description: 'a time to come in ISO 8601, like 2030-01-31T12:00:00Z' }),
    ),
  },
  { additionalProperties: false, description: 'an object with kind and value' },
);
