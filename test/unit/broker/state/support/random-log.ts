import {
  type ByteWriter,
  defaultLimits,
  FULL_QUEUE_POLICIES,
  type LimitName,
  NEVER_EXPIRES,
  SHARED_STRATEGIES,
  writeBegin,
  writeCheckpoint,
  writeClusterInit,
  writeDisconnect,
  writeDocument,
  writeMember,
  writeMemberRemoved,
  writeNodeDown,
  writePublish,
  writePubrel,
  writeSettings,
  writeSettle,
  writeSharedStrategy,
  writeSubscribe,
  writeTick,
  writeUnsubscribe,
} from '@quorate/broker';
import type { MessageProperties } from '@quorate/protocol';
import fc from 'fast-check';
import { type Bench, connectCommand } from './log.ts';

/* Random histories of a small cluster: few clients, topics and identifiers, so that everything meets everything. */

const NODES = ['a', 'b', 'c'];
export const CLIENTS = ['c0', 'c1', 'c2', 'c3'];
export const TOPICS = ['t', 't/1', 't/1/x', '$t', 'u'];
const COLLECTIONS = [1, 3];
const DOCUMENTS = ['d', 'ä'];
const SHARED = ['$share/g/t', '$share/g/t/#', '$share/h/t/#', '$share/g/u'];
const FILTERS = ['t', 't/1', 't/+', 't/#', '#', '+/1/#', '$t', 'u', ...SHARED, ...SHARED, ...SHARED, ...SHARED];
const COUNT_LIMITS: readonly LimitName[] = [
  'queuedMessagesPerSession',
  'queuedMessagesPerGroup',
  'sharedInflightPerSession',
  'retainedMessages',
];
const BYTE_LIMITS: readonly LimitName[] = ['queuedBytesPerSession', 'queuedBytesPerGroup', 'retainedBytes'];

const node = fc.constantFrom(...NODES);
const client = fc.constantFrom(...CLIENTS);
const topic = fc.constantFrom(...TOPICS);
const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const expirySec = fc.constantFrom(0, 0, 2, 1000, 1000, NEVER_EXPIRES);
const payload = fc.constantFrom('', 'x', 'payload').map((text) => Buffer.from(text));
const properties: fc.Arbitrary<MessageProperties | null> = fc.option(
  fc.constantFrom<MessageProperties>(
    {},
    { messageExpiryIntervalSec: 3 },
    { payloadFormatIndicator: 1, contentType: 'text', responseTopic: 'r', correlationData: Buffer.from([0, 255]) },
    { messageExpiryIntervalSec: 0, userProperties: [['ä', 'b'] as const, ['ä', 'c'] as const] },
  ),
);
const will = fc.record({
  topic,
  payload,
  qos,
  retain: fc.boolean(),
  delayIntervalSec: fc.constantFrom(0, 1, 5),
  properties,
});
const subscription = fc.record({
  filter: fc.constantFrom(...FILTERS),
  qos,
  noLocal: fc.boolean(),
  retainAsPublished: fc.boolean(),
  retainHandling: fc.constantFrom(0 as const, 1 as const, 2 as const),
});

const command = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('connect' as const),
      client,
      cleanStart: fc.nat({ max: 5 }).map((drawn) => drawn === 0),
      sessionExpiryIntervalSec: expirySec,
      receiveMaximum: fc.constantFrom(1, 3),
      protocolVersion: fc.constantFrom(3, 4, 5),
      will: fc.option(will),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('disconnect' as const),
      client,
      publishWill: fc.boolean(),
      sessionExpiryIntervalSec: fc.option(expirySec),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      op: fc.constant('subscribe' as const),
      client,
      subscriptions: fc.array(subscription, { minLength: 1, maxLength: 3 }),
      subscriptionIdentifier: fc.option(fc.integer({ min: 1, max: 3 })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('unsubscribe' as const), client, filters: fc.subarray(FILTERS) }),
  },
  {
    weight: 10,
    arbitrary: fc.record({
      op: fc.constant('publish' as const),
      client,
      topic,
      payload,
      properties,
      qos,
      retain: fc.nat({ max: 3 }).map((drawn) => drawn === 0),
      packetId: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('pubrel' as const), client, packetId: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant('settle' as const),
      client,
      received: fc.boolean(),
      // From the front of the queue.
      first: fc.integer({ min: -1, max: 4 }),
      count: fc.constantFrom(1, 1, 2, 100),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('begin' as const),
      client,
      first: fc.integer({ min: -1, max: 2 }),
      count: fc.constantFrom(1, 2, 100, 100),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('strategy' as const), strategy: fc.constantFrom(...SHARED_STRATEGIES) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('settings' as const),
      limit: fc.oneof(
        { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...COUNT_LIMITS), fc.integer({ min: 1, max: 4 })) },
        // Of messages of 1 to some 30 bytes.
        { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...BYTE_LIMITS), fc.constantFrom(10, 30, 1000, 1000)) },
      ),
      fullQueuePolicy: fc.constantFrom(...FULL_QUEUE_POLICIES),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('nodeDown' as const), node }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('tick' as const) }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('clusterInit' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('member' as const),
      node,
      peer: fc.constantFrom('', 'h:1', 'h:2'),
      voter: fc.boolean(),
      replaces: fc.option(node),
    }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('memberRemoved' as const), node }) },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant('document' as const),
      collection: fc.constantFrom(...COLLECTIONS),
      name: fc.constantFrom(...DOCUMENTS),
      // The revision it has, or one that nothing has.
      expected: fc.constantFrom('any', 'absent', 'present', 'revision', 'other'),
      content: fc.option(
        fc.record({
          bytes: fc.constantFrom('', 'x', 'y').map((text) => Buffer.from(text)),
          expiresInMs: fc.constantFrom(null, 0, 1500, 4000),
        }),
      ),
    }),
  },
);
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never;

const entry = fc.record({
  /** Cluster time since the entry before. */
  passesMs: fc.constantFrom(0, 1, 700, 2500),
  batches: fc.array(
    fc.record({
      node,
      /** The node starts again before it. */
      restarts: fc.nat({ max: 14 }).map((drawn) => drawn === 0),
      commands: fc.array(command, { minLength: 1, maxLength: 6, size: 'max' }),
      /** What else is in the log: an earlier batch once more, this one twice, or one whose predecessor is missing. */
      noise: fc.constantFrom('none', 'none', 'earlier', 'twice', 'gap'),
      pick: fc.nat(),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  checkpoint: fc.nat({ max: 2 }).map((drawn) => drawn === 0),
  /** Whether the machine under test is lost behind this entry's checkpoint, and restored. */
  restored: fc.boolean(),
});

export const history = fc.array(entry, { minLength: 1, maxLength: 40, size: 'max' });
export type History = typeof history extends fc.Arbitrary<infer Value> ? Value : never;

/** Carries a history out; a command finds its session as it is at its place in the log. */
export function play(bench: Bench, steps: History, afterEach: (step: History[number]) => void): void {
  bench.nodeUp('c');
  const sealed: Buffer[] = [];
  for (const step of steps) {
    bench.nowMs += step.passesMs;
    for (const { node: nodeId, restarts, commands, noise, pick } of step.batches) {
      if (restarts || bench.state.nodes.get(nodeId)?.up !== true) bench.nodeUp(nodeId);
      const batch = bench.seal(nodeId, (writer) => {
        for (const each of commands) write(bench, writer, each);
      });
      sealed.push(batch);
      const others =
        { none: [], earlier: [sealed[pick % sealed.length] as Buffer], twice: [batch], gap: [] }[noise] ?? [];
      if (noise === 'gap') bench.apply([bench.sealAhead(nodeId, writeTick), batch]);
      else bench.apply([batch, ...others]);
    }
    if (step.checkpoint) {
      if (bench.state.nodes.get('b')?.up !== true) bench.nodeUp('b');
      bench.on('b', (writer) => writeCheckpoint(writer, { compactIndex: 0 }));
    }
    afterEach(step);
  }
}

function write(bench: Bench, writer: ByteWriter, each: Command): void {
  if (each.op === 'nodeDown') {
    const incarnation = bench.state.nodes.get(each.node)?.incarnation ?? 1;
    return writeNodeDown(writer, { nodeId: each.node, incarnation, term: bench.term });
  }
  if (each.op === 'tick') return writeTick(writer);
  if (each.op === 'clusterInit') return writeClusterInit(writer, 'cluster');
  if (each.op === 'member') {
    const { node: nodeId, peer, voter, replaces } = each;
    return writeMember(writer, { nodeId, peer, voter, replaces }, bench.term);
  }
  if (each.op === 'memberRemoved') return writeMemberRemoved(writer, each.node, bench.term);
  if (each.op === 'document') {
    const { collection, name, content } = each;
    const revision = bench.state.documents.get(collection, name)?.revision ?? 0;
    const expected = { any: 'any', absent: 'absent', present: 'present', revision, other: 1_000_000 } as const;
    return writeDocument(writer, { collection, name, expected: expected[each.expected], content });
  }
  if (each.op === 'connect') {
    const { client: clientId, op: _op, will: lastWill, ...part } = each;
    return connectCommand(writer, clientId, lastWill === null ? part : { ...part, will: lastWill });
  }
  if (each.op === 'settings') {
    const { limit, fullQueuePolicy } = each;
    return writeSettings(writer, { limits: Object.fromEntries([limit]), fullQueuePolicy });
  }
  if (each.op === 'strategy') return writeSharedStrategy(writer, each.strategy);
  const session = bench.state.sessions.get(each.client);
  // Without a session: an epoch that was never given.
  const epoch = session?.epoch ?? 1_000_000;
  switch (each.op) {
    case 'disconnect':
      return writeDisconnect(writer, { ...each, epoch });
    case 'subscribe':
      return writeSubscribe(writer, { ...each, epoch });
    case 'unsubscribe':
      return writeUnsubscribe(writer, { ...each, epoch });
    case 'publish': {
      const packetId = each.qos === 2 ? each.packetId : 0;
      return writePublish(writer, epoch, each.qos, each.retain, packetId, each.topic, each.properties, each.payload);
    }
    case 'pubrel':
      return writePubrel(writer, { ...each, epoch });
    case 'settle': {
      const first = (session?.tracked?.headSequence ?? 0) + each.first;
      return writeSettle(writer, { epoch, received: each.received, ranges: [first, each.count] });
    }
    case 'begin': {
      const first = (session?.tracked?.headSequence ?? 0) + each.first;
      return writeBegin(writer, { epoch, ranges: [first, each.count] });
    }
  }
}

/** Ends every session and clears every retained message. */
export function endEverything(bench: Bench): void {
  for (const nodeId of NODES) {
    bench.nodeUp(nodeId);
    bench.on(nodeId, (writer) => writeMemberRemoved(writer, nodeId, bench.term));
    bench.on(nodeId, (writer) => writeSharedStrategy(writer, 'round_robin'));
    bench.on(nodeId, (writer) => writeSettings(writer, { limits: defaultLimits(), fullQueuePolicy: 'drop_newest' }));
  }
  for (const collection of COLLECTIONS) {
    for (const name of DOCUMENTS) {
      bench.on('a', (writer) => writeDocument(writer, { collection, name, expected: 'any', content: null }));
    }
  }
  for (const clientId of CLIENTS) {
    bench.connect(clientId, { cleanStart: true });
    for (const each of TOPICS) bench.publish(clientId, each, '', { retain: true });
    bench.disconnect(clientId, false);
  }
}
