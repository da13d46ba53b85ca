import type { IConnectPacket, ISubscription } from 'mqtt-packet';
import type { LogBus } from '../../support/log-bus.ts';
import type { FakeClient, PacketOf, Version } from '../../support/log-bus-client.ts';
import { assert } from '../../support/suite.ts';

export interface ConnectOptions {
  readonly version?: Version;
  readonly clean?: boolean;
  /** 5.0; for older versions `clean: false` is all there is. */
  readonly expirySec?: number;
  readonly keepalive?: number;
  readonly receiveMaximum?: number;
  readonly maximumPacketSize?: number;
  readonly will?: IConnectPacket['will'];
  readonly properties?: IConnectPacket['properties'];
}

/** Long enough for anything that nothing stands in the way of. */
export const SETTLE_MS = 150;

export function connectPacket(clientId: string, options: ConnectOptions = {}): PacketOf<'connect'> {
  const { version = 5, clean = true, keepalive = 0, expirySec, receiveMaximum, maximumPacketSize, will } = options;
  return {
    cmd: 'connect',
    clientId,
    clean,
    keepalive,
    protocolId: version === 3 ? 'MQIsdp' : 'MQTT',
    protocolVersion: version,
    ...(will !== undefined && { will }),
    ...(version === 5 && {
      properties: {
        ...options.properties,
        ...(expirySec !== undefined && { sessionExpiryInterval: expirySec }),
        ...(receiveMaximum !== undefined && { receiveMaximum }),
        ...(maximumPacketSize !== undefined && { maximumPacketSize }),
      },
    }),
  };
}

/** Sends CONNECT; what comes back is up to the caller. */
export function dial(bus: LogBus, nodeId: string, clientId: string, options: ConnectOptions = {}): FakeClient {
  const client = bus.open(nodeId, options.version ?? 5);
  client.send(connectPacket(clientId, options));
  return client;
}

export function codeOf(packet: { readonly reasonCode?: number; readonly returnCode?: number }): number | undefined {
  return packet.reasonCode ?? packet.returnCode;
}

/** A client that is connected; its CONNACK is taken. */
export function connected(bus: LogBus, nodeId: string, clientId: string, options: ConnectOptions = {}): FakeClient {
  const client = dial(bus, nodeId, clientId, options);
  bus.run(SETTLE_MS);
  assert.is(codeOf(client.next('connack')), 0);
  return client;
}

/** One that has a session that outlives its connection. */
export function persistent(bus: LogBus, nodeId: string, clientId: string, options: ConnectOptions = {}): FakeClient {
  return connected(bus, nodeId, clientId, { clean: false, expirySec: 3600, ...options });
}

export function subscribe(
  client: FakeClient,
  messageId: number,
  subscriptions: readonly (string | ISubscription)[],
  subscriptionIdentifier?: number,
): void {
  client.send({
    cmd: 'subscribe',
    messageId,
    subscriptions: subscriptions.map((each) => (typeof each === 'string' ? { topic: each, qos: 2 } : each)),
    ...(subscriptionIdentifier !== undefined && { properties: { subscriptionIdentifier } }),
  });
}

export function subscribed(bus: LogBus, client: FakeClient, ...filters: readonly (string | ISubscription)[]): void {
  subscribe(client, 1, filters);
  bus.run(SETTLE_MS);
  for (const code of client.take('suback').granted) assert.ok(Number(code) <= 2);
}

type Publish = PacketOf<'publish'>;

export function publish(
  client: FakeClient,
  topic: string,
  payload: string | Buffer,
  qos: 0 | 1 | 2 = 0,
  more: Partial<Omit<Publish, 'cmd' | 'topic' | 'payload' | 'qos'>> = {},
): void {
  client.send({ cmd: 'publish', topic, payload, qos, dup: false, retain: false, ...more });
}

/** Payloads as text. */
export function payloads(packets: readonly Publish[]): string[] {
  return packets.map(({ payload }) => payload.toString());
}

/** The reason code of the server's last word to a 5.0 client, which must have been closed. */
export function goodbye(client: FakeClient): number | undefined {
  assert.ok(client.isClosed, 'the connection is open');
  return client.take('disconnect').reasonCode;
}
