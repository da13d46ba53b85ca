import { type Planted, planted } from './planted.ts';

const ROUTING = 'packages/broker/src/state/routing.ts';
const COMMANDS = 'packages/broker/src/state/session-commands.ts';
const LIFECYCLE = 'packages/broker/src/state/session-lifecycle.ts';
const TABLE = 'packages/broker/src/state/subscription-table.ts';

const NEWEST = 'the newest retained message of a topic';
const EMPTY = 'an empty retained message is delivered';
const WITHOUT = 'a message without RETAIN neither';
const HANDLING = 'Retain Handling: always';
const AS_PUBLISHED = 'Retain As Published';

/** Retained messages. */
export const RETAINED: readonly Planted[] = [
  planted('qos-0-not-retained', 'QoS 0 is retained too', { publish: [NEWEST] }, [
    ROUTING,
    '  state.retained.set(message.topic, message);\n',
    '  if (message.qos > 0) state.retained.set(message.topic, message);\n',
  ]),
  planted('first-retained-stays', 'the last retained message is kept', { publish: [NEWEST] }, [
    ROUTING,
    'if (replaced !== undefined) sink.retainedChanging?.(replaced);',
    'if (replaced !== undefined) return true;',
  ]),
  planted('retained-without-qos', 'a retained message keeps its QoS', { publish: [NEWEST] }, [
    COMMANDS,
    'const qos = message.qos < subscription.qos ? message.qos : subscription.qos;',
    'const qos = 0;',
  ]),
  planted('retained-without-flag', 'what comes with a new subscription has RETAIN', { publish: [NEWEST] }, [
    COMMANDS,
    '    handOver(state, sink, session, message, qos, true, identifiers);\n  }\n}',
    '    handOver(state, sink, session, message, qos, false, identifiers);\n  }\n}',
  ]),
  planted('live-with-flag', 'what matches a subscription that is there has no RETAIN', { publish: [NEWEST] }, [
    ROUTING,
    'retain && target.retainAsPublished,',
    'retain,',
  ]),
  planted(
    'retained-never-sent',
    'a new subscription gets retained messages',
    { publish: [NEWEST, 'retained messages outlive'] },
    [COMMANDS, 'if (retainHandling === 0 || (retainHandling === 1 && isNew))', 'if (retainHandling === 1 && isNew)'],
  ),
  planted('empty-and-retained', 'an empty message is not retained', { publish: [EMPTY] }, [
    ROUTING,
    'if (message.payload.length === 0) {',
    "if (message.payload.length === 0 && message.topic === '') {",
  ]),
  planted('empty-removes-nothing', 'an empty retained message removes the retained one', { publish: [EMPTY] }, [
    ROUTING,
    '      state.retained.delete(message.topic);\n',
    '',
  ]),
  planted('empty-not-delivered', 'an empty retained message is delivered', { publish: [EMPTY] }, [
    ROUTING,
    '  state.effort += targets.length;\n',
    "  if (retain && payload.length === 0) return 'noMatch';\n  state.effort += targets.length;\n",
  ]),
  planted(
    'everything-retained',
    'without RETAIN nothing is stored',
    { publish: [WITHOUT] },
    [ROUTING, 'if (!matched && !retain) return', 'if (!matched && payload === null) return'],
    [ROUTING, 'if (retain && !keepRetained(', 'if (!keepRetained('],
  ),
  planted(
    'empty-without-retain-removes',
    'without RETAIN nothing is removed',
    { publish: [WITHOUT] },
    [ROUTING, 'if (!matched && !retain) return', 'if (!matched && !retain && payload.length > 0) return'],
    [ROUTING, 'if (retain && !keepRetained(', 'if ((retain || payload.length === 0) && !keepRetained('],
  ),
  planted(
    'retained-end-with-a-session',
    'retained messages are not part of a session',
    { publish: ['retained messages outlive'] },
    [
      LIFECYCLE,
      '  state.removingSession(session);\n',
      `  state.removingSession(session);
  const topics: string[] = [];
  state.retained.forEach(({ topic }) => topics.push(topic));
  for (const topic of topics) state.retained.delete(topic);
`,
    ],
  ),
  planted('retain-handling-never-ignored', 'Retain Handling 2 brings nothing', { publish: [HANDLING] }, [
    COMMANDS,
    'if (retainHandling === 0 || (retainHandling === 1 && isNew))',
    'if (retainHandling !== 1 || isNew)',
  ]),
  planted('retain-handling-new-ignored', 'Retain Handling 1 is for new subscriptions', { publish: [HANDLING] }, [
    COMMANDS,
    '(retainHandling === 1 && isNew)',
    'retainHandling === 1',
  ]),
  planted('retained-once-for-each-filter', 'Retain Handling 0 brings them each time', { publish: [HANDLING] }, [
    COMMANDS,
    'if (retainHandling === 0 || (retainHandling === 1 && isNew))',
    'if (retainHandling < 2 && isNew)',
  ]),
  planted('retain-as-published-ignored', 'Retain As Published keeps the flag', { publish: [AS_PUBLISHED] }, [
    TABLE,
    '    if (subscription.retainAsPublished) retainAsPublished = true;\n',
    '',
  ]),
  planted('retain-as-published-always', 'without Retain As Published the flag is 0', { publish: [AS_PUBLISHED] }, [
    TABLE,
    'if (subscription.retainAsPublished) retainAsPublished = true;',
    'retainAsPublished = true;',
  ]),
];
