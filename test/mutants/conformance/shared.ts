import { type Planted, planted } from './planted.ts';

const SHARING = 'packages/broker/src/state/sharing.ts';
const ROUTING = 'packages/broker/src/state/routing.ts';
const COMMANDS = 'packages/broker/src/state/session-commands.ts';
const OUTGOING = 'packages/broker/src/connection/outgoing.ts';
const LISTENER = 'packages/node/src/listener/mqtt-listener.ts';
const WS_CLIENT = 'packages/node/src/listener/web-socket-client.ts';
const WS_STAGE = 'packages/node/src/listener/web-socket-stage.ts';

const GRANTED = 'each shared subscriber gets its own granted QoS';
const BEGUN = 'a QoS 2 delivery that was begun';
const REFUSED = 'a message that a shared subscriber refuses';
const UNSUBSCRIBED = 'who unsubscribes gets no new messages';
const TEXT = 'a frame that is not binary';
const SELECTED = 'the server selects the subprotocol';

/** Shared subscriptions, and WebSocket. */
export const SHARED: readonly Planted[] = [
  planted('shared-with-the-published-qos', 'each shared subscriber gets its granted QoS', { shared: [GRANTED] }, [
    SHARING,
    'const qos = message.qos < subscription.qos ? message.qos : subscription.qos;',
    'const qos = message.qos;',
  ]),
  planted('shared-with-two', 'a shared message goes to one', { shared: [GRANTED] }, [
    ROUTING,
    '    for (const group of groups) offer(state, sink, group, message, publisher);\n',
    `    for (const group of groups) {
      offer(state, sink, group, message, publisher);
      offer(state, sink, group, message, publisher);
    }
`,
  ]),
  planted('begun-and-given-to-another', 'a QoS 2 delivery that was begun goes to nobody else', { shared: [BEGUN] }, [
    SHARING,
    'if (item === null || (item.qos === 2 && item.state !== ItemState.queued)) continue;',
    'if (item === null) continue;',
  ]),
  planted(
    'refused-and-given-to-another',
    'what a shared subscriber refuses goes to nobody else',
    { shared: [REFUSED] },
    [
      OUTGOING,
      'Flight.awaitPuback) return;\n    this.#flights.delete(sequence);\n    this.#settle(sequence);',
      'Flight.awaitPuback) return;\n    this.#flights.delete(sequence);',
    ],
  ),
  planted(
    'not-given-to-another',
    'what a member had not acknowledged goes to another',
    { shared: ['QoS 1: what a client had not acknowledged', UNSUBSCRIBED] },
    [SHARING, 'if (!keeps && session.held > 0) takeBack(', 'if (keeps && session.held > 0) takeBack('],
  ),
  planted('unsubscribed-and-still-a-member', 'no new messages behind UNSUBSCRIBE', { shared: [UNSUBSCRIBED] }, [
    COMMANDS,
    '      leave(state, session, filter);\n',
    '',
  ]),
  planted(
    'unsubscribed-and-taken-away',
    'what is on its way is delivered to the end',
    { shared: [UNSUBSCRIBED] },
    [COMMANDS, 'import { dispatch,', 'import { disconnecting, dispatch,'],
    [COMMANDS, '      leave(state', '      disconnecting(state, sink, [session], false);\n      leave(state'],
  ),
  planted(
    'retained-and-shared',
    'no retained message comes with a shared subscription',
    { shared: ['no retained message comes'] },
    [
      COMMANDS,
      '      refill(state, sink, session);\n      continue;',
      "      refill(state, sink, session);\n      sendRetained(state, sink, session, { ...subscription, filter: filter.split('/').slice(2).join('/') });\n      continue;",
    ],
  ),
  planted('text-frames-taken', 'packets come in binary frames', { 'web-socket': [TEXT] }, [
    LISTENER,
    'if (isBinary) this.#receive(connection, data as Buffer);',
    'if (isBinary || data !== null) this.#receive(connection, data as Buffer);',
  ]),
  planted('text-frames-sent', 'the server sends binary frames', { 'web-socket': ['several packets in a frame'] }, [
    WS_CLIENT,
    'const ONE_FRAME = { binary: true,',
    'const ONE_FRAME = { binary: false,',
  ]),
  planted('no-subprotocol', 'the server selects the subprotocol mqtt', { 'web-socket': [SELECTED] }, [
    WS_STAGE,
    '(offered) => SUBPROTOCOLS.find((each) => offered.has(each)) ?? false,',
    '(offered) => SUBPROTOCOLS.find((each) => offered.has(`${each}5`)) ?? false,',
  ]),
  planted('first-subprotocol', 'the server selects mqtt among others', { 'web-socket': [SELECTED] }, [
    WS_STAGE,
    '(offered) => SUBPROTOCOLS.find((each) => offered.has(each)) ?? false,',
    '(offered) => [...offered][0] ?? false,',
  ]),
];
