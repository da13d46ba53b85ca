import { type Planted, planted } from './planted.ts';

const INCOMING = 'packages/broker/src/connection/incoming.ts';
const OUTGOING = 'packages/broker/src/connection/outgoing.ts';
const CONNECTION = 'packages/broker/src/connection/connection.ts';
const START = 'packages/broker/src/connection/session-start.ts';
const SUBSCRIBING = 'packages/broker/src/connection/subscribing.ts';
const CLOSING = 'packages/broker/src/connection/closing.ts';
const COMMANDS = 'packages/broker/src/state/session-commands.ts';
const ROUTING = 'packages/broker/src/state/routing.ts';
const QUEUE = 'packages/broker/src/state/queue.ts';
const ENCODE = 'packages/protocol/src/mqtt/encode.ts';

const IN1 = 'QoS 1 from a client: each';
const IN2 = 'QoS 2 from a client: until PUBREL';
const IN2_AGAIN = 'QoS 2 from a client, sent again over another node';
const OUT0 = 'QoS 0 to a client';
const OUT1 = 'QoS 1 to a client';
const OUT2 = 'QoS 2 to a client';
const ERROR = 'PUBACK and PUBREC with an error';
const WINDOW = 'Receive Maximum of a client: no more';
const EXCEEDED = 'a client that exceeds the Receive Maximum';
const CODES = 'acknowledgements: their reason codes';
const SMALL = 'Maximum Packet Size of a client: what is larger';
const ANSWERS = 'answers that are larger than the client takes';

/** Exchanges that a client begins. */
const INCOMING_SIDE: readonly Planted[] = [
  planted('dup-of-qos-1-dropped', 'a QoS 1 PUBLISH is a new message, DUP or not', { qos: [IN1] }, [
    INCOMING,
    '    const { grant } = connection;\n    if (grant !== null && !grant.mayPublish',
    "    if (qos === 1 && packet.dup) return connection.sendAck('puback', packetId, 0);\n    const { grant } = connection;\n    if (grant !== null && !grant.mayPublish",
  ]),
  planted(
    'puback-with-half-an-id',
    'PUBACK has the identifier of the PUBLISH',
    { qos: [IN1], publish: ['PUBLISH is answered as its QoS says'] },
    [
      INCOMING,
      "      connection.sendAck('puback', packetId, reasonCode);\n      return;",
      "      connection.sendAck('puback', packetId & 0xff, reasonCode);\n      return;",
    ],
  ),
  planted('pubrec-with-half-an-id', 'PUBREC has the identifier of the PUBLISH', { qos: [IN2] }, [
    INCOMING,
    "    connection.sendAck('pubrec', packetId, reasonCode);\n  }\n\n  pubrel",
    "    connection.sendAck('pubrec', packetId & 0xff, reasonCode);\n  }\n\n  pubrel",
  ]),
  planted('qos-2-delivered-twice', 'until PUBREL it is the same message', { qos: [IN2] }, [
    INCOMING,
    'if (qos === 2 && this.#exchanges.has(packetId)) {',
    'if (qos === 2 && this.#exchanges.has(-packetId)) {',
  ]),
  planted('repeated-qos-2-not-answered', 'each PUBLISH is answered by PUBREC', { qos: [IN2] }, [
    INCOMING,
    "      if (this.#exchanges.get(packetId) === true) connection.sendAck('pubrec', packetId, ReasonCode.success);\n",
    '',
  ]),
  planted('no-pubcomp', 'PUBREL is answered by PUBCOMP', { qos: [IN2] }, [
    INCOMING,
    "      connection.sendAck('pubcomp', packetId, reasonCode);\n      return;",
    '      return;',
  ]),
  planted('released-id-stays-in-use', 'behind PUBCOMP the identifier is a new message', { qos: [IN2] }, [
    INCOMING,
    'const known = this.#exchanges.delete(packetId);',
    'const known = this.#exchanges.has(packetId);',
  ]),
  planted(
    'unknown-release-a-success',
    'PUBCOMP has its reason code',
    { qos: [`${IN2} it is the same message, behind PUBCOMP a new one (5.0)`, CODES] },
    [
      INCOMING,
      'known || connection.version !== 5 ? ReasonCode.success : ReasonCode.packetIdentifierNotFound;\n      connection',
      'known || connection.version > 0 ? ReasonCode.success : ReasonCode.packetIdentifierNotFound;\n      connection',
    ],
  ),
  planted('qos-2-forgotten-on-the-way', 'a session knows its QoS 2 identifiers on any node', { qos: [IN2_AGAIN] }, [
    COMMANDS,
    '    if (session.incoming.has(packetId)) return MATCHED;\n',
    '',
  ]),
  planted('released-id-stays-in-the-session', 'behind PUBCOMP the identifier is a new message', { qos: [IN2_AGAIN] }, [
    COMMANDS,
    '    session.incoming.delete(command.packetId);\n',
    '',
  ]),
  planted(
    'expired-not-acknowledged',
    'QoS 2 is acknowledged to the end, expired or not',
    { qos: ['QoS 2 from a client is acknowledged to the end'] },
    [
      INCOMING,
      '    const { grant } = connection;\n    if (grant !== null && !grant.mayPublish',
      '    if (packet.properties?.messageExpiryIntervalSec === 0) return;\n    const { grant } = connection;\n    if (grant !== null && !grant.mayPublish',
    ],
  ),
  planted('receive-maximum-exceeded-by-one', 'no more than Receive Maximum is taken', { qos: [EXCEEDED] }, [
    INCOMING,
    'this.#unacknowledged >= broker.limits.receiveMaximum) {',
    'this.#unacknowledged > broker.limits.receiveMaximum) {',
  ]),
  planted('released-counts-on', 'PUBCOMP makes room', { qos: [EXCEEDED] }, [
    INCOMING,
    '    if (known) this.#unacknowledged--;\n',
    '',
  ]),
  planted('receive-maximum-another-code', 'a client that exceeds it gets 0x93', { qos: [EXCEEDED] }, [
    CLOSING,
    'RECEIVE_MAXIMUM_EXCEEDED: [ReasonCode.receiveMaximumExceeded,',
    'RECEIVE_MAXIMUM_EXCEEDED: [ReasonCode.quotaExceeded,',
  ]),
  planted('no-subscribers-not-told', 'PUBACK has its reason code', { qos: [CODES, WINDOW] }, [
    INCOMING,
    'reasonCode = ReasonCode.noMatchingSubscribers;',
    'reasonCode = ReasonCode.success;',
  ]),
];

/** Exchanges that the server begins. */
const OUTGOING_SIDE: readonly Planted[] = [
  planted(
    'published-qos-granted',
    'QoS 0 is sent with QoS 0',
    { qos: [OUT0], subscribe: ['a message has the lower of the QoS'] },
    [ROUTING, 'const grantedQoS = qos < target.qos ? qos : target.qos;', 'const grantedQoS = qos;'],
  ),
  planted('qos-0-twice', 'QoS 0 is sent once', { qos: [OUT0] }, [
    OUTGOING,
    '      output.append(bytes);\n',
    '      output.append(bytes);\n      output.append(bytes);\n',
  ]),
  planted(
    'again-without-dup',
    'what is sent again has DUP',
    { qos: [OUT1, OUT2, 'what was sent with QoS 2 is finished'], subscribe: ['UNSUBSCRIBE does not end'] },
    [OUTGOING, 'const dup = sequence < this.#resendBefore;', 'const dup = sequence < 0;'],
  ),
  planted('identifier-in-use-again', 'a new message has an unused identifier', { qos: [OUT1] }, [
    QUEUE,
    'return (sequence % PACKET_ID_SPAN) + 1;',
    'return (sequence % 2) + 1;',
  ]),
  planted('another-identifier-again', 'what is sent again keeps its identifier', { qos: [OUT1, OUT2] }, [
    OUTGOING,
    'this.#write(message, qos, retain, dup, packetIdOf(sequence),',
    'this.#write(message, qos, retain, dup, packetIdOf(sequence) + (dup ? 7 : 0),',
  ]),
  planted('not-sent-again', 'what is not acknowledged is sent again', { qos: [OUT1, OUT2] }, [
    OUTGOING,
    'this.#next = this.#queue.headSequence;',
    'this.#next = Math.max(this.#queue.headSequence, this.#resendBefore);',
  ]),
  planted('sent-again-meanwhile', 'nothing is sent again while the connection lasts', { qos: [OUT1] }, [
    OUTGOING,
    '    this.#beginning = false;\n    let checks',
    '    this.#next = queue.headSequence;\n    this.#beginning = false;\n    let checks',
  ]),
  planted('puback-of-a-client-ignored', 'PUBACK acknowledges', { qos: [OUT1] }, [
    OUTGOING,
    'Flight.awaitPuback) return;\n    this.#flights.delete(sequence);\n    this.#settle(sequence);',
    'Flight.awaitPuback) return;\n    this.#flights.delete(sequence);',
  ]),
  planted('no-pubrel', 'PUBREC is answered by PUBREL', { qos: [OUT2] }, [
    OUTGOING,
    'if (this.#flights.get(sequence) === Flight.committingPubrec) this.#sendPubrel(sequence);',
    'this.#flights.get(sequence);',
  ]),
  planted('publish-behind-pubrel', 'no PUBLISH behind PUBREL', { qos: [OUT2] }, [
    COMMANDS,
    '        queue.mark(sequence, ItemState.received);\n',
    '',
  ]),
  planted('pubrel-not-sent-again', 'PUBREL is unacknowledged until PUBCOMP', { qos: [OUT2] }, [
    OUTGOING,
    'if (item.state === ItemState.received) {\n',
    'if (item.state === ItemState.received) {\n      if (sequence < this.#resendBefore) return;\n',
  ]),
  planted('pubrel-without-its-flags', 'PUBREL has flags 0010', { qos: [OUT2] }, [
    ENCODE,
    'pubrel: 0x62,',
    'pubrel: 0x60,',
  ]),
  planted('pubcomp-of-a-client-ignored', 'PUBCOMP ends the exchange', { qos: [OUT2] }, [
    OUTGOING,
    'Flight.awaitPubcomp) return;\n    this.#flights.delete(sequence);\n    this.#settle(sequence);',
    'Flight.awaitPubcomp) return;\n    this.#flights.delete(sequence);',
  ]),
  planted('refused-by-pubrec-and-released', 'PUBREC of 0x80 or more ends the exchange', { qos: [ERROR] }, [
    OUTGOING,
    'if (reasonCode >= 0x80) {\n      this.#flights',
    'if (reasonCode > 0xff) {\n      this.#flights',
  ]),
  planted(
    'refused-by-puback-and-sent-again',
    'PUBACK of 0x80 or more acknowledges',
    { qos: [ERROR], shared: ['a message that a shared subscriber refuses'] },
    [
      CONNECTION,
      '        return this.outgoing?.puback(packet.packetId);',
      '        return packet.reasonCode < 0x80 ? this.outgoing?.puback(packet.packetId) : undefined;',
    ],
  ),
  planted('expired-on-the-way', 'what was sent does not expire', { qos: ['what was sent with QoS 2 is finished'] }, [
    OUTGOING,
    'if (message.expiresAtMs <= broker.clusterNowMs && !dup) return',
    'if (message.expiresAtMs <= broker.clusterNowMs) return',
  ]),
  planted(
    'newest-first',
    'messages come in the order of their publication',
    { qos: ['messages of one topic arrive in the order'] },
    [OUTGOING, '    let checks = CHECKS;\n', '    let checks = CHECKS;\n    const turn: (() => void)[] = [];\n'],
    [
      OUTGOING,
      '      if (item !== null) this.#send(sequence, item);\n    }\n',
      '      if (item !== null) turn.unshift(() => this.#send(sequence, item));\n    }\n    for (const send of turn) send();\n',
    ],
  ),
];

/** Flow control, sizes and acknowledgements. */
const BOUNDS: readonly Planted[] = [
  planted('window-of-the-server', 'no more is sent than the client receives', { qos: [WINDOW] }, [
    START,
    'const window = Math.min(packet.receiveMaximum, limits.maxInflightMessages);',
    'const window = limits.maxInflightMessages;',
  ]),
  planted('pubrec-makes-room', 'PUBCOMP makes room, not PUBREC', { qos: [WINDOW] }, [
    OUTGOING,
    'while (this.#next < queue.nextSequence && this.#flights.size < this.#window) {',
    `while (
      this.#next < queue.nextSequence &&
      [...this.#flights.values()].filter((flight) => flight !== Flight.awaitPubcomp).length < this.#window
    ) {`,
  ]),
  planted('puback-makes-no-room', 'PUBACK makes room', { qos: [WINDOW] }, [
    OUTGOING,
    'Flight.awaitPuback) return;\n    this.#flights.delete(sequence);',
    'Flight.awaitPuback) return;',
  ]),
  planted('qos-0-waits-for-room', 'a quota of 0 holds back nothing else', { qos: [WINDOW] }, [
    OUTGOING,
    '    const plain = identifiers === null && message.expiresAtMs',
    '    if (this.#flights.size >= this.#window) return;\n    const plain = identifiers === null && message.expiresAtMs',
  ]),
  planted('puback-with-a-reason-string', 'no reason string unless it was asked for', { qos: [CODES] }, [
    CONNECTION,
    '    const at = this.output.reserve(5);\n',
    `    if (type === 'puback' && this.version === 5) {
      const [high, low] = [packetId >> 8, packetId & 0xff];
      this.output.append(Buffer.from([0x40, 8, high, low, reasonCode, 4, 0x1f, 0, 1, 0x78]));
      return this.markDirty();
    }
    const at = this.output.reserve(5);
`,
  ]),
  planted('pubrel-with-a-user-property', 'no user property unless it was asked for', { qos: [CODES] }, [
    CONNECTION,
    '    const at = this.output.reserve(5);\n',
    `    if (type === 'pubrel' && this.version === 5) {
      const [high, low] = [packetId >> 8, packetId & 0xff];
      this.output.append(Buffer.from([0x62, 9, high, low, reasonCode, 5, 0x26, 0, 0, 0, 0]));
      return this.markDirty();
    }
    const at = this.output.reserve(5);
`,
  ]),
  planted('suback-with-a-reason-string', 'SUBACK and UNSUBACK have no reason string', { qos: [CODES] }, [
    ENCODE,
    'const NO_PROPERTIES = Buffer.from([0]);',
    'const NO_PROPERTIES = Buffer.from([4, 0x1f, 0, 1, 0x78]);',
  ]),
  planted('no-property-length', 'the length of no properties is there', { qos: [CODES] }, [
    ENCODE,
    'const NO_PROPERTIES = Buffer.from([0]);',
    'const NO_PROPERTIES = Buffer.from([]);',
  ]),
  planted('unknown-pubrec-not-answered', 'PUBREL has its reason code', { qos: [CODES] }, [
    OUTGOING,
    "      if (flight === undefined && reasonCode < 0x80) this.#connection.sendAck('pubrel', packetId, 0x92);\n",
    '',
  ]),
  planted('larger-than-taken', 'what is larger than the client takes is not sent', { qos: [SMALL] }, [
    OUTGOING,
    '    if (sizeBytes > this.#maximumPacketSizeBytes) return false;\n',
    '',
  ]),
  planted('too-large-and-kept', 'what is too large counts as sent', { qos: [SMALL] }, [
    OUTGOING,
    "return this.#skip(sequence, 'packet_too_large_for_client');",
    'return;',
  ]),
  planted('connack-larger-than-taken', 'CONNACK is no larger than the client takes', { qos: [ANSWERS] }, [
    START,
    "      return connection.refuse('ANSWER_TOO_LARGE');\n",
    '',
  ]),
  planted('suback-larger-than-taken', 'SUBACK is no larger than the client takes', { qos: [ANSWERS] }, [
    SUBSCRIBING,
    "if (!answerFits(connection, packet.subscriptions.length)) return connection.fail('ANSWER_TOO_LARGE', 'SUBACK');",
    'answerFits(connection, packet.subscriptions.length);',
  ]),
];

/** Quality of service. */
export const DELIVERY: readonly Planted[] = [...INCOMING_SIDE, ...OUTGOING_SIDE, ...BOUNDS];
