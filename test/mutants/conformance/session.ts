import { type Planted, planted } from './planted.ts';

const CONNECTION = 'packages/broker/src/connection/connection.ts';
const START = 'packages/broker/src/connection/session-start.ts';
const REFUSAL = 'packages/broker/src/connection/refusal.ts';
const CLOSING = 'packages/broker/src/connection/closing.ts';
const LIFECYCLE = 'packages/broker/src/state/session-lifecycle.ts';
const ROUTING = 'packages/broker/src/state/routing.ts';
const DECODE = 'packages/protocol/src/mqtt/decode-connect.ts';
const ENCODE = 'packages/protocol/src/mqtt/encode.ts';
const FRAMER = 'packages/protocol/src/mqtt/framer.ts';

const KEPT = 'a session that is kept';
const CLEAN = 'a clean start discards';
const LASTS = 'a session is there while its connection is';
const ANOTHER_EXPIRY = 'DISCONNECT may set another session expiry';
const WILL = 'a will is published when the connection is lost';
const GOODBYE = 'DISCONNECT takes the will away';
const DELAYED = 'a delayed will';
const KEEP_ALIVE = 'keep alive: silence';
const LAST = 'the DISCONNECT of the server is its last packet';
const STREAM = 'TCP is a stream of bytes';
const FRAMES = 'several packets in a frame';

/** Session state. */
const SESSIONS: readonly Planted[] = [
  planted('sessions-end-with-connections', 'a kept session is there on the next connection', { session: [KEPT] }, [
    LIFECYCLE,
    '  if (expiryIntervalSec === 0) {\n',
    '  if (expiryIntervalSec >= 0) {\n',
  ]),
  planted('session-present-never', 'a stored session is told', { session: [KEPT] }, [
    LIFECYCLE,
    'const sessionPresent = session !== undefined;',
    'const sessionPresent = false;',
  ]),
  planted('session-present-always', 'a new session is told', { session: [KEPT, CLEAN] }, [
    LIFECYCLE,
    'const sessionPresent = session !== undefined;',
    'const sessionPresent = true;',
  ]),
  planted('nothing-kept-for-the-absent', 'messages are kept while the client is away', { session: [KEPT] }, [
    ROUTING,
    '  if (qos === 0 || queue === null) {\n',
    '  if (session.owner === null) return;\n  if (qos === 0 || queue === null) {\n',
  ]),
  planted('clean-start-ignored', 'a clean start discards the old session', { session: [CLEAN] }, [
    LIFECYCLE,
    'const ends = command.cleanStart || (',
    'const ends = (',
  ]),
  planted(
    'clean-session-kept-in-311',
    'nothing of a clean session is used again',
    { session: [`${CLEAN} what was there (3.1.1)`] },
    [
      START,
      'return packet.cleanStart ? 0 : limits.sessionExpiryIntervalFor3xSec;',
      'return limits.sessionExpiryIntervalFor3xSec;',
    ],
  ),
  planted(
    'session-without-expiry-kept-in-5',
    'a session without expiry ends with its connection',
    { session: [`${CLEAN} what was there (5.0)`] },
    [DECODE, 'properties?.sessionExpiryIntervalSec ?? 0,', 'properties?.sessionExpiryIntervalSec ?? 300,'],
  ),
  planted('session-gone-while-connected', 'session state is there while the connection is', { session: [LASTS] }, [
    ROUTING,
    '  if (qos === 0 || queue === null) {\n',
    '  if (queue !== null && session.owner !== null) return;\n  if (qos === 0 || queue === null) {\n',
  ]),
  planted(
    'sessions-never-expire',
    'a session ends when its interval is over',
    { session: [`${LASTS}, and in 5.0 until its expiry interval is over (5.0)`] },
    [
      LIFECYCLE,
      'if (expiryIntervalSec !== NEVER_EXPIRES) session.expiresAtMs',
      'if (expiryIntervalSec > 1e6 && expiryIntervalSec !== NEVER_EXPIRES) session.expiresAtMs',
    ],
  ),
  planted(
    'will-lost-with-its-session',
    'a delayed will comes at the end of its session',
    { session: [`${LASTS}, and in 5.0 until its expiry interval is over (5.0)`] },
    [
      LIFECYCLE,
      '      publishWill(state, sink, session);\n      endSession(state, session);\n    }\n    state.effort++;',
      '      endSession(state, session);\n    }\n    state.effort++;',
    ],
  ),
  planted('expiry-at-disconnect-ignored', 'DISCONNECT may set another interval', { session: [ANOTHER_EXPIRY] }, [
    LIFECYCLE,
    '    session.expiryIntervalSec = sessionExpiryIntervalSec;\n',
    '',
  ]),
  planted('expiry-out-of-nothing', 'DISCONNECT gives no interval to a session without', { session: [ANOTHER_EXPIRY] }, [
    CONNECTION,
    "if (expiry !== null && expiry > 0 && this.session?.expiryIntervalSec === 0) return this.fail('EXPIRY_INVALID');",
    '',
  ]),
];

/** Wills. */
const WILLS: readonly Planted[] = [
  planted('will-never', 'a will is published when the connection is lost', { session: [WILL] }, [
    LIFECYCLE,
    '  if (will !== null) route(state, sink, session, will);\n',
    '',
  ]),
  planted('will-twice', 'a published will is removed', { session: [WILL] }, [
    LIFECYCLE,
    '  if (will !== null) route(state, sink, session, will);\n',
    '  if (will !== null) for (let count = 0; count < 2; count++) route(state, sink, session, will);\n',
  ]),
  planted('will-with-qos-0', 'a will has its QoS', { session: [WILL] }, [
    LIFECYCLE,
    '  if (will !== null) route(state, sink, session, will);\n',
    '  if (will !== null) route(state, sink, session, { ...will, qos: 0 });\n',
  ]),
  planted('will-not-retained', 'a will with retain is retained', { session: [WILL] }, [
    LIFECYCLE,
    '  if (will !== null) route(state, sink, session, will);\n',
    '  if (will !== null) route(state, sink, session, { ...will, retain: false });\n',
  ]),
  planted('will-always-retained', 'a will without retain is not retained', { session: [WILL] }, [
    LIFECYCLE,
    '  if (will !== null) route(state, sink, session, will);\n',
    '  if (will !== null) route(state, sink, session, { ...will, retain: true });\n',
  ]),
  planted(
    'will-of-an-earlier-connection',
    'without the Will Flag no will is published',
    { session: [WILL] },
    [LIFECYCLE, '  session.will = null;\n  session.willAtMs = Number.POSITIVE_INFINITY;\n  if (will', '  if (will'],
    [LIFECYCLE, '      session.will = null;\n      session.willAtMs', '      session.willAtMs'],
    [
      LIFECYCLE,
      'session.will = command.will === null ? null :',
      'session.will = command.will === null ? session.will :',
    ],
  ),
  planted('will-in-spite-of-disconnect', 'DISCONNECT takes the will away', { session: [GOODBYE] }, [
    LIFECYCLE,
    '  if (!command.publishWill) session.will = null;\n',
    '',
  ]),
  planted(
    'disconnect-with-will-without',
    'DISCONNECT 0x04 leaves the will',
    { session: [`${GOODBYE}; a protocol error and a takeover do not (5.0)`] },
    [
      CONNECTION,
      'this.#goodbye(packet.reasonCode !== ReasonCode.normalDisconnection, kept);',
      'this.#goodbye(false, kept);',
    ],
  ),
  planted('no-will-of-a-wrong-client', 'a protocol error leaves the will', { session: [GOODBYE] }, [
    CONNECTION,
    "this.#leave(true, null);\n    this.#close('protocol_error');",
    "this.#leave(false, null);\n    this.#close('protocol_error');",
  ]),
  planted('no-will-of-the-taken-over', 'a takeover leaves the will', { session: [GOODBYE] }, [
    LIFECYCLE,
    '      if (previousOwner !== null && session.will?.delayIntervalSec === 0) publishWill(state, sink, session);\n',
    '',
  ]),
  planted('will-without-delay', 'a delayed will waits', { session: [DELAYED] }, [
    LIFECYCLE,
    'if (will.delayIntervalSec === 0) publishWill',
    'if (will.delayIntervalSec >= 0) publishWill',
  ]),
  planted('will-in-spite-of-return', 'a delayed will is not sent when the client comes back', { session: [DELAYED] }, [
    LIFECYCLE,
    'if (previousOwner !== null && session.will?.delayIntervalSec === 0) publishWill',
    'if (session.will !== null) publishWill',
  ]),
  planted('will-lost-by-a-clean-start', 'a delayed will comes when its session ends', { session: [DELAYED] }, [
    LIFECYCLE,
    '    if (ends) {\n      publishWill(state, sink, session);\n',
    '    if (ends) {\n',
  ]),
  planted('delay-without-end', 'a delayed will comes after its delay', { session: [DELAYED] }, [
    LIFECYCLE,
    '      publishWill(state, sink, session);\n    } else {',
    '    } else {',
  ]),
];

/** The end of a connection, and the stream below it. */
const ENDS: readonly Planted[] = [
  planted('no-keep-alive', 'silence ends the connection', { session: [KEEP_ALIVE] }, [
    CONNECTION,
    'silentMs > this.keepAliveSec * 1500',
    'silentMs > this.keepAliveSec * 150_000',
  ]),
  planted('keep-alive-to-the-second', 'a client has one and a half times its keep alive', { session: [KEEP_ALIVE] }, [
    CONNECTION,
    'silentMs > this.keepAliveSec * 1500',
    'silentMs > this.keepAliveSec * 1000',
  ]),
  planted(
    'keep-alive-another-code',
    'DISCONNECT has 0x8d',
    { session: ['ends the connection as if the network had failed (5.0)'] },
    [CLOSING, 'KEEP_ALIVE_TIMEOUT: [ReasonCode.keepAliveTimeout,', 'KEEP_ALIVE_TIMEOUT: [ReasonCode.unspecifiedError,'],
  ),
  planted('no-will-of-the-silent', 'silence is as a network failure', { session: [KEEP_ALIVE] }, [
    CONNECTION,
    'this.#leave(true, null);\n    this.#close(reason.toLowerCase());',
    'this.#leave(false, null);\n    this.#close(reason.toLowerCase());',
  ]),
  planted('disconnect-larger-than-taken', 'no reason string that makes DISCONNECT too large', { session: [LAST] }, [
    REFUSAL,
    '  if (packet.length <= maximumPacketSizeBytes) return packet;\n  const referral',
    '  if (packet.length > 0) return packet;\n  const referral',
  ]),
  planted('disconnect-with-expiry', 'no Session Expiry Interval from the server', { session: [LAST] }, [
    ENCODE,
    'return packet(DISCONNECT, [Buffer.from([reasonCode]), propertySection(properties)]);',
    'properties.push(Buffer.from([0x11, 0, 0, 0, 1]));\n  return packet(DISCONNECT, [Buffer.from([reasonCode]), propertySection(properties)]);',
  ]),
  planted('disconnect-with-a-user-property', 'no user property that makes DISCONNECT too large', { session: [LAST] }, [
    ENCODE,
    'return packet(DISCONNECT, [Buffer.from([reasonCode]), propertySection(properties)]);',
    'properties.push(Buffer.from([0x26, 0, 0, 0, 0]));\n  return packet(DISCONNECT, [Buffer.from([reasonCode]), propertySection(properties)]);',
  ]),
  planted('packets-behind-disconnect', 'behind DISCONNECT nothing is sent', { session: [LAST] }, [
    CONNECTION,
    '    socket.end();\n  }\n\n  /**\n   * DISCONNECT.',
    '    this.#send(PINGRESP);\n    socket.end();\n  }\n\n  /**\n   * DISCONNECT.',
  ]),
  planted('open-behind-disconnect', 'behind DISCONNECT the connection is closed', { session: [LAST] }, [
    CONNECTION,
    '    socket.end();\n  }\n\n  /**\n   * DISCONNECT.',
    '  }\n\n  /**\n   * DISCONNECT.',
  ]),
  planted('fixed-header-in-one-piece', 'a packet may come in pieces', { session: [STREAM], 'web-socket': [FRAMES] }, [
    FRAMER,
    'let seen = this.fixedHeaderBytes;',
    'let seen = 0;',
  ]),
  planted('one-packet-a-chunk', 'packets may come together', { session: [STREAM], 'web-socket': [FRAMES] }, [
    FRAMER,
    'this.end = this.position += missing;',
    'this.end = this.start + missing;\n      this.position = this.chunk.length;',
  ]),
];

/** Sessions, wills, keep alive and the end of a connection. */
export const SESSION: readonly Planted[] = [...SESSIONS, ...WILLS, ...ENDS];
