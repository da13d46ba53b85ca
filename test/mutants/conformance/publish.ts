import { type Planted, planted } from './planted.ts';

const INCOMING = 'packages/broker/src/connection/incoming.ts';
const OUTGOING = 'packages/broker/src/connection/outgoing.ts';
const ALIASES = 'packages/broker/src/connection/topic-aliases.ts';
const ROUTING = 'packages/broker/src/state/routing.ts';
const QOS0 = 'packages/broker/src/qos0.ts';
const TABLE = 'packages/broker/src/state/subscription-table.ts';
const TREE = 'packages/broker/src/state/topic-tree.ts';
const STORED = 'packages/broker/src/state/properties.ts';
const FIELDS = 'packages/protocol/src/mqtt/fields.ts';
const ENCODE = 'packages/protocol/src/mqtt/encode-publish.ts';
const CONNECT = 'packages/protocol/src/mqtt/decode-connect.ts';
const CLOSING = 'packages/broker/src/connection/closing.ts';

const ANSWER = 'PUBLISH is answered as its QoS says';
const DUP = 'DUP of the publisher is not passed on';
const MATCH = 'what a filter matches is delivered';
const UNALTERED = 'properties of a message reach every subscriber';
const PAYLOAD = 'a payload that is not the UTF-8';
const EXPIRY = 'Message Expiry Interval: what is left';
const FROM = 'Topic Aliases of a client';
const TO = 'Topic Aliases to a client';
const OVERLAP = 'subscriptions that overlap';
const LOCAL = 'No Local: nothing of what';

/** Answers, matching and what a message carries. */
const CARRIED: readonly Planted[] = [
  planted('no-puback', 'QoS 1 is answered by PUBACK', { publish: [ANSWER] }, [
    INCOMING,
    "      connection.sendAck('puback', packetId, reasonCode);\n      return;",
    '      return;',
  ]),
  planted('no-pubrec', 'QoS 2 is answered by PUBREC', { publish: [ANSWER] }, [
    INCOMING,
    "    connection.sendAck('pubrec', packetId, reasonCode);\n  }\n\n  pubrel",
    '  }\n\n  pubrel',
  ]),
  planted('qos-0-answered', 'QoS 0 is not answered', { publish: [ANSWER] }, [
    INCOMING,
    '      broker.publishQoS0(connection.session, topic, packet.properties, packet.payload);\n',
    "      broker.publishQoS0(connection.session, topic, packet.properties, packet.payload);\n      connection.sendAck('puback', 1, 0);\n",
  ]),
  planted('dup-on-first-delivery', 'DUP is 0 at first', { publish: [DUP] }, [
    OUTGOING,
    'const dup = sequence < this.#resendBefore;',
    'const dup = sequence <= this.#resendBefore;',
  ]),
  planted('dup-on-qos-0', 'QoS 0 has no DUP', { publish: [DUP], qos: ['QoS 0 to a client'] }, [
    ENCODE,
    '(dup && qos !== 0 ? 0x08 : 0)',
    '(dup || qos === 0 ? 0x08 : 0)',
  ]),
  planted(
    'packet-id-on-qos-0',
    'QoS 0 has no packet identifier',
    { publish: [DUP] },
    [ENCODE, 'topicField(message.topic).length + (qos === 0 ? 0 : 2)', 'topicField(message.topic).length + 2'],
    [ENCODE, 'if (qos !== 0) position = writeUint16(', 'position = writeUint16('],
  ),
  planted('hash-without-parent', '# matches the parent level', { publish: [MATCH] }, [
    TREE,
    'if (node.hash !== null && wildcards) for',
    'if (node.hash !== null && wildcards && depth < levels.length) for',
  ]),
  planted('plus-matches-no-empty-level', '+ matches an empty level', { publish: [MATCH] }, [
    TREE,
    'if (node.plus !== null && wildcards) {',
    "if (node.plus !== null && wildcards && levels[depth] !== '') {",
  ]),
  planted('filter-matches-what-is-below', 'a filter without # matches no more levels', { publish: [MATCH] }, [
    TREE,
    'if (depth === levels.length) {\n        if (node.values',
    'if (depth === levels.length || node.children === null) {\n        if (node.values',
  ]),
  planted(
    'wildcards-match-dollar',
    'a leading wildcard matches no leading $',
    { publish: ['a filter that begins with a wildcard'] },
    [TREE, 'const wildcards = depth > 0 || !dollar;', 'const wildcards = depth > 0 || !dollar || levels.length > 0;'],
  ),
  planted('payload-format-not-sent', 'the Payload Format Indicator is passed on', { publish: [UNALTERED] }, [
    FIELDS,
    'if (payloadFormatIndicator !== undefined) {',
    'if (payloadFormatIndicator === 0) {',
  ]),
  planted('content-type-not-sent', 'the Content Type is passed on', { publish: [UNALTERED] }, [
    FIELDS,
    '  if (contentType !== undefined) parts.push(stringProperty(PropertyId.contentType, contentType));\n',
    '',
  ]),
  planted('response-topic-not-sent', 'the Response Topic is passed on', { publish: [UNALTERED] }, [
    FIELDS,
    '  if (responseTopic !== undefined) parts.push(stringProperty(PropertyId.responseTopic, responseTopic));\n',
    '',
  ]),
  planted('correlation-data-not-stored', 'Correlation Data is passed on', { publish: [UNALTERED] }, [
    STORED,
    'properties.correlationData = Buffer.from(reader.bytes());',
    'reader.bytes();',
  ]),
  planted('user-properties-sorted', 'User Properties keep their order', { publish: [UNALTERED] }, [
    FIELDS,
    'of userProperties ?? [])',
    'of [...(userProperties ?? [])].sort())',
  ]),
  planted('will-without-properties', 'a will has its properties', { publish: [UNALTERED] }, [
    CONNECT,
    '    properties: message,\n  };',
    '    properties: null,\n  };',
  ]),
  planted('payload-not-looked-at', 'a payload is what it says', { publish: [PAYLOAD] }, [
    INCOMING,
    '    if (!isPayloadFormatValid(packet.payload, packet.properties)) return this.#refuseFormat(packet);\n',
    '',
  ]),
  planted('bad-payload-another-code', 'a payload that is not what it says gets 0x99', { publish: [PAYLOAD] }, [
    INCOMING,
    'packetId, ReasonCode.payloadFormatInvalid);',
    'packetId, ReasonCode.implementationSpecificError);',
  ]),
  planted(
    'bad-payload-keeps-its-id',
    'behind a PUBREC of 0x80 or more the identifier is a new message',
    { publish: [PAYLOAD] },
    [
      INCOMING,
      '    if (qos === 0) this.#connection.fail',
      '    if (qos === 2) this.#exchanges.set(packetId, true);\n    if (qos === 0) this.#connection.fail',
    ],
  ),
  planted(
    'bad-payload-of-qos-0-open',
    'a QoS 0 payload that is not what it says closes the connection',
    { publish: [PAYLOAD] },
    [CLOSING, '    ReasonCode.payloadFormatInvalid,\n', '    ReasonCode.protocolError,\n'],
  ),
  planted('expiry-not-counted-down', 'what is left of the interval is sent', { publish: [EXPIRY] }, [
    OUTGOING,
    'expires ? Math.max(1, Math.ceil(leftMs / 1000)) : null',
    'expires && leftMs < 0 ? 1 : null',
  ]),
  planted('expired-and-sent', 'what expired is not sent', { publish: [EXPIRY] }, [
    OUTGOING,
    "    if (message.expiresAtMs <= broker.clusterNowMs && !dup) return this.#skip(sequence, 'expired');\n",
    '',
  ]),
  planted(
    'retained-never-expire',
    'a retained message expires',
    { publish: [EXPIRY] },
    [
      'packages/broker/src/state/retained.ts',
      'if (message.expiresAtMs !== Number.POSITIVE_INFINITY) {',
      'if (message.expiresAtMs === 0) {',
    ],
    ['packages/broker/src/state/session-commands.ts', '    if (message.expiresAtMs <= state.nowMs) continue;\n', ''],
  ),
];

/** Aliases, and what several subscriptions of a client bring. */
const ONCE: readonly Planted[] = [
  planted('alias-above-maximum', 'no alias above the maximum', { publish: [FROM] }, [
    INCOMING,
    'if (topicAlias > TOPIC_ALIAS_MAXIMUM) {',
    'if (topicAlias > 65_535) {',
  ]),
  planted('alias-maximum-refused', 'aliases up to the maximum are taken', { publish: [FROM] }, [
    INCOMING,
    'if (topicAlias > TOPIC_ALIAS_MAXIMUM) {',
    'if (topicAlias >= TOPIC_ALIAS_MAXIMUM) {',
  ]),
  planted('alias-set-once', 'an alias may be given another topic', { publish: [FROM] }, [
    INCOMING,
    "if (topic !== '') this.#aliases.set(topicAlias, topic);",
    "if (topic !== '') this.#aliases.set(topicAlias, this.#aliases.get(topicAlias) ?? topic);",
  ]),
  planted('unknown-alias-ignored', 'an alias that was not set on this connection is none', { publish: [FROM] }, [
    INCOMING,
    "          connection.fail('TOPIC_ALIAS_INVALID', `${topicAlias} was not set before`);\n",
    '',
  ]),
  planted('aliases-unasked', 'no alias to a client that takes none', { publish: [TO] }, [
    OUTGOING,
    'packet.topicAliasMaximum > 0 ? new TopicAliases(packet.topicAliasMaximum) : null;',
    'new TopicAliases(packet.topicAliasMaximum || 2);',
  ]),
  planted('more-aliases-than-taken', 'never more aliases than the client takes', { publish: [TO] }, [
    ALIASES,
    'this.#maximum = Math.min(maximum, TOPIC_ALIAS_MAXIMUM);',
    'this.#maximum = Math.max(maximum, TOPIC_ALIAS_MAXIMUM);',
  ]),
  planted('alias-for-another-topic', 'an alias stands for its topic', { publish: [TO] }, [
    ALIASES,
    'this.#byTopic.set(topic, this.#byTopic.size + 1);',
    'this.#byTopic.set(topic, 1);',
  ]),
  planted('lowest-qos-of-overlapping', 'of overlapping subscriptions the highest QoS holds', { publish: [OVERLAP] }, [
    TABLE,
    'if (subscription.qos > qos) qos = subscription.qos;',
    'if (subscription.qos > qos && subscriptions.length === 1) qos = subscription.qos;',
  ]),
  planted('a-copy-for-each-overlapping', 'overlapping subscriptions bring one copy', { publish: [OVERLAP] }, [
    TABLE,
    '    while (at < found.length && (found[at] as Held).session === session) at++;\n',
    '',
  ]),
  planted(
    'one-identifier-of-overlapping',
    'all matching identifiers are sent',
    { publish: [`${OVERLAP}: one copy, with the highest QoS of them and all their identifiers (5.0)`] },
    [
      TABLE,
      'if (subscription.identifier !== null) identifiers.push(',
      'if (subscription.identifier !== null && identifiers.length === 0) identifiers.push(',
    ],
  ),
  planted('no-local-ignored', 'No Local: QoS 1 and 2', { publish: [LOCAL] }, [
    ROUTING,
    'if (target.noLocal && target.session === publisher) {',
    'if (target.noLocal && target.session !== publisher) {',
  ]),
  planted('no-local-ignored-at-qos-0', 'No Local: QoS 0', { publish: [LOCAL] }, [
    QOS0,
    'const own = target.noLocal && target.session === publisher;',
    'const own = target.noLocal && publisher === null;',
  ]),
];

/** PUBLISH. */
export const PUBLISH: readonly Planted[] = [...CARRIED, ...ONCE];
