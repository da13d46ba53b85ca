import { type Planted, planted } from './planted.ts';

const SUBSCRIBING = 'packages/broker/src/connection/subscribing.ts';
const INCOMING = 'packages/broker/src/connection/incoming.ts';
const OUTGOING = 'packages/broker/src/connection/outgoing.ts';
const CONNECTION = 'packages/broker/src/connection/connection.ts';
const COMMANDS = 'packages/broker/src/state/session-commands.ts';
const ROUTING = 'packages/broker/src/state/routing.ts';
const ENCODE = 'packages/protocol/src/mqtt/encode.ts';
const PROPERTIES = 'packages/protocol/src/mqtt/properties.ts';

const SUBACK = 'one SUBACK with the identifier';
const QUOTA = 'more subscriptions than a client may have';
const AGAIN = 'the same filter again replaces';
const LOWER = 'a message has the lower of the QoS';
const IDENTIFIER = 'a Subscription Identifier may have any value';
const UNSUBSCRIBE = 'UNSUBSCRIBE takes away what is the same';

/** SUBSCRIBE, UNSUBSCRIBE and PINGREQ. */
export const SUBSCRIBE: readonly Planted[] = [
  planted('suback-with-half-an-id', 'SUBACK has the identifier of the SUBSCRIBE', { subscribe: [SUBACK] }, [
    SUBSCRIBING,
    'encodeSuback(pending.packetId, reasonCodes, version)',
    'encodeSuback(pending.packetId & 0xff, reasonCodes, version)',
  ]),
  planted('no-suback', 'SUBSCRIBE is answered', { subscribe: [SUBACK] }, [
    SUBSCRIBING,
    '    connection.output.append(encodeSuback(pending.packetId, reasonCodes, version));\n',
    '',
  ]),
  planted('suback-for-each-filter', 'several filters have one SUBACK', { subscribe: [SUBACK] }, [
    SUBSCRIBING,
    'connection.output.append(encodeSuback(pending.packetId, reasonCodes, version));',
    'for (const code of reasonCodes) connection.output.append(encodeSuback(pending.packetId, [code], version));',
  ]),
  planted('suback-in-another-order', 'the codes are in the order of the filters', { subscribe: [SUBACK] }, [
    SUBSCRIBING,
    'encodeSuback(pending.packetId, reasonCodes, version)',
    'encodeSuback(pending.packetId, reasonCodes.reverse(), version)',
  ]),
  planted('suback-with-one-code', 'SUBACK has a code for each filter', { subscribe: [SUBACK] }, [
    ENCODE,
    'const codes = Buffer.from(reasonCodes);',
    'const codes = Buffer.from(reasonCodes.slice(0, 1));',
  ]),
  planted(
    'suback-of-311-with-codes-of-5',
    'SUBACK of 3.1.1 has no codes but 0, 1, 2 and 0x80',
    {
      subscribe: [
        `${SUBACK} of the SUBSCRIBE and a code for each filter in their order (3.1.1)`,
        `${QUOTA} are refused one by one (3.1.1)`,
      ],
    },
    [ENCODE, 'codes[i] = version === 4 ? FAILURE : 0;', 'codes[i] = version === 4 ? codes[i]! : 0;'],
  ),
  planted('first-of-the-same-filter', 'filters are handled as several packets', { subscribe: [SUBACK] }, [
    COMMANDS,
    '    state.subscriptions.set(session, subscription);\n',
    '    if (isNew) state.subscriptions.set(session, subscription);\n',
  ]),
  planted('any-number-of-subscriptions', 'a filter that is refused gets a failure', { subscribe: [QUOTA] }, [
    SUBSCRIBING,
    'if (room <= 0 && !connection',
    'if (room < -1000 && !connection',
  ]),
  planted('full-and-unchangeable', 'a subscription that is there may be replaced', { subscribe: [QUOTA] }, [
    SUBSCRIBING,
    'if (room <= 0 && !connection.session?.subscriptions.has(filter)) return',
    'if (room <= 0) return',
  ]),
  planted('retained-not-again', 'a replaced subscription gets retained messages again', { subscribe: [AGAIN] }, [
    COMMANDS,
    'if (retainHandling === 0 || (retainHandling === 1 && isNew))',
    'if (retainHandling < 2 && isNew)',
  ]),
  planted('messages-lost-at-replacement', 'replacing a subscription loses nothing', { subscribe: [AGAIN] }, [
    COMMANDS,
    '    state.subscriptions.set(session, subscription);\n',
    '    if (isNew) state.subscriptions.set(session, subscription);\n    else state.subscriptions.delete(session, filter);\n',
  ]),
  planted('messages-doubled-at-replacement', 'replacing a subscription doubles nothing', { subscribe: [AGAIN] }, [
    ROUTING,
    '    const grantedQoS = qos < target.qos ? qos : target.qos;\n',
    `    const grantedQoS = qos < target.qos ? qos : target.qos;
    if (!retain) handOver(state, sink, target.session, message, grantedQoS, false, target.subscriptionIdentifiers);
`,
  ]),
  planted('higher-qos', 'messages have the lower QoS', { subscribe: [LOWER] }, [
    ROUTING,
    'const grantedQoS = qos < target.qos ? qos : target.qos;',
    'const grantedQoS = qos > target.qos ? qos : target.qos;',
  ]),
  planted('granted-qos-not-told', 'SUBACK has the granted QoS', { subscribe: [SUBACK, LOWER] }, [
    COMMANDS,
    'reasonCodes.push(qos);',
    'reasonCodes.push(0);',
  ]),
  planted('identifiers-of-two-bytes', 'an identifier may have any value', { subscribe: [IDENTIFIER] }, [
    PROPERTIES,
    'notZero(reader.variableInteger(), id);',
    'notZero(reader.variableInteger() & 0xffff, id);',
  ]),
  planted('identifier-stays', 'a replacement without identifier takes it away', { subscribe: [IDENTIFIER] }, [
    COMMANDS,
    'const identifier = command.subscriptionIdentifier;',
    'const identifier = command.subscriptionIdentifier ?? session.subscriptions.get(filter)?.identifier ?? null;',
  ]),
  planted(
    'identifiers-not-sent',
    'identifiers are sent',
    { subscribe: [IDENTIFIER] },
    [OUTGOING, 'subscriptionIdentifiers: identifiers ?? [],', 'subscriptionIdentifiers: [],'],
    [OUTGOING, 'const plain = identifiers === null &&', 'const plain ='],
  ),
  planted('unsubscribed-and-served', 'no new messages for a deleted subscription', { subscribe: [UNSUBSCRIBE] }, [
    COMMANDS,
    '    } else state.subscriptions.delete(session, filter);\n',
    '    }\n',
  ]),
  planted('no-unsuback', 'UNSUBSCRIBE is answered', { subscribe: [UNSUBSCRIBE] }, [
    SUBSCRIBING,
    '    connection.output.append(encodeUnsuback(pending.packetId, reasonCodes, version));\n',
    '',
  ]),
  planted('unsuback-with-half-an-id', 'UNSUBACK has the identifier of the UNSUBSCRIBE', { subscribe: [UNSUBSCRIBE] }, [
    SUBSCRIBING,
    'encodeUnsuback(pending.packetId, reasonCodes',
    'encodeUnsuback(pending.packetId & 0xff, reasonCodes',
  ]),
  planted('unsubscribed-by-matching', 'filters are compared character by character', { subscribe: [UNSUBSCRIBE] }, [
    COMMANDS,
    '    if (!session.subscriptions.delete(filter)) return ReasonCode.noSubscriptionExisted;\n',
    `    for (const other of [...session.subscriptions.keys()]) {
      if (other === filter || !topicMatches(filter, other)) continue;
      session.subscriptions.delete(other);
      state.subscriptions.delete(session, other);
    }
    if (!session.subscriptions.delete(filter)) return ReasonCode.noSubscriptionExisted;
`,
  ]),
  planted(
    'unsubscribed-from-nothing',
    'UNSUBACK has its reason codes',
    { subscribe: [`${UNSUBSCRIBE} character by character, and is answered in any case (5.0)`] },
    [COMMANDS, 'return ReasonCode.noSubscriptionExisted;', 'return ReasonCode.success;'],
  ),
  planted(
    'unsuback-of-311-with-codes',
    'UNSUBACK of 3.1.1 has no codes',
    { subscribe: [`${UNSUBSCRIBE} character by character, and is answered in any case (3.1.1)`] },
    [
      ENCODE,
      'version === 5 ? [NO_PROPERTIES, Buffer.from(reasonCodes)] : []',
      'version === 5 ? [NO_PROPERTIES, Buffer.from(reasonCodes)] : [Buffer.from(reasonCodes)]',
    ],
  ),
  planted(
    'unsubscribe-empties-the-queue',
    'UNSUBSCRIBE does not end a delivery',
    { subscribe: ['UNSUBSCRIBE does not end the delivery'] },
    [
      COMMANDS,
      '  state.changingSession(session);\n  const reasonCodes = command.filters',
      `  state.changingSession(session);
  const { queue } = session;
  if (queue !== null) {
    state.changingQueue(session);
    for (let at = queue.headSequence; at < queue.nextSequence; at++) {
      const item = session.settle(queue, at);
      if (item !== null) state.release(item.message);
    }
  }
  const reasonCodes = command.filters`,
    ],
  ),
  planted('no-pingresp', 'PINGREQ is answered', { subscribe: ['every PINGREQ is answered'] }, [
    CONNECTION,
    '        this.output.append(PINGRESP);\n',
    '',
  ]),
  planted(
    'sys-for-everybody',
    'what is not allowed closes the connection of 3.1.1',
    { subscribe: ['a PUBLISH that is not allowed'] },
    [INCOMING, "if (topic.startsWith('$SYS/')) {", "if (topic === '$SYS/') {"],
  ),
  planted(
    'room-without-end',
    'a packet without room closes the connection',
    { subscribe: ['a packet for which there is no room'] },
    [SUBSCRIBING, 'const MAX_PENDING = 1024;', 'const MAX_PENDING = 1024 * 1024;'],
  ),
];
