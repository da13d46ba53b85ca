import { connect as dial } from 'node:net';
import mqtt, { type IClientOptions, type IConnackPacket } from 'mqtt';
import type { NodeProcess } from './node-process.ts';
import { waitFor } from './wait.ts';

const { MqttClient } = mqtt;

/** Reconnecting is quick, so that what a test measures is the cluster and not the client's patience. */
const RECONNECT_MS = 25;

const open = new Set<Roamer>();

/** Closes the connections of all roamers that are left, for an `after` hook: a failed test does not come to its end. */
export async function endRoamers(): Promise<void> {
  await Promise.all([...open].map((roamer) => roamer.end(true)));
}

/** Options of {@link Roamer}. */
export interface RoamerOptions extends IClientOptions {
  readonly clientId: string;
  readonly nodes: readonly NodeProcess[];
  /** Where it connects first. */
  readonly home: NodeProcess;
}

/**
 * A client that knows all nodes, as MQTT clients in front of a cluster do: when its connection is lost or refused it
 * goes to the next node that answers, with the same client object and so with the state of its unfinished exchanges.
 *
 * Its session outlives connections: `clean` is false and, in MQTT 5, the session expires after an hour.
 */
export class Roamer {
  readonly name: string;
  readonly client: InstanceType<typeof MqttClient>;
  /** The node of the last connection attempt. */
  node: NodeProcess;
  /** Each CONNACK, with the node that sent it. */
  readonly connacks: { readonly nodeId: string; readonly packet: IConnackPacket; readonly atMs: number }[] = [];
  /** Reasons of CONNACKs that refused and DISCONNECTs that arrived. */
  readonly refusals: number[] = [];
  private readonly nodes: readonly NodeProcess[];
  /** Where it is to connect, however often that takes; null: to whoever takes it. */
  private wanted: NodeProcess | null;

  constructor(options: RoamerOptions) {
    const { nodes, home, ...rest } = options;
    this.name = rest.clientId;
    this.nodes = nodes;
    this.node = home;
    this.wanted = home;
    const version = rest.protocolVersion ?? 5;
    const properties = { ...(version === 5 && { sessionExpiryInterval: 3600 }), ...rest.properties };
    this.client = new MqttClient(() => this.nextStream(), {
      clean: false,
      reconnectPeriod: RECONNECT_MS,
      connectTimeout: 10_000,
      resubscribe: false,
      // Without it MQTT.js gives up for good after a CONNACK that refuses.
      reconnectOnConnackError: true,
      protocolId: 'MQTT',
      ...rest,
      protocolVersion: version,
      ...(version === 5 && { properties }),
    });
    open.add(this);
    this.client.on('error', (error) => {
      const { code } = error as { readonly code?: unknown };
      if (typeof code === 'number') this.refusals.push(code);
    });
    this.client.on('packetreceive', (packet) => {
      // Not at `connect`: MQTT.js emits that only when it has sent its unfinished exchanges again.
      if (packet.cmd === 'connack' && (packet.reasonCode ?? packet.returnCode ?? 0) === 0) this.wanted = null;
    });
    this.client.on('disconnect', (packet) => {
      if (packet.reasonCode !== undefined) this.refusals.push(packet.reasonCode);
    });
    this.client.on('connect', (packet) => {
      this.connacks.push({ nodeId: this.node.id, packet, atMs: performance.now() });
    });
  }

  /** Resolves when it is connected: to `node`, if given. */
  async connected(node?: NodeProcess, timeoutMs = 40_000): Promise<void> {
    const what = `${this.name} to be connected to ${node?.id ?? 'some node'}`;
    await waitFor(() => this.client.connected && (node === undefined || this.node === node), { timeoutMs, what });
  }

  /** Drops the connection without a goodbye and goes to this node, unfinished exchanges and all. */
  async moveTo(node: NodeProcess): Promise<void> {
    if (this.node === node && this.client.connected) return;
    this.wanted = node;
    this.client.stream.destroy();
    await this.connected(node);
  }

  /** Ends the connection: with DISCONNECT, or by closing the socket. */
  async end(abrupt = false): Promise<void> {
    open.delete(this);
    await this.client.endAsync(abrupt);
  }

  private nextStream() {
    if (this.wanted !== null) this.node = this.wanted;
    else this.node = this.nodes[(this.nodes.indexOf(this.node) + 1) % this.nodes.length] as NodeProcess;
    return dial({ host: '127.0.0.1', port: this.node.mqttPort, noDelay: true });
  }
}
