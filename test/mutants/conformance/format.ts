import { type Planted, planted } from './planted.ts';

const DECODE = 'packages/protocol/src/mqtt/decode.ts';
const SUBSCRIBE = 'packages/protocol/src/mqtt/decode-subscribe.ts';
const PUBLISH = 'packages/protocol/src/mqtt/decode-publish.ts';
const ERRORS = 'packages/protocol/src/mqtt/errors.ts';
const FRAMER = 'packages/protocol/src/mqtt/framer.ts';
const CONNECTION = 'packages/broker/src/connection/connection.ts';
const AUTHENTICATION = 'packages/broker/src/connection/authentication.ts';

const FLAGS = 'reserved flags of the fixed header';
const ZERO = 'a packet identifier is never 0';
const EMPTY = 'SUBSCRIBE and UNSUBSCRIBE without filters';
const ENDS = 'packets that end too early or too late';
const REASONS = 'reason codes that the packet does not have';
const SIZE = 'a packet of Maximum Packet Size';

/** Fixed headers, identifiers, and what a packet consists of. */
export const FORMAT: readonly Planted[] = [
  planted('puback-flags', 'reserved flags of PUBACK are 0', { format: [FLAGS] }, [
    DECODE,
    "checkFlags(header, NO_FLAGS, version);\n      return readAck('puback'",
    "return readAck('puback'",
  ]),
  planted('pubrec-flags', 'reserved flags of PUBREC are 0', { format: [FLAGS] }, [
    DECODE,
    "checkFlags(header, NO_FLAGS, version);\n      return readAck('pubrec'",
    "return readAck('pubrec'",
  ]),
  planted('pubrel-flags', 'PUBREL has flags 0010', { format: [FLAGS] }, [
    DECODE,
    'checkFlags(header, FLAGS_0010, version); // [MQTT-3.6.1-1]\n',
    '\n',
  ]),
  planted('subscribe-flags', 'SUBSCRIBE has flags 0010', { format: [FLAGS] }, [
    DECODE,
    'checkFlags(header, FLAGS_0010, version); // [MQTT-3.8.1-1]\n',
    '\n',
  ]),
  planted('unsubscribe-flags', 'UNSUBSCRIBE has flags 0010', { format: [FLAGS] }, [
    DECODE,
    'checkFlags(header, FLAGS_0010, version); // [MQTT-3.10.1-1]\n',
    '\n',
  ]),
  planted('pingreq-flags', 'reserved flags of PINGREQ are 0', { format: [FLAGS] }, [
    DECODE,
    'checkFlags(header, NO_FLAGS, version);\n      reader.finish();',
    'reader.finish();',
  ]),
  planted(
    'disconnect-flags',
    'reserved bits of DISCONNECT are 0',
    { format: [`${FLAGS} have to be what they have to be (5.0)`] },
    [DECODE, 'checkFlags(header, NO_FLAGS, version); // [MQTT-3.14.1-1]\n', '\n'],
  ),
  planted(
    'reserved-flags-another-code',
    'reserved flags are malformed',
    { format: [`${FLAGS} have to be what they have to be (5.0)`] },
    [ERRORS, 'RESERVED_FLAGS: [malformedPacket,', 'RESERVED_FLAGS: [protocolError,'],
  ),
  planted('publish-packet-id-0', 'PUBLISH above QoS 0 has an identifier', { format: [ZERO] }, [
    PUBLISH,
    "    if (packetId === 0) throw new ProtocolError('PACKET_ID_ZERO'); // [MQTT-2.2.1-3]\n",
    '',
  ]),
  planted('subscribe-packet-id-0', 'SUBSCRIBE has an identifier', { format: [ZERO] }, [
    SUBSCRIBE,
    "const packetId = reader.packetId();\n  const properties = version === 5 ? readProperties(reader, 'subscribe')",
    "const packetId = reader.uint16();\n  const properties = version === 5 ? readProperties(reader, 'subscribe')",
  ]),
  planted('unsubscribe-packet-id-0', 'UNSUBSCRIBE has an identifier', { format: [ZERO] }, [
    SUBSCRIBE,
    "const packetId = reader.packetId();\n  const properties = version === 5 ? readProperties(reader, 'unsubscribe')",
    "const packetId = reader.uint16();\n  const properties = version === 5 ? readProperties(reader, 'unsubscribe')",
  ]),
  planted('puback-packet-id-0', 'PUBACK has an identifier', { format: [ZERO] }, [
    DECODE,
    "  if (packetId === 0) throw new ProtocolError('PACKET_ID_ZERO');\n  return packetId;",
    '  return packetId;',
  ]),
  planted('publish-qos-3', 'there is no QoS 3', { format: ['QoS 3, and DUP on QoS 0'] }, [
    PUBLISH,
    "const qos = (header >> 1) & 3;\n  if (qos === 3) throw new ProtocolError('INVALID_QOS'); // [MQTT-3.3.1-4]",
    'const qos = Math.min((header >> 1) & 3, 2);',
  ]),
  planted('publish-dup-qos-0', 'QoS 0 has no DUP', { format: ['QoS 3, and DUP on QoS 0'] }, [
    PUBLISH,
    "  if (dup && qos === 0) throw new ProtocolError('DUP_WITH_QOS_0'); // [MQTT-3.3.1-2]\n",
    '',
  ]),
  planted('subscribe-without-filters', 'SUBSCRIBE has at least one filter', { format: [EMPTY] }, [
    SUBSCRIBE,
    "if (reader.remaining === 0) throw new ProtocolError('NO_TOPIC_FILTERS'); // [MQTT-3.8.3-2]",
    'if (reader.remaining === 0) break;',
  ]),
  planted('unsubscribe-without-filters', 'UNSUBSCRIBE has at least one filter', { format: [EMPTY] }, [
    SUBSCRIBE,
    "if (reader.remaining === 0) throw new ProtocolError('NO_TOPIC_FILTERS'); // [MQTT-3.10.3-2]",
    'if (reader.remaining === 0) break;',
  ]),
  planted('subscribe-qos-3', 'no QoS 3 is asked for', { format: [`${EMPTY}, and options that are none (5.0)`] }, [
    SUBSCRIBE,
    "const qos = options & 3;\n  if (qos === 3) throw new ProtocolError('INVALID_SUBSCRIPTION_OPTIONS', 'QoS 3');",
    'const qos = Math.min(options & 3, 2);',
  ]),
  planted(
    'reserved-options-in-311',
    'reserved bits of the QoS are 0',
    { format: [`${EMPTY}, and options that are none (3.1.1)`] },
    [
      SUBSCRIBE,
      "    if (version === 4 && options > 2) throw new ProtocolError('RESERVED_SUBSCRIPTION_OPTIONS');\n",
      '',
    ],
  ),
  planted(
    'reserved-options-in-5',
    'reserved bits of the options are 0',
    { format: [`${EMPTY}, and options that are none (5.0)`] },
    [SUBSCRIBE, '(options & 0xc0) !== 0', '(options & 0xc0) === 0xc0'],
  ),
  planted(
    'retain-handling-3',
    'there is no Retain Handling 3',
    { format: [`${EMPTY}, and options that are none (5.0)`] },
    [
      SUBSCRIBE,
      "const retainHandling = (options >> 4) & 3;\n  if (retainHandling === 3) throw new ProtocolError('INVALID_SUBSCRIPTION_OPTIONS', 'retain handling 3');",
      'const retainHandling = Math.min((options >> 4) & 3, 2);',
    ],
  ),
  planted(
    'topic-beyond-the-end',
    'a packet that ends too early is malformed',
    { format: [`${ENDS}, and those that only a server sends (3.1.1)`] },
    [PUBLISH, "  if (position > end) throw new ProtocolError('TRUNCATED', 'topic name');\n", ''],
  ),
  planted('bytes-behind-the-end', 'a packet that ends too late is malformed', { format: [ENDS] }, [
    DECODE,
    "reader.finish();\n      return { type: 'pingreq' };",
    "return { type: 'pingreq' };",
  ]),
  planted('packets-of-a-server', 'a client does not send what a server sends', { format: [ENDS] }, [
    DECODE,
    "throw new ProtocolError('UNEXPECTED_PACKET_TYPE', `type ${header >> 4}`);",
    "return { type: 'pingreq' };",
  ]),
  planted('any-reason-code', 'a packet has one of its own reason codes', { format: [REASONS] }, [
    DECODE,
    '  if (!allowed.has(reasonCode)) throw invalidReason(reasonCode);\n  return reasonCode;',
    '  return reasonCode;',
  ]),
  planted('any-reason-code-of-a-release', 'PUBREL and PUBCOMP have their own reason codes', { format: [REASONS] }, [
    DECODE,
    'new Set([ReasonCode.success, ReasonCode.packetIdentifierNotFound]);',
    'new Set([0x00, 0x10, 0x80, 0x92]);',
  ]),
  planted('any-reason-code-of-disconnect', 'DISCONNECT has its own reason codes', { format: [REASONS] }, [
    DECODE,
    '  ReasonCode.disconnectWithWill,\n',
    '  ReasonCode.disconnectWithWill,\n  ReasonCode.sessionTakenOver,\n',
  ]),
  planted(
    'auth-without-a-method',
    'no AUTH without a method in CONNECT',
    { format: ['AUTH of a client that announced no'] },
    [AUTHENTICATION, "access === null) return connection.fail('UNEXPECTED_AUTH');", 'access === null) return;'],
  ),
  planted('one-byte-too-many', 'a packet is at most as large as the server takes', { format: [SIZE] }, [
    FRAMER,
    'seen + this.remainingLength > this.maxPacketSizeBytes) {',
    'seen + this.remainingLength > this.maxPacketSizeBytes + 1) {',
  ]),
  planted('one-byte-too-few', 'a packet may be as large as the server takes', { format: [SIZE] }, [
    FRAMER,
    'seen + this.remainingLength > this.maxPacketSizeBytes) {',
    'seen + this.remainingLength >= this.maxPacketSizeBytes) {',
  ]),
  planted('hot-path-takes-flags', 'reserved flags of a short PUBACK are 0', { format: [FLAGS] }, [
    CONNECTION,
    'if (end - start === SHORT_ACK_BYTES && header === PUBACK << 4) {',
    'if (end - start === SHORT_ACK_BYTES) {',
  ]),
];
