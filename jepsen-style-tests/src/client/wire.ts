import { connect, type Socket } from 'node:net';
import mqttPacket, { type Packet, type Parser } from 'mqtt-packet';

/** MQTT 3.1.1 and 5.0. */
export type ProtocolVersion = 4 | 5;

/** What a {@link Wire} tells; nothing after `closed`, which comes once. */
export interface WireEvents {
  opened(): void;
  packet(packet: Packet): void;
  /** `end`: the server closed it in order; `error`: reset, refused, or no MQTT. Not called after {@link Wire.destroy}. */
  closed(how: 'end' | 'error'): void;
}

/** One TCP connection that carries MQTT packets. Packets sent in one turn of the event loop leave in one write. */
export class Wire {
  /** Whether the TCP connection was made, so that bytes may have left. */
  opened = false;
  private readonly socket: Socket;
  private readonly parser: Parser;
  private readonly version: ProtocolVersion;
  private readonly events: WireEvents;

  private pending: Buffer[] = [];
  private over = false;

  constructor(host: string, port: number, version: ProtocolVersion, events: WireEvents) {
    this.version = version;
    this.events = events;
    this.parser = mqttPacket.parser({ protocolVersion: version });
    this.parser.on('packet', (packet) => {
      if (!this.over) events.packet(packet);
    });
    this.parser.on('error', () => this.finish('error'));
    this.socket = connect({ host, port, noDelay: true });
    this.socket.on('connect', () => {
      if (this.over) return;
      this.opened = true;
      events.opened();
    });
    this.socket.on('data', (bytes) => {
      if (!this.over) this.parser.parse(bytes);
    });
    this.socket.on('end', () => this.finish('end'));
    this.socket.on('error', () => this.finish('error'));
    this.socket.on('close', () => this.finish('error'));
  }

  send(packet: Packet): void {
    if (this.over) return;
    if (this.pending.length === 0) queueMicrotask(() => this.flush());
    this.pending.push(mqttPacket.generate(packet, { protocolVersion: this.version }));
  }

  /** Writes what was sent so far, and then closes this side. The server's answer to that is `closed`. */
  end(): void {
    this.flush();
    this.socket.end();
  }

  /** Closes at once, without a word to anybody. */
  destroy(): void {
    this.over = true;
    this.socket.destroy();
  }

  private flush(): void {
    const { pending } = this;
    if (pending.length === 0 || this.over) return;
    this.pending = [];
    this.socket.write(pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending));
  }

  private finish(how: 'end' | 'error'): void {
    if (this.over) return;
    this.destroy();
    this.events.closed(how);
  }
}
