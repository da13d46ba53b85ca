import type { IConnackPacket } from 'mqtt-packet';
import type { Features } from '../cluster/cluster.ts';
import type { NodeAddress } from './packets.ts';
import { type ProtocolVersion, Wire } from './wire.ts';

/** How clients introduce themselves. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
}

const TIMEOUT_MS = 5_000;

function ask(node: NodeAddress, version: ProtocolVersion, credentials: Credentials): Promise<IConnackPacket | null> {
  return new Promise((answer) => {
    const finish = (packet: IConnackPacket | null): void => {
      clearTimeout(timer);
      wire.send(version === 5 ? { cmd: 'disconnect', reasonCode: 0 } : { cmd: 'disconnect' });
      wire.end();
      answer(packet);
    };
    const timer = setTimeout(() => {
      wire.destroy();
      answer(null);
    }, TIMEOUT_MS);
    const { username, password } = credentials;
    const wire = new Wire(node.host, node.port, version, {
      opened: () =>
        wire.send({
          ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion: version, clean: true, keepalive: 10 },
          clientId: `jepsen-probe-${process.pid}`,
          ...(username !== undefined && { username }),
          ...(password !== undefined && { password: Buffer.from(password) }),
        }),
      packet: (packet) => finish(packet.cmd === 'connack' ? packet : null),
      closed: () => {
        clearTimeout(timer);
        answer(null);
      },
    });
  });
}

/** What a CONNACK says about a broker. */
export interface Probe {
  readonly versions: readonly ProtocolVersion[];
  readonly features: Features;
}

/**
 * Asks a node what it can. What no CONNACK tells (wills, sessions on any node) is assumed.
 *
 * @throws when it accepts neither MQTT 5.0 nor 3.1.1 from these credentials
 */
export async function probe(node: NodeAddress, credentials: Credentials = {}): Promise<Probe> {
  const five = await ask(node, 5, credentials);
  const four = await ask(node, 4, credentials);
  const speaks5 = five !== null && (five.reasonCode ?? 0) === 0;
  const speaks4 = four !== null && (four.returnCode ?? 0) === 0;
  if (!speaks5 && !speaks4) {
    const code = five?.reasonCode ?? four?.returnCode;
    const why = code === undefined ? 'there was no CONNACK' : `CONNACK said 0x${code.toString(16)}`;
    throw new Error(`${node.host}:${node.port} takes no MQTT client: ${why}`);
  }
  const properties = speaks5 ? (five.properties ?? {}) : {};
  return {
    versions: [...(speaks5 ? [5 as const] : []), ...(speaks4 ? [4 as const] : [])],
    features: {
      qos2: (properties.maximumQoS ?? 2) === 2,
      retained: properties.retainAvailable !== false,
      sessionsOnAnyNode: true,
      sharedSubscriptions: speaks5 && properties.sharedSubscriptionAvailable !== false,
      wills: true,
      messageExpiry: speaks5,
      membership: false,
      leadershipTransfer: false,
    },
  };
}
