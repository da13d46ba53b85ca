import { type ConnectPacket, encodeConnack, isValidTopicName, ReasonCode } from '@quorate/protocol';
import type { BrokerLimits } from '../environment.ts';
import { type CommandResult, type Session, writeConnect, writeDisconnect } from '../state/index.ts';
import { type Client, Proposed } from './client.ts';
import { Incoming } from './incoming.ts';
import { Outgoing } from './outgoing.ts';
import { TOPIC_ALIAS_MAXIMUM, topicExcess } from './topic-limits.ts';

/** CONNECT: checks what one node can check without knowing who the client is; then `authenticate` asks that. */
export function acceptConnect(
  connection: Client,
  packet: ConnectPacket,
  authenticate: (connection: Client, packet: ConnectPacket) => void,
): void {
  const { broker } = connection;
  connection.connectPacket = packet;
  connection.version = packet.protocolVersion;
  connection.clientId = packet.clientId;
  connection.bridge = packet.bridge;
  connection.maximumPacketSizeBytes = packet.maximumPacketSizeBytes;
  if (!broker.serving) return connection.refuse('SERVER_UNAVAILABLE');
  const refusal = connection.visit?.connect() ?? null;
  if (refusal !== null) return connection.refuse(refusal);
  if (broker.bounds.memory.isShort) return connection.refuse('MEMORY_HIGH');
  // A client that comes and goes would pile up Connect commands, wills and all.
  if (broker.congested) return connection.refuse('CONGESTED');
  if (packet.clientId === '') {
    // [MQTT-3.1.3-8] of 3.1.1; 3.1 knows no empty client id at all.
    if (packet.protocolVersion === 3 || (packet.protocolVersion === 4 && !packet.cleanStart)) {
      return connection.refuse('CLIENT_ID_INVALID');
    }
    connection.clientId = broker.environment.assignClientId();
  }
  const { will } = packet;
  if (will !== null && (will.topic.startsWith('$SYS/') || topicExcess(will.topic, broker.limits) !== null)) {
    return connection.refuse('TOPIC_NAME_INVALID');
  }
  authenticate(connection, packet);
}

/** Claims the session of a client that may come in, in the log. */
export function claim(connection: Client, packet: ConnectPacket): void {
  const { broker } = connection;
  // Again: to find out who it is may have taken long.
  if (!broker.serving) return connection.refuse('SERVER_UNAVAILABLE');
  if (broker.congested) return connection.refuse('CONGESTED');
  // [MQTT-3.1.2-24]
  const { maximumPacketSizeBytes } = packet;
  if (maximumPacketSizeBytes < Number.POSITIVE_INFINITY) {
    if (encodeSuccess(connection, packet, false).length > maximumPacketSizeBytes) {
      return connection.refuse('ANSWER_TOO_LARGE');
    }
  }
  connection.phase = 'claiming';
  writeConnect(broker.proposer.open(), {
    clientId: connection.clientId,
    cleanStart: packet.cleanStart,
    protocolVersion: packet.protocolVersion,
    sessionExpiryIntervalSec: sessionExpiryOf(packet, broker.limits),
    receiveMaximum: Math.min(packet.receiveMaximum, broker.limits.maxInflightMessages),
    will: packet.will,
  });
  broker.proposer.added(connection, Proposed.connect, 0);
}

/** The Connect command is applied: the session is this connection's, unless the client has gone meanwhile. */
export function claimed(connection: Client, result: CommandResult): void {
  if (result.kind === 'refused' && connection.phase !== 'closed') return connection.refuse('QUOTA_EXCEEDED');
  if (result.kind !== 'connected') return;
  const { broker } = connection;
  const { session, previousOwner, sessionPresent } = result;
  const { epoch } = session;
  connection.session = session;
  connection.epoch = epoch;
  connection.sessionPresent = sessionPresent;
  if (connection.phase !== 'closed') {
    connection.phase = 'fencing';
    broker.own(epoch, connection);
    // Whoever had the session before may have been allowed more.
    if (connection.grant !== null && session.subscriptions.size > 0) {
      connection.reviewed = false;
      broker.reviews.add(connection);
    }
  }
  broker.fencing.claim(epoch, connection.clientId, previousOwner, () => {
    if (connection.phase === 'closed') return giveBack(connection, epoch);
    connection.phase = 'reviewing';
    goLiveIfReviewed(connection);
  });
}

/** Nobody else has the session. It is served once nothing is in it that the client may not have. */
export function goLiveIfReviewed(connection: Client): void {
  const { phase, session, reviewed, restrictions } = connection;
  if (phase === 'reviewing' && session !== null && reviewed && restrictions.length === 0) goLive(connection, session);
}

/** The client went before CONNACK: its will does not count, it was never accepted. */
function giveBack(connection: Client, epoch: number): void {
  const { broker } = connection;
  writeDisconnect(broker.proposer.open(), { epoch, publishWill: false, sessionExpiryIntervalSec: null });
  broker.proposer.added(broker.unowned, 0, 0);
}

function goLive(connection: Client, session: Session): void {
  const { broker, connectPacket: packet, sessionPresent } = connection;
  if (packet === null) return;
  const { limits } = broker;
  const window = Math.min(packet.receiveMaximum, limits.maxInflightMessages);
  connection.outgoing = new Outgoing(connection, session, window, packet);
  connection.incoming = new Incoming(connection, session.queue !== null);
  connection.keepAliveSec = keepAliveOf(packet, limits.maxKeepAliveSec);
  connection.output.append(encodeSuccess(connection, packet, sessionPresent));
  connection.phase = 'live';
  broker.counters.connectionsTotal++;
  broker.environment.log.debug(
    {
      clientId: connection.clientId,
      userName: connection.userName,
      remoteAddress: connection.socket.remoteAddress,
      sessionPresent,
      epoch: connection.epoch,
    },
    `client '${connection.clientId}' connected`,
  );
  connection.markDirty();
  connection.process();
}

/** CONNACK of an accepted CONNECT. Of the capabilities it names those that differ from what absence means. */
function encodeSuccess(connection: Client, packet: ConnectPacket, sessionPresent: boolean): Buffer {
  const { clientId, version, authentication } = connection;
  const { limits } = connection.broker;
  const keepAliveSec = keepAliveOf(packet, limits.maxKeepAliveSec);
  const expirySec = sessionExpiryOf(packet, limits);
  const responseInformation = responseInformationOf(packet, limits.responseInformation, clientId);
  return encodeConnack(
    {
      sessionPresent,
      reasonCode: ReasonCode.success,
      receiveMaximum: limits.receiveMaximum,
      maximumPacketSizeBytes: limits.maxPacketSizeBytes,
      topicAliasMaximum: TOPIC_ALIAS_MAXIMUM,
      ...(packet.clientId === '' && { assignedClientId: clientId }),
      ...(keepAliveSec !== packet.keepAliveSec && { serverKeepAliveSec: keepAliveSec }),
      // [MQTT-4.12.0-5]
      ...(authentication !== null && { authenticationMethod: authentication.method }),
      ...(authentication?.data != null && { authenticationData: authentication.data }),
      ...(expirySec !== packet.sessionExpiryIntervalSec && { sessionExpiryIntervalSec: expirySec }),
      ...(responseInformation !== null && { responseInformation }),
    },
    version,
  );
}

/** Only 5.0 can be told another keep alive [MQTT-3.1.2-21]; an older client goes by its own, none included. */
function keepAliveOf({ protocolVersion, keepAliveSec }: ConnectPacket, maxKeepAliveSec: number): number {
  if (protocolVersion !== 5) return keepAliveSec;
  if (keepAliveSec === 0) return maxKeepAliveSec >= 0xffff ? 0 : maxKeepAliveSec;
  return Math.min(keepAliveSec, maxKeepAliveSec);
}

/** Only 5.0 is told when it gets less than it asked for (MQTT 5.0 section 3.2.2.3.2). */
function sessionExpiryOf(packet: ConnectPacket, limits: BrokerLimits): number {
  if (packet.protocolVersion === 5)
    return Math.min(packet.sessionExpiryIntervalSec, limits.maxSessionExpiryIntervalSec);
  return packet.cleanStart ? 0 : limits.sessionExpiryIntervalFor3xSec;
}

/**
 * For a client that asks [MQTT-3.1.2-28]. It is to be the beginning of a topic (section 3.2.2.3.15): a client whose id makes
 * none of it gets none.
 */
function responseInformationOf(packet: ConnectPacket, pattern: string | null, clientId: string): string | null {
  if (pattern === null || !packet.requestResponseInformation) return null;
  const information = pattern.replaceAll('%c', () => clientId);
  return isValidTopicName(information) ? information : null;
}
