import { Socket } from 'node:net';
import mqtt from 'mqtt-packet';

/** What a broker answers to a CONNECT. */
export interface ProbeAnswer {
  readonly reasonCode: number;
  readonly properties: Readonly<Record<string, unknown>>;
}

const PROBE_TIMEOUT_MS = 3_000;

/**
 * Connects once and goes. Null when there is no CONNACK in time.
 *
 * @param version 4 for MQTT 3.1.1, 5 for MQTT 5.0
 */
export async function probe(host: string, port: number, version: 4 | 5): Promise<ProbeAnswer | null> {
  const socket = new Socket();
  const parser = mqtt.parser({ protocolVersion: version });
  return new Promise((resolve) => {
    const timer = setTimeout(() => end(null), PROBE_TIMEOUT_MS);
    const end = (answer: ProbeAnswer | null): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    parser.on('packet', (packet) => {
      if (packet.cmd !== 'connack') return;
      const reasonCode = packet.reasonCode ?? packet.returnCode ?? -1;
      socket.write(mqtt.generate({ cmd: 'disconnect' }, { protocolVersion: version }), () => {
        end({ reasonCode, properties: { ...packet.properties } });
      });
    });
    parser.on('error', () => end(null));
    socket.on('error', () => end(null)).on('close', () => end(null));
    socket.on('data', (chunk) => {
      parser.parse(chunk);
    });
    socket.connect({ host, port }, () => {
      const clientId = `probe-${String(Math.floor(performance.now() * 1000))}`;
      socket.write(
        mqtt.generate({
          cmd: 'connect',
          protocolId: 'MQTT',
          protocolVersion: version,
          clientId,
          clean: true,
          keepalive: 30,
        }),
      );
    });
  });
}
