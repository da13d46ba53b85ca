import { type Planted, planted } from './planted.ts';

const DECODE = 'packages/protocol/src/mqtt/decode-connect.ts';
const PACKETS = 'packages/protocol/src/mqtt/decode.ts';
const ENCODE = 'packages/protocol/src/mqtt/encode-connack.ts';
const CODES = 'packages/protocol/src/mqtt/reason-codes.ts';
const ERRORS = 'packages/protocol/src/mqtt/errors.ts';
const START = 'packages/broker/src/connection/session-start.ts';
const CONNECTION = 'packages/broker/src/connection/connection.ts';
const REFUSAL = 'packages/broker/src/connection/refusal.ts';
const CLOSING = 'packages/broker/src/connection/closing.ts';
const AUTHENTICATION = 'packages/broker/src/connection/authentication.ts';
const BROKER = 'packages/broker/src/broker.ts';

const FLAGS = 'flags and payload of CONNECT that contradict';

/** Sections 3.1 and 3.2: what is taken as CONNECT. */
const TAKEN: readonly Planted[] = [
  planted(
    'packets-before-connect-ignored',
    'CONNECT is the first packet',
    { connect: ['what comes before CONNECT is answered'] },
    [
      CONNECTION,
      "if (type !== CONNECT) throw new ProtocolError('NOT_CONNECT', `packet type ${type}`);",
      'if (type !== CONNECT) return;',
    ],
  ),
  planted(
    'second-connect-ignored',
    'a second CONNECT is a violation',
    { connect: ['a second CONNECT closes'], session: ['DISCONNECT takes the will away'] },
    [PACKETS, "throw new ProtocolError('REPEATED_CONNECT'); // [MQTT-3.1.0-2]", "return { type: 'pingreq' };"],
  ),
  planted(
    'second-connect-malformed',
    'a second CONNECT is a protocol error',
    { connect: ['a second CONNECT closes the connection (5.0)'] },
    [ERRORS, 'REPEATED_CONNECT: [protocolError,', 'REPEATED_CONNECT: [malformedPacket,'],
  ),
  planted(
    'open-behind-a-protocol-error',
    'a protocol error closes the connection',
    { connect: ['a second CONNECT closes'], format: ['packets that end too early'] },
    [CONNECTION, '    socket.end();\n  }\n\n  /**\n   * DISCONNECT.', '  }\n\n  /**\n   * DISCONNECT.'],
  ),
  planted(
    'any-protocol-name',
    'another protocol name is not taken for MQTT',
    { connect: ['another protocol name closes'] },
    [DECODE, "  if (name !== 'MQTT' && name !== 'MQIsdp') throw new ProtocolError('UNKNOWN_PROTOCOL_NAME');\n", ''],
  ),
  planted(
    'older-levels-taken',
    'an unsupported level is refused',
    { connect: ['an older protocol level is refused'] },
    [DECODE, '(level & ~BRIDGE_BIT) === 4) return', '(level & ~BRIDGE_BIT) <= 4) return'],
  ),
  planted(
    'newer-versions-taken',
    'an unsupported version is refused',
    { connect: ['a newer protocol version is refused'] },
    [DECODE, "if (name === 'MQTT' && level === 5)", "if (name === 'MQTT' && level >= 5 && level < BRIDGE_BIT)"],
  ),
  planted(
    'unsupported-level-not-told',
    'an unsupported level gets a return code',
    { connect: ['an older protocol level is refused', 'a newer protocol version is refused'] },
    [DECODE, "name === 'MQIsdp' ? 3 : level > 5 && level < BRIDGE_BIT ? 5 : 4;", 'null;'],
  ),
  planted(
    'unsupported-level-another-code',
    'return code 1 is for the level',
    { connect: ['an older protocol level is refused'] },
    [
      CODES,
      'case ReasonCode.unsupportedProtocolVersion:\n      return 1;',
      'case ReasonCode.unsupportedProtocolVersion:\n      return 2;',
    ],
  ),
  planted(
    'unsupported-version-another-code',
    'reason code 0x84 is for the version',
    { connect: ['a newer protocol version is refused'] },
    [
      ERRORS,
      'UNSUPPORTED_PROTOCOL_VERSION: [ReasonCode.unsupportedProtocolVersion,',
      'UNSUPPORTED_PROTOCOL_VERSION: [protocolError,',
    ],
  ),
  planted('connect-reserved-flag', 'the reserved flag of CONNECT is 0', { connect: [FLAGS] }, [
    DECODE,
    "  if ((flags & FLAG_RESERVED) !== 0) throw new ProtocolError('INVALID_CONNECT_FLAGS', 'reserved bit');\n",
    '',
  ]),
  planted('will-qos-without-will', 'without will no will QoS', { connect: [FLAGS] }, [
    DECODE,
    'const WILL_DETAILS = 0x38;',
    'const WILL_DETAILS = 0x20;',
  ]),
  planted('will-retain-without-will', 'without will no will retain', { connect: [FLAGS] }, [
    DECODE,
    'const WILL_DETAILS = 0x38;',
    'const WILL_DETAILS = 0x18;',
  ]),
  planted('will-qos-3', 'the will QoS is at most 2', { connect: [FLAGS] }, [
    DECODE,
    "const qos = (flags >> 3) & 3;\n  if (qos === 3) throw new ProtocolError('INVALID_QOS', 'of the will');",
    'const qos = Math.min((flags >> 3) & 3, 2);',
  ]),
  planted('announced-will-missing', 'with its flag there is a will', { connect: [FLAGS] }, [
    DECODE,
    'const will = (flags & FLAG_WILL) === 0 ?',
    'const will = (flags & FLAG_WILL) === 0 || reader.remaining === 0 ?',
  ]),
  planted('will-without-payload', 'a will has topic and payload', { connect: [FLAGS] }, [
    DECODE,
    'const payload = copy(reader.binary());',
    'const payload = reader.remaining === 0 ? new Uint8Array() : copy(reader.binary());',
  ]),
  planted('fields-not-announced', 'what is not announced is not there', { connect: [FLAGS] }, [
    DECODE,
    "  reader.finish();\n  return {\n    type: 'connect',",
    "  return {\n    type: 'connect',",
  ]),
  planted('announced-user-name-missing', 'with its flag there is a user name', { connect: [FLAGS] }, [
    DECODE,
    'hasField(reader, flags, FLAG_USERNAME, version) ?',
    'hasField(reader, flags, FLAG_USERNAME, version) && reader.remaining > 0 ?',
  ]),
  planted('announced-password-missing', 'with its flag there is a password', { connect: [FLAGS] }, [
    DECODE,
    'hasField(reader, flags, FLAG_PASSWORD, version) ?',
    'hasField(reader, flags, FLAG_PASSWORD, version) && reader.remaining > 0 ?',
  ]),
  planted(
    'malformed-connect-answered-in-311',
    'a malformed CONNECT of 3.1.1 gets no CONNACK',
    {
      connect: [`${FLAGS} each other (3.1.1)`, 'client identifier, will topic and user name have to be UTF-8 (3.1.1)'],
    },
    [REFUSAL, 'if (version === 5) return true;', 'if (version >= 4) return true;'],
  ),
  planted(
    'malformed-connect-not-answered-in-5',
    'a malformed CONNECT of 5.0 gets CONNACK 0x81',
    { connect: [`${FLAGS} each other (5.0)`] },
    [REFUSAL, '  if (version === 5) return true;\n', ''],
  ),
  planted(
    'password-alone-in-311',
    'a password of 3.1.1 needs a user name',
    { connect: ['a password needs a user name'] },
    [DECODE, 'if (version === 4 && (flags & FLAG_PASSWORD)', 'if (version === 3 && (flags & FLAG_PASSWORD)'],
  ),
  planted(
    'user-name-before-will',
    'the fields of the payload have their order',
    { connect: ['every optional field of the payload'] },
    [
      DECODE,
      `  const will = (flags & FLAG_WILL) === 0 ? null : readWill(reader, flags, version);
  const username = hasField(reader, flags, FLAG_USERNAME, version) ? reader.string() : null;`,
      `  const username = hasField(reader, flags, FLAG_USERNAME, version) ? reader.string() : null;
  const will = (flags & FLAG_WILL) === 0 ? null : readWill(reader, flags, version);`,
    ],
  ),
  planted('client-id-missing', 'the client identifier is there', { connect: ['every optional field of the payload'] }, [
    DECODE,
    'const clientId = reader.string();',
    "const clientId = reader.remaining === 0 ? '' : reader.string();",
  ]),
  planted(
    'client-id-not-utf8',
    'the client identifier is UTF-8',
    { connect: ['client identifier, will topic and user name'] },
    [DECODE, 'const clientId = reader.string();', 'const clientId = reader.binary().toString();'],
  ),
  planted(
    'will-topic-not-utf8',
    'the will topic is UTF-8',
    { connect: ['client identifier, will topic and user name'] },
    [DECODE, 'const topic = reader.topicName();', 'const topic = reader.binary().toString();'],
  ),
  planted(
    'user-name-not-utf8',
    'the user name is UTF-8',
    { connect: ['client identifier, will topic and user name'] },
    [
      DECODE,
      'FLAG_USERNAME, version) ? reader.string() : null',
      'FLAG_USERNAME, version) ? reader.binary().toString() : null',
    ],
  ),
  planted(
    'client-id-of-22-bytes',
    'client identifiers of 1 to 23 characters are taken',
    { connect: ['client identifiers of 1 to 23'] },
    [DECODE, '(limits.maxClientIdBytes ?? Number.POSITIVE_INFINITY)', '22'],
  ),
];

/** Who the client is, and what it is told. */
const ANSWERED: readonly Planted[] = [
  planted(
    'one-name-for-the-nameless',
    'a client without an identifier gets one that nobody has',
    { connect: ['clients without a client identifier', 'an empty client identifier is replaced'] },
    [START, 'connection.clientId = broker.environment.assignClientId();', "connection.clientId = 'nobody';"],
  ),
  planted(
    'assigned-client-id-not-told',
    'an assigned client identifier is in CONNACK',
    { connect: ['an empty client identifier is replaced'] },
    [START, "      ...(packet.clientId === '' && { assignedClientId: clientId }),\n", ''],
  ),
  planted(
    'assigned-client-id-always-told',
    'an identifier of the client is not assigned',
    { connect: ['client identifiers of 1 to 23 letters and digits, and others, are taken (5.0)'] },
    [START, "...(packet.clientId === '' && { assignedClientId: clientId }),", 'assignedClientId: clientId,'],
  ),
  planted(
    'nameless-session-kept-in-311',
    'an empty identifier of 3.1.1 needs a clean session',
    { connect: ['an empty client identifier without a clean session'] },
    [START, ' || (packet.protocolVersion === 4 && !packet.cleanStart)', ''],
  ),
  planted(
    'rejected-client-id-another-code',
    'a rejected identifier has return code 2',
    { connect: ['an empty client identifier without a clean session'] },
    [
      CLOSING,
      'CLIENT_ID_INVALID: [ReasonCode.clientIdentifierNotValid,',
      'CLIENT_ID_INVALID: [ReasonCode.notAuthorized,',
    ],
  ),
  planted(
    'long-client-id-another-code',
    'a rejected identifier has reason code 0x85',
    { connect: ['a client identifier that is too long'] },
    [ERRORS, 'CLIENT_ID_TOO_LONG: [ReasonCode.clientIdentifierNotValid,', 'CLIENT_ID_TOO_LONG: [protocolError,'],
  ),
  planted(
    'taken-over-and-open',
    'the connection that had the client identifier is closed',
    { connect: ['a second connection with the client identifier'] },
    [
      BROKER,
      "connection?.ownershipLost(why === 'takenOver' ? 'SESSION_TAKEN_OVER' : 'NO_QUORUM');",
      "if (why !== 'takenOver') connection?.ownershipLost('NO_QUORUM');",
    ],
  ),
  planted(
    'taken-over-another-code',
    'DISCONNECT of a takeover has 0x8e',
    { connect: ['whichever node has it (5.0)'] },
    [
      CLOSING,
      'SESSION_TAKEN_OVER: [ReasonCode.sessionTakenOver,',
      'SESSION_TAKEN_OVER: [ReasonCode.administrativeAction,',
    ],
  ),
  planted(
    'answers-before-connack',
    'CONNACK is the first packet of the server',
    { connect: ['CONNACK comes first and once'] },
    [CONNECTION, "    return phase !== 'new';\n", '    return false;\n'],
  ),
  planted('connack-twice', 'CONNACK is sent once', { connect: ['CONNACK comes first and once'] }, [
    START,
    '  connection.output.append(encodeSuccess(connection, packet, sessionPresent));\n',
    `  connection.output.append(encodeSuccess(connection, packet, sessionPresent));
  connection.output.append(encodeSuccess(connection, packet, sessionPresent));
`,
  ]),
  planted(
    'refused-and-served-in-311',
    'what follows a refused CONNECT is not processed',
    { connect: ['what follows a refused CONNECT is not processed (3.1.1)'] },
    [START, "return connection.refuse('CLIENT_ID_INVALID');", "connection.refuse('CLIENT_ID_INVALID');"],
  ),
  planted(
    'refused-and-served-in-5',
    'what follows a refused CONNECT is not processed',
    { connect: ['what follows a refused CONNECT is not processed (5.0)'] },
    [
      AUTHENTICATION,
      "if (exchange === null) return connection.refuse('BAD_AUTHENTICATION_METHOD', `'${method}'`);",
      `if (exchange === null) {
    connection.socket.write(encodeConnack({ sessionPresent: false, reasonCode: ReasonCode.badAuthenticationMethod }, 5));
    return claim(connection, packet);
  }`,
    ],
    [AUTHENTICATION, '  encodeAuth,\n', '  encodeAuth,\n  encodeConnack,\n'],
  ),
  planted(
    'refused-and-open',
    'behind a refusing CONNACK the connection is closed',
    {
      connect: [
        'an empty client identifier without a clean session',
        'an authentication method that nobody knows',
        'a second connection with the client identifier',
      ],
      session: ['keep alive'],
    },
    [CONNECTION, '    this.socket.end();\n  }\n\n  /** Only 5.0 knows', '  }\n\n  /** Only 5.0 knows'],
  ),
  planted(
    'refused-with-session-present',
    'a refusing CONNACK has session present 0',
    { connect: ['an older protocol level', 'a newer protocol version', 'an empty client identifier without'] },
    [
      ENCODE,
      'sessionPresent && reasonCode === 0 && version !== 3',
      '(sessionPresent || reasonCode !== 0) && version !== 3',
    ],
  ),
  planted(
    'unknown-method-let-in',
    'an authentication method that nobody knows is refused',
    {
      connect: ['an authentication method that nobody knows', 'a refusal says why'],
      authentication: ['a method that the server does not have'],
    },
    [
      AUTHENTICATION,
      "if (exchange === null) return connection.refuse('BAD_AUTHENTICATION_METHOD', `'${method}'`);",
      'if (exchange === null) return claim(connection, packet);',
    ],
  ),
  planted(
    'unknown-method-another-code',
    'an unknown authentication method has 0x8c',
    {
      connect: ['an authentication method that nobody knows'],
      authentication: ['a method that the server does not have'],
    },
    [CLOSING, '    ReasonCode.badAuthenticationMethod,\n', '    ReasonCode.notAuthorized,\n'],
  ),
  planted(
    'method-that-nobody-asked-for',
    'without a method in CONNECT there is none in CONNACK',
    { connect: ['an authentication method that nobody knows'] },
    [
      START,
      '...(authentication !== null && { authenticationMethod: authentication.method }),',
      "authenticationMethod: authentication?.method ?? 'none',",
    ],
  ),
  planted(
    'receive-maximum-not-told',
    'CONNACK has the Receive Maximum',
    { connect: ['CONNACK says what the server can'] },
    [START, '      receiveMaximum: limits.receiveMaximum,\n', ''],
  ),
  planted(
    'topic-alias-maximum-not-told',
    'CONNACK has the Topic Alias Maximum',
    { connect: ['CONNACK says what the server can'] },
    [START, '      topicAliasMaximum: TOPIC_ALIAS_MAXIMUM,\n', ''],
  ),
  planted(
    'retain-said-to-be-missing',
    'CONNACK says that a feature is missing only where it is',
    { connect: ['CONNACK says what the server can'] },
    [
      START,
      '      topicAliasMaximum: TOPIC_ALIAS_MAXIMUM,\n',
      '      topicAliasMaximum: TOPIC_ALIAS_MAXIMUM,\n      retainAvailable: false,\n',
    ],
  ),
  planted(
    'server-keep-alive-not-told',
    'a server that uses another keep alive says so',
    { connect: ['CONNACK says what the server can'] },
    [START, '      ...(keepAliveSec !== packet.keepAliveSec && { serverKeepAliveSec: keepAliveSec }),\n', ''],
  ),
  planted(
    'response-information-not-asked-for',
    'Response Information is for clients that ask',
    { connect: ['CONNACK says what the server can'] },
    [
      START,
      'if (pattern === null || !packet.requestResponseInformation) return null;',
      'if (pattern === null) return null;',
    ],
  ),
  planted('refusal-without-reason-string', 'a refusal says why', { connect: ['a refusal says why'] }, [
    REFUSAL,
    'if (version === 5 && sentence !== null) {',
    "if (version === 5 && sentence !== null && sentence === '') {",
  ]),
  planted(
    'refusal-larger-than-taken',
    'no reason string that makes CONNACK too large',
    { connect: ['a refusal says why'] },
    [
      REFUSAL,
      '{ ...refusal, reasonString: sentence }, version);\n    if (packet.length <= maximumPacketSizeBytes) return packet;',
      '{ ...refusal, reasonString: sentence }, version);\n    return packet;',
    ],
  ),
  planted(
    'code-larger-than-taken',
    'nothing is sent that is larger than the client takes',
    { connect: ['a refusal says why'] },
    [REFUSAL, 'return packet.length <= maximumPacketSizeBytes ? packet : null;', 'return packet;'],
  ),
];

/** CONNECT and CONNACK. */
export const CONNECT: readonly Planted[] = [...TAKEN, ...ANSWERED];
