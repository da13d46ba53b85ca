import mqtt, {
  type IClientOptions,
  type IClientPublishOptions,
  type IConnackPacket,
  type IPublishPacket,
  type MqttClient,
} from 'mqtt';

/** A message as a client received it. */
export interface Received {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly retain: boolean;
  readonly dup: boolean;
  readonly packet: IPublishPacket;
}

/** Options of MQTT.js, and: */
export type ConnectOptions = IClientOptions & {
  /** Takes what arrives, from the first packet after CONNACK on. */
  readonly messages?: Received[];
  /** When false, a node that is out of contact with the others is an error at once; it may be for a moment, if the machine is busy. */
  readonly retryUnavailable?: boolean;
};

/** CONNACK: server unavailable, in MQTT 5 and before. */
const SERVER_UNAVAILABLE: readonly unknown[] = [0x88, 3];
const UNAVAILABLE_MS = 5_000;

/**
 * Connects MQTT.js to a port on loopback and waits for a successful CONNACK.
 *
 * Defaults that differ from MQTT.js: no automatic reconnect (a test reconnects when it means to) and MQTT 5.
 *
 * @throws the client's error, or that the connection closed before CONNACK
 */
export async function connect(port: number, options: ConnectOptions = {}): Promise<MqttClient> {
  const { messages, retryUnavailable = true, ...rest } = options;
  const untilMs = performance.now() + UNAVAILABLE_MS;
  for (;;) {
    try {
      return await connectOnce(port, rest, messages);
    } catch (error) {
      const { code } = error as { readonly code?: unknown };
      if (!retryUnavailable || !SERVER_UNAVAILABLE.includes(code) || performance.now() >= untilMs) throw error;
      await new Promise((resume) => setTimeout(resume, 25));
    }
  }
}

async function connectOnce(port: number, rest: IClientOptions, messages: Received[] | undefined): Promise<MqttClient> {
  const client = mqtt.connect({
    host: '127.0.0.1',
    port,
    protocolVersion: 5,
    reconnectPeriod: 0,
    connectTimeout: 10_000,
    ...rest,
  });
  if (messages !== undefined) collect(client, messages);
  // Stays for good: an error event nobody listens to would end the test process. Operations report their own errors.
  let firstError: Error | undefined;
  client.on('error', (error) => {
    firstError ??= error;
  });
  try {
    await new Promise<void>((done, failed) => {
      client.once('connect', () => done());
      client.once('error', failed);
      client.once('close', () => failed(firstError ?? new Error(`port ${port}: connection closed before CONNACK`)));
    });
  } catch (error) {
    client.end(true);
    throw error;
  }
  return client;
}

/** What the CONNACK of the current connection said. */
export function sessionPresent(client: MqttClient): boolean {
  return (client as unknown as { readonly connackPacket?: IConnackPacket }).connackPacket?.sessionPresent === true;
}

/** Publishes and waits: for QoS 0 until written, for QoS 1 and 2 until acknowledged. */
export async function publish(
  client: MqttClient,
  topic: string,
  payload: string | Buffer,
  options: IClientPublishOptions = {},
): Promise<void> {
  await client.publishAsync(topic, payload, options);
}

/** Subscribes and waits for SUBACK. Returns the granted QoS or failure code of each filter. */
export async function subscribe(client: MqttClient, filters: string | string[], qos: 0 | 1 | 2 = 1): Promise<number[]> {
  const grants = await client.subscribeAsync(filters, { qos });
  return grants.map((grant) => grant.qos);
}

/**
 * Every message the client receives from now on, in order of arrival; the array grows.
 *
 * Call it before the subscription. A resumed session may deliver together with CONNACK: there, give the array to
 * {@link connect} instead.
 */
export function collect(client: MqttClient, messages: Received[] = []): Received[] {
  client.on('message', (topic, payload, packet) => {
    messages.push({ topic, payload, qos: packet.qos, retain: packet.retain, dup: packet.dup, packet });
  });
  return messages;
}

/** Ends the connection: with DISCONNECT, or with `abrupt` by closing the socket so that the will is sent. */
export async function disconnect(client: MqttClient, abrupt = false): Promise<void> {
  await client.endAsync(abrupt);
}
