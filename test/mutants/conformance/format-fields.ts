import { type Planted, planted } from './planted.ts';

const DECODE_CONNECT = 'packages/protocol/src/mqtt/decode-connect.ts';
const SUBSCRIBE = 'packages/protocol/src/mqtt/decode-subscribe.ts';
const PUBLISH = 'packages/protocol/src/mqtt/decode-publish.ts';
const PROPERTIES = 'packages/protocol/src/mqtt/properties.ts';
const IDS = 'packages/protocol/src/mqtt/property-id.ts';
const ERRORS = 'packages/protocol/src/mqtt/errors.ts';
const FRAMER = 'packages/protocol/src/mqtt/framer.ts';
const READER = 'packages/protocol/src/mqtt/reader.ts';
const TOPICS = 'packages/protocol/src/mqtt/topics.ts';
const UTF8 = 'packages/protocol/src/mqtt/utf8.ts';
const TREE = 'packages/broker/src/state/topic-tree.ts';

const STRINGS = 'topics and filters have to be UTF-8';
const PAIRS = 'strings among the properties';
const EXACT = 'U+FEFF stays, and nothing is normalized';
const SHORTEST = 'a variable byte integer has to be as short';
const NAMES = 'a topic name has at least one character';
const FILTERS = 'wildcards of a filter are whole levels';
const SHARES = 'filters of shared subscriptions';
const PLACES = 'every property in a packet that does not have it';
const CONNECT = 'properties of CONNECT: twice';

/** Strings, integers, topic names, filters and properties. */
export const FORMAT_FIELDS: readonly Planted[] = [
  planted('any-bytes-as-text', 'strings are well-formed UTF-8', { format: [STRINGS, PAIRS] }, [
    UTF8,
    "if ((kind & NUL) !== 0 || !isUtf8(buffer.subarray(start, end))) throw new ProtocolError('INVALID_UTF8');",
    "if ((kind & NUL) !== 0) throw new ProtocolError('INVALID_UTF8');",
  ]),
  planted('nul-in-a-string', 'no U+0000 in a string', { format: [STRINGS, PAIRS] }, [
    UTF8,
    '  classes[0] = NUL;\n',
    '',
  ]),
  planted(
    'bad-utf8-another-code',
    'a string that is none is malformed',
    { format: [`${STRINGS} without U+0000 (5.0)`, PAIRS] },
    [ERRORS, 'INVALID_UTF8: [malformedPacket,', 'INVALID_UTF8: [protocolError,'],
  ),
  planted('filters-of-any-bytes', 'filters are UTF-8', { format: [STRINGS] }, [
    SUBSCRIBE,
    'const filter = reader.string();',
    'const filter = reader.binary().toString();',
  ]),
  planted('user-properties-of-any-bytes', 'both strings of a pair are UTF-8', { format: [PAIRS] }, [
    PROPERTIES,
    'properties.userProperties.push([reader.string(), reader.string()]);',
    'properties.userProperties.push([reader.string(), reader.binary().toString()]);',
  ]),
  planted('content-type-of-any-bytes', 'the Content Type is UTF-8', { format: [PAIRS] }, [
    PROPERTIES,
    'message(properties).contentType = reader.string();',
    'message(properties).contentType = reader.binary().toString();',
  ]),
  planted('byte-order-mark-lost', 'U+FEFF stays in a string', { format: [EXACT] }, [
    UTF8,
    "return buffer.toString('utf8', start, end);",
    "return buffer.toString('utf8', start, end).replaceAll('\\u{feff}', '');",
  ]),
  planted('names-normalized', 'nothing is normalized', { format: [EXACT] }, [
    UTF8,
    "return buffer.toString('utf8', start, end);",
    "return buffer.toString('utf8', start, end).normalize('NFC');",
  ]),
  planted('names-in-lower-case', 'names are compared character by character', { publish: ['what a filter matches'] }, [
    TREE,
    "    const levels = topic.split('/');\n    const dollar",
    "    const levels = topic.toLowerCase().split('/');\n    const dollar",
  ]),
  planted('long-remaining-length', 'the Remaining Length is as short as it can be', { format: [SHORTEST] }, [
    FRAMER,
    "        if (byte === 0 && seen > 2) this.fail(new ProtocolError('INVALID_REMAINING_LENGTH'));\n",
    '',
  ]),
  planted('long-variable-integers', 'a variable byte integer is as short as it can be', { format: [SHORTEST] }, [
    READER,
    '        if (byte === 0 && shift > 0) break;\n',
    '',
  ]),
  planted('wildcards-in-names', 'a topic name has no wildcard', { format: [NAMES] }, [
    UTF8,
    'if (wildcards) {',
    'if (wildcards && classes.length === 0) {',
  ]),
  planted('empty-topic-name', 'a topic name has a character', { format: [NAMES] }, [
    PUBLISH,
    "if (topic === '' && topicAlias === null) {",
    "if (topic === '' && topicAlias === 0) {",
  ]),
  planted(
    'wildcards-in-response-topic',
    'a Response Topic has no wildcard',
    { format: [`${NAMES} and no wildcard (5.0)`] },
    [PROPERTIES, 'const topic = reader.topicName(); // no wildcards [MQTT-3.3.2-14]', 'const topic = reader.string();'],
  ),
  planted('hash-not-last', '# is the last level', { format: [FILTERS] }, [
    TOPICS,
    '    if (c === HASH && i !== last) return false;\n',
    '',
  ]),
  planted('wildcard-behind-text', 'a wildcard begins its level', { format: [FILTERS] }, [
    TOPICS,
    '    if (i > start && filter.charCodeAt(i - 1) !== SLASH) return false;\n',
    '',
  ]),
  planted('plus-before-text', '+ is a whole level', { format: [FILTERS] }, [
    TOPICS,
    '    if (c === PLUS && i !== last && filter.charCodeAt(i + 1) !== SLASH) return false;\n',
    '',
  ]),
  planted('empty-filter', 'a filter has a character', { format: [FILTERS] }, [
    TOPICS,
    'if (filter.length === 0 || !isEncodable(filter)) return false;',
    'if (!isEncodable(filter)) return false;',
  ]),
  planted('empty-share-name', 'a ShareName has a character', { format: [SHARES] }, [
    TOPICS,
    'if (groupEnd <= SHARE_PREFIX.length ||',
    'if (groupEnd < SHARE_PREFIX.length ||',
  ]),
  planted('share-without-filter', 'a filter follows the ShareName', { format: [SHARES] }, [
    TOPICS,
    ' || groupEnd + 1 === filter.length) return null;',
    ') return null;',
  ]),
  planted('wildcards-in-share-name', 'a ShareName has no wildcard', { format: [SHARES] }, [
    TOPICS,
    "group.includes('+') || group.includes('#') || !hasValid",
    '!hasValid',
  ]),
  planted('no-local-and-shared', 'no No Local on a shared subscription', { format: [SHARES] }, [
    SUBSCRIBE,
    'if (noLocal && parseSharedFilter(filter) !== null) {',
    "if (noLocal && filter === '') {",
  ]),
  planted('short-topic-names', 'a topic name has up to 65,535 bytes', { format: ['a topic name of 65,535 bytes'] }, [
    TOPICS,
    'const MAX_UTF8_BYTES = 65_535;',
    'const MAX_UTF8_BYTES = 65_534;',
  ]),
  planted('properties-out-of-place', 'a packet has only its own properties', { format: [PLACES] }, [
    IDS,
    'publish: new Set([P.topicAlias, ...MESSAGE]),',
    'publish: new Set([P.topicAlias, P.sessionExpiryInterval, ...MESSAGE]),',
  ]),
  planted('subscription-identifier-of-a-client', 'no Subscription Identifier from a client', { format: [PLACES] }, [
    IDS,
    'publish: new Set([P.topicAlias, ...MESSAGE]),',
    'publish: new Set([P.topicAlias, P.subscriptionIdentifier, ...MESSAGE]),',
  ]),
  planted('properties-twice', 'a property comes once', { format: [PLACES, CONNECT] }, [
    PROPERTIES,
    "      if ((seen & bit) !== 0) throw new ProtocolError('DUPLICATE_PROPERTY', hex(id));\n",
    '',
  ]),
  planted('topic-alias-0', 'a Topic Alias is not 0', { format: [PLACES] }, [
    PROPERTIES,
    "      if (alias === 0) throw new ProtocolError('INVALID_TOPIC_ALIAS'); // [MQTT-3.3.2-8]\n",
    '',
  ]),
  planted('subscription-identifier-0', 'a Subscription Identifier is not 0', { format: [PLACES] }, [
    PROPERTIES,
    'notZero(reader.variableInteger(), id);',
    'reader.variableInteger();',
  ]),
  planted('property-values-beyond', 'a property has one of its values', { format: [PLACES, CONNECT] }, [
    PROPERTIES,
    "  if (value > 1) throw new ProtocolError('INVALID_PROPERTY_VALUE', `${hex(id)} is ${value}`);\n",
    '',
  ]),
  planted('receive-maximum-0', 'Receive Maximum is not 0', { format: [CONNECT] }, [
    PROPERTIES,
    'properties.receiveMaximum = notZero(reader.uint16(), id);',
    'properties.receiveMaximum = reader.uint16();',
  ]),
  planted('data-without-a-method', 'no Authentication Data without a method', { format: [CONNECT] }, [
    DECODE_CONNECT,
    "    throw new ProtocolError('AUTHENTICATION_METHOD_MISSING');\n",
    '',
  ]),
  planted('topic-alias-of-a-will', 'a will has only its own properties', { format: [CONNECT] }, [
    IDS,
    'will: new Set([P.willDelayInterval, ...MESSAGE]),',
    'will: new Set([P.willDelayInterval, P.topicAlias, ...MESSAGE]),',
  ]),
];
