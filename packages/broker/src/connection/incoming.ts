import { isPayloadFormatValid, type PublishPacket, ReasonCode } from '@quorate/protocol';
import { bump } from '../environment.ts';
import { type CommandResult, writePublish, writePubrel } from '../state/index.ts';
import { type Client, type IncomingSide, Proposed } from './client.ts';
import { TOPIC_ALIAS_MAXIMUM, tooDeep } from './topic-limits.ts';

/** PUBLISH and PUBREL from one client. */
export class Incoming implements IncomingSide {
  readonly #connection: Client;
  /** The session outlives the connection: its QoS 2 Packet Identifiers are replicated. */
  readonly #replicated: boolean;
  /** QoS 1 and 2 messages proposed and not acknowledged yet, and QoS 2 messages not released. */
  #unacknowledged = 0;
  /** Of these, on their way through the log. Only they count for older clients: a PUBREL must still be read. */
  #proposed = 0;
  /**
   * Packet Identifiers of QoS 2 messages that are not released, true once PUBREC has left. For a session that ends with
   * its connection this is all the memory there is: nobody can resume it.
   */
  readonly #exchanges = new Map<number, boolean>();
  readonly #aliases = new Map<number, string>();

  constructor(connection: Client, replicated: boolean) {
    this.#connection = connection;
    this.#replicated = replicated;
  }

  /** As many messages wait for their acknowledgement as we are willing to hold: the client is not read until one leaves. */
  get full(): boolean {
    // A 5.0 client was told our Receive Maximum and is closed when it exceeds it; an older one is slowed down.
    return this.#connection.version !== 5 && this.#proposed >= this.#connection.broker.limits.receiveMaximum;
  }

  publish(packet: PublishPacket): void {
    const connection = this.#connection;
    const { broker } = connection;
    const topic = this.#topicOf(packet);
    if (topic === null) return;
    broker.counters.received[packet.qos]++;
    const { qos, retain, packetId } = packet;
    if (qos === 2 && this.#exchanges.has(packetId)) {
      // Sent again on the same connection: the PUBREC goes again too once it is due.
      if (this.#exchanges.get(packetId) === true) connection.sendAck('pubrec', packetId, ReasonCode.success);
      return;
    }
    const { grant } = connection;
    if (grant !== null && !grant.mayPublish(topic, qos, retain)) return this.#deny(packet, topic);
    if (!isPayloadFormatValid(packet.payload, packet.properties)) return this.#refuseFormat(packet);
    if (qos === 0 && !retain) {
      broker.publishQoS0(connection.session, topic, packet.properties, packet.payload);
      return;
    }
    if (qos > 0) {
      if (connection.version === 5 && this.#unacknowledged >= broker.limits.receiveMaximum) {
        connection.fail('RECEIVE_MAXIMUM_EXCEEDED', `${this.#unacknowledged}`);
        return;
      }
      this.#unacknowledged++;
      this.#proposed++;
      if (qos === 2) this.#exchanges.set(packetId, false);
    }
    const remembered = qos === 2 && this.#replicated ? packetId : 0;
    const writer = broker.proposer.open();
    writePublish(writer, connection.epoch, qos, retain, remembered, topic, packet.properties, packet.payload);
    if (qos === 0) broker.proposer.added(broker.unowned, 0, 0);
    else broker.proposer.added(connection, qos === 1 ? Proposed.publish1 : Proposed.publish2, packetId);
  }

  /**
   * Not in the log, and answered at once. 3.x is acknowledged all the same [MQTT-3.3.5-2, 3.1.1]: its acknowledgements can
   * not say no.
   */
  #deny({ qos, packetId }: PublishPacket, topic: string): void {
    const connection = this.#connection;
    const { broker, session, version } = connection;
    if (qos === 2 && this.#replicated && session?.incoming.has(packetId) === true) {
      // It was published when that was allowed, and comes again as its PUBREC was lost. To say no now would be wrong, and
      // would leave the identifier in use on one side only. Not by the log, where a PUBREL may be in front of it.
      connection.sendAck('pubrec', packetId, ReasonCode.success);
      return;
    }
    broker.denials.add(connection, 'publish', topic);
    if (broker.denials.disconnect) return connection.fail('NOT_AUTHORIZED', `PUBLISH to '${topic}'`);
    if (qos === 0 || version !== 5) bump(broker.counters.dropped, 'not_authorized');
    if (qos > 0) connection.sendAck(qos === 1 ? 'puback' : 'pubrec', packetId, ReasonCode.notAuthorized);
  }

  /** 5.0 only. Nothing of the message stays: its Packet Identifier is free again [MQTT-4.3.3-9]. */
  #refuseFormat({ qos, packetId }: PublishPacket): void {
    if (qos === 0) this.#connection.fail('PAYLOAD_FORMAT_INVALID');
    else this.#connection.sendAck(qos === 1 ? 'puback' : 'pubrec', packetId, ReasonCode.payloadFormatInvalid);
  }

  /** The topic with its alias resolved; null after the connection was closed for it. */
  #topicOf(packet: PublishPacket): string | null {
    const connection = this.#connection;
    const { topicAlias } = packet;
    const { topic } = packet;
    if (topicAlias !== null) {
      if (topicAlias > TOPIC_ALIAS_MAXIMUM) {
        connection.fail('TOPIC_ALIAS_INVALID', `${topicAlias} is more than ${TOPIC_ALIAS_MAXIMUM}`);
        return null;
      }
      if (topic !== '') this.#aliases.set(topicAlias, topic);
      else {
        const known = this.#aliases.get(topicAlias);
        if (known === undefined) {
          connection.fail('TOPIC_ALIAS_INVALID', `${topicAlias} was not set before`);
          return null;
        }
        return known;
      }
    }
    if (topic.startsWith('$SYS/')) {
      connection.fail('TOPIC_NAME_INVALID', 'only the broker publishes to $SYS');
      return null;
    }
    if (tooDeep(topic, connection.broker.limits.maxTopicLevels)) {
      connection.fail('TOPIC_NAME_INVALID', `more than ${connection.broker.limits.maxTopicLevels} levels`);
      return null;
    }
    return topic;
  }

  /** The PUBLISH command is committed and applied here: only now may its acknowledgement leave. */
  published(packetId: number, qos: 1 | 2, result: CommandResult): void {
    const connection = this.#connection;
    this.#proposed--;
    let reasonCode: number = ReasonCode.success;
    if (result.kind === 'reasonCodes') reasonCode = result.reasonCodes[0] ?? ReasonCode.unspecifiedError;
    else if (result.kind === 'published' && !result.matched && connection.version === 5) {
      reasonCode = ReasonCode.noMatchingSubscribers;
    }
    if (reasonCode >= 0x80 && connection.version !== 5) {
      // Before 5.0 an acknowledgement can not say no: none is sent.
      connection.fail('QUOTA_EXCEEDED', 'no further topic can have a retained message');
      return;
    }
    if (qos === 1) {
      this.#unacknowledged--;
      connection.sendAck('puback', packetId, reasonCode);
      return;
    }
    // Unless the client released it already, which it should not have.
    if (this.#exchanges.has(packetId)) {
      if (reasonCode < 0x80) this.#exchanges.set(packetId, true);
      else {
        this.#unacknowledged--;
        this.#exchanges.delete(packetId);
      }
    }
    connection.sendAck('pubrec', packetId, reasonCode);
  }

  pubrel(packetId: number): void {
    const connection = this.#connection;
    const { broker } = connection;
    const known = this.#exchanges.delete(packetId);
    if (known) this.#unacknowledged--;
    if (!this.#replicated) {
      const reasonCode = known || connection.version !== 5 ? ReasonCode.success : ReasonCode.packetIdentifierNotFound;
      connection.sendAck('pubcomp', packetId, reasonCode);
      return;
    }
    writePubrel(broker.proposer.open(), { epoch: connection.epoch, packetId });
    broker.proposer.added(connection, Proposed.pubrel, packetId);
  }

  released(packetId: number, result: CommandResult): void {
    const connection = this.#connection;
    const found = result.kind === 'released' && result.found;
    const reasonCode = found || connection.version !== 5 ? ReasonCode.success : ReasonCode.packetIdentifierNotFound;
    connection.sendAck('pubcomp', packetId, reasonCode);
  }
}
