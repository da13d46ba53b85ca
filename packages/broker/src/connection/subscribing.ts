import {
  encodeSuback,
  encodeUnsuback,
  parseSharedFilter,
  ReasonCode,
  reasonName,
  type SubscribePacket,
  type SubscriptionRequest,
  type UnsubscribePacket,
} from '@quorate/protocol';
import { bump } from '../environment.ts';
import { type CommandResult, writeSubscribe, writeUnsubscribe } from '../state/index.ts';
import { type Client, Proposed } from './client.ts';
import { maySubscribe } from './permissions.ts';
import { topicExcess } from './topic-limits.ts';

/** SUBSCRIBE and UNSUBSCRIBE in flight per client; more are not needed by anybody and would only cost memory. */
const MAX_PENDING = 1024;

export function handleSubscribe(connection: Client, packet: SubscribePacket): void {
  const { broker, session } = connection;
  if (session === null) return;
  if (connection.pendingSubscriptions.length >= MAX_PENDING) {
    return connection.fail('RECEIVE_MAXIMUM_EXCEEDED', `${MAX_PENDING} SUBSCRIBE packets in flight`);
  }
  if (!answerFits(connection, packet.subscriptions.length)) return connection.fail('ANSWER_TOO_LARGE', 'SUBACK');
  let room = broker.limits.maxSubscriptionsPerClient - session.subscriptions.size;
  for (const pending of connection.pendingSubscriptions) room -= pending.filters.length;
  const accepted = [];
  const reasonCodes: (number | null)[] = [];
  for (const request of packet.subscriptions) {
    const refusal = refusalOf(connection, request.filter, room) ?? denialOf(connection, request);
    // Closed for it.
    if (connection.phase !== 'live') return;
    reasonCodes.push(refusal);
    if (refusal !== null) {
      bump(broker.counters.subscriptionsRefused, reasonName(refusal).replaceAll(' ', '_'));
      continue;
    }
    accepted.push(connection.bridge ? asBridge(request) : request);
    if (!session.subscriptions.has(request.filter)) room--;
  }
  const { packetId, subscriptionIdentifier } = packet;
  connection.pendingSubscriptions.push({
    packetId,
    reasonCodes,
    filters: accepted.map((request) => request.filter),
    qos: accepted.map((request) => request.qos),
  });
  // Without an accepted filter too it goes through the log: answers keep the order of the requests.
  const { epoch } = connection;
  writeSubscribe(broker.proposer.open(), { epoch, subscriptionIdentifier, subscriptions: accepted });
  broker.proposer.added(connection, Proposed.subscribe, packetId);
}

/** Whether SUBACK or UNSUBACK is as small as the client demands [MQTT-3.1.2-24]; without it the client would wait for ever. */
function answerFits({ maximumPacketSizeBytes, version }: Client, filters: number): boolean {
  if (maximumPacketSizeBytes === Number.POSITIVE_INFINITY) return true;
  // UNSUBACK of 5.0, the only version that can ask, has the same size.
  return encodeSuback(1, new Array<number>(filters).fill(0), version).length <= maximumPacketSizeBytes;
}

/** 3.x can not ask for it: as mosquitto does, a bridge gets nothing back, and RETAIN as it was published. */
function asBridge(request: SubscriptionRequest): SubscriptionRequest {
  // [MQTT-3.8.3-4]
  return { ...request, noLocal: !request.filter.startsWith('$share/'), retainAsPublished: true };
}

/** The reason code that refuses a filter, or null. */
function refusalOf(connection: Client, filter: string, room: number): number | null {
  const { limits } = connection.broker;
  const matching = filter.startsWith('$share/') ? parseSharedFilter(filter)?.filter : filter;
  if (matching === undefined || topicExcess(matching, limits) !== null) return ReasonCode.topicFilterInvalid;
  if (room <= 0 && !connection.session?.subscriptions.has(filter)) return ReasonCode.quotaExceeded;
  return null;
}

/** The reason code that says that the client may not, or null. */
function denialOf(connection: Client, { filter, qos }: SubscriptionRequest): number | null {
  const { grant, broker } = connection;
  if (grant === null || maySubscribe(grant, filter, qos)) return null;
  broker.denials.add(connection, 'subscribe', filter);
  // SUBACK of 3.1 knows no failure: it would say that the client has what it has not.
  if (broker.denials.disconnect || connection.version === 3) {
    connection.fail('NOT_AUTHORIZED', `SUBSCRIBE to '${filter}'`);
  }
  return ReasonCode.notAuthorized;
}

export function handleUnsubscribe(connection: Client, packet: UnsubscribePacket): void {
  const { broker, epoch } = connection;
  if (connection.pendingSubscriptions.length >= MAX_PENDING) {
    return connection.fail('RECEIVE_MAXIMUM_EXCEEDED', `${MAX_PENDING} UNSUBSCRIBE packets in flight`);
  }
  if (!answerFits(connection, packet.filters.length)) return connection.fail('ANSWER_TOO_LARGE', 'UNSUBACK');
  const { packetId, filters } = packet;
  connection.pendingSubscriptions.push({ packetId, reasonCodes: filters.map(() => null), filters: [], qos: [] });
  writeUnsubscribe(broker.proposer.open(), { epoch, filters });
  broker.proposer.added(connection, Proposed.unsubscribe, packetId);
}

/** The command is applied: SUBACK or UNSUBACK, with the node's refusals at their places. */
export function subscriptionsApplied(connection: Client, kind: number, result: CommandResult): void {
  const pending = connection.pendingSubscriptions.shift();
  const retained = connection.retained.splice(0);
  const requests = connection.retainedRequests.splice(0);
  if (pending === undefined || result.kind !== 'reasonCodes') return;
  let next = 0;
  const reasonCodes = pending.reasonCodes.map(
    (refusal) => refusal ?? result.reasonCodes[next++] ?? ReasonCode.unspecifiedError,
  );
  const { version } = connection;
  if (kind === Proposed.subscribe) {
    connection.output.append(encodeSuback(pending.packetId, reasonCodes, version));
    for (const { message, identifiers } of retained) connection.outgoing?.deliver(message, 0, true, identifiers);
    for (const request of requests) connection.outgoing?.scan(request);
    connection.broker.sendSys(connection, pending.filters);
  } else {
    connection.output.append(encodeUnsuback(pending.packetId, reasonCodes, version));
  }
  connection.markDirty();
}
