/** One MQTT connection over a raw socket: handshake, framing, and one write per event-loop turn. */
import { connect, type Socket } from 'node:net';
import {
  encodeConnect,
  encodeDisconnect,
  encodeSubscribe,
  Framer,
  Packet,
  type PacketSink,
  type Qos,
  writeAck,
} from './codec.ts';
import { BenchError, formatHost, type Host } from './hosts.ts';
import type { Loop, Turnable } from './loop.ts';
import type { Run } from './run.ts';

/** How a connection introduces itself. */
export interface ConnectionOptions {
  readonly host: Host;
  readonly clientId: string;
  readonly cleanSession: boolean;
  /** What to subscribe to before the connection counts as ready; null for nothing. */
  readonly subscription: { readonly filter: string; readonly qos: Qos } | null;
  readonly keepAliveSeconds: number;
}

type State = 'new' | 'connecting' | 'subscribing' | 'ready' | 'closed';

const SUBSCRIBE_PACKET_ID = 1;
/** Above this much unsent output a connection has lost its broker: windows bound it far below. */
const MAX_PENDING_BYTES = 64 * 1024 * 1024;

const CONNACK_REASONS: Readonly<Record<number, string>> = {
  1: 'unacceptable protocol version',
  2: 'identifier rejected',
  3: 'server unavailable',
  4: 'bad user name or password',
  5: 'not authorized',
};

/** Base of publishers and subscribers; by itself an idle client. */
export class Connection implements PacketSink, Turnable {
  queued = false;
  readonly options: ConnectionOptions;
  protected readonly run: Run;
  protected readonly loop: Loop;
  /** Called once, when CONNACK (and SUBACK) are there. */
  onReady: (() => void) | null = null;
  #state: State = 'new';
  #socket: Socket | null = null;
  #framer = new Framer();
  #out = Buffer.allocUnsafeSlow(1024);
  #outLength = 0;
  /** The buffer the kernel has not taken in full; its memory may not be touched until it has. */
  #inKernel: Buffer | null = null;
  #openedMs = 0;
  #closing = false;
  #socketError: NodeJS.ErrnoException | null = null;

  constructor(run: Run, options: ConnectionOptions) {
    this.run = run;
    this.loop = run.loop;
    this.options = options;
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  get closed(): boolean {
    return this.#state === 'closed' || this.#state === 'new';
  }

  /** Whether earlier output still waits for the peer: produce nothing more until it has gone. */
  protected get blocked(): boolean {
    return this.#inKernel !== null;
  }

  /** Starts to connect; `onReady` or a failure of the run follows. */
  open(): void {
    const { host, clientId, cleanSession, keepAliveSeconds } = this.options;
    this.#state = 'connecting';
    this.#openedMs = performance.now();
    const socket = connect({
      host: host.address,
      port: host.port,
      noDelay: true,
      onread: { buffer: this.loop.readBuffer, callback: (size) => this.#received(size) },
    });
    this.#socket = socket;
    socket.on('error', (error) => {
      this.#socketError = error;
    });
    socket.on('close', () => this.#closed());
    socket.on('connect', () => this.send(encodeConnect(clientId, cleanSession, keepAliveSeconds)));
  }

  /** Sends DISCONNECT and closes in order; the peer's close ends it. */
  close(): void {
    this.#closing = true;
    if (this.#socket === null || this.closed) return;
    if (this.ready) this.send(encodeDisconnect());
    this.#flush();
    this.#socket.end();
  }

  /** Closes at once. A reset leaves no port in TIME_WAIT. */
  destroy(): void {
    this.#closing = true;
    this.#socket?.resetAndDestroy();
  }

  turn(): void {
    if (this.#state === 'ready') this.produce();
    this.#flush();
  }

  packet(header: number, buffer: Buffer, start: number, end: number): boolean {
    if (this.#state === 'ready') {
      if ((header & 0xf0) === Packet.pingresp) return true;
      this.handle(header, buffer, start, end);
      return this.#state === 'ready';
    }
    if (this.#state === 'connecting') return this.#connack(header, buffer, start, end);
    if (this.#state === 'subscribing') return this.#suback(header, buffer, start, end);
    return false;
  }

  /** A packet that belongs to no handshake. An idle client expects none. */
  protected handle(header: number, _buffer: Buffer, _start: number, _end: number): void {
    this.run.tally.countBad(`unexpected packet type 0x${header.toString(16)}`);
  }

  /** Adds packets of its own at the end of a turn. */
  protected produce(): void {}

  /** Appends bytes that will never change to this turn's write. */
  protected send(bytes: Buffer): void {
    const at = this.reserve(bytes.length);
    bytes.copy(this.#out, at);
    this.loop.mark(this);
  }

  /** Appends PUBACK, PUBREC, PUBREL or PUBCOMP to this turn's write. */
  protected sendAck(header: number, packetId: number): void {
    const at = this.reserve(4);
    writeAck(this.#out, at, header, packetId);
    if (!this.queued) this.loop.mark(this);
  }

  /** Where the bytes of the last `reserve` go. Changes with every `reserve`. */
  protected get out(): Buffer {
    return this.#out;
  }

  /** Makes room for `size` bytes in this turn's write and returns their offset in `out`. */
  protected reserve(size: number): number {
    const at = this.#outLength;
    const needed = at + size;
    if (needed > this.#out.length) {
      if (needed > MAX_PENDING_BYTES) this.#fail('does not read what is sent to it');
      const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#out.length * 2));
      this.#out.copy(larger, 0, 0, at);
      this.#out = larger;
    }
    this.#outLength = needed;
    return at;
  }

  readonly #written = (): void => {
    if (this.#inKernel === null || this.#socket === null || this.#socket.writableLength > 0) return;
    this.#inKernel = null;
    this.loop.mark(this);
  };

  #flush(): void {
    const socket = this.#socket;
    if (this.#outLength === 0 || this.#inKernel !== null || socket === null || !socket.writable) return;
    const buffer = this.#out;
    const size = this.#outLength;
    this.#outLength = 0;
    socket.write(size === buffer.length ? buffer : buffer.subarray(0, size), this.#written);
    if (socket.writableLength === 0) return; // the kernel has all of it: the buffer is ours again
    this.#inKernel = buffer;
    this.#out = Buffer.allocUnsafeSlow(1024);
  }

  #received(size: number): boolean {
    this.loop.readAtMs = performance.now();
    try {
      this.#framer.push(this.loop.readBuffer, size, this);
    } catch (error) {
      this.#fail(`sent bytes that are not MQTT: ${(error as Error).message}`);
    }
    this.loop.wake();
    return true;
  }

  #connack(header: number, buffer: Buffer, start: number, end: number): boolean {
    if (header !== Packet.connack || end - start !== 2) return this.#fail('answered CONNECT with another packet');
    const code = buffer[start + 1] as number;
    if (code !== 0) {
      const reason = CONNACK_REASONS[code] ?? 'unknown reason';
      return this.#fail(`refused the connection with return code ${code} (${reason})`);
    }
    this.run.connectLatency.add(this.loop.readAtMs - this.#openedMs);
    const { subscription } = this.options;
    if (subscription === null) this.#becomeReady();
    else {
      this.#state = 'subscribing';
      this.send(encodeSubscribe(SUBSCRIBE_PACKET_ID, subscription.filter, subscription.qos));
    }
    return true;
  }

  #suback(header: number, buffer: Buffer, start: number, end: number): boolean {
    if (header !== Packet.suback || end - start !== 3 || buffer.readUInt16BE(start) !== SUBSCRIBE_PACKET_ID) {
      return this.#fail('answered SUBSCRIBE with another packet');
    }
    const granted = buffer[start + 2] as number;
    const asked = this.options.subscription?.qos ?? 0;
    if (granted === 0x80) return this.#fail('refused the subscription');
    if (granted !== asked) return this.#fail(`granted QoS ${granted} where QoS ${asked} was asked for`);
    this.#becomeReady();
    return true;
  }

  #becomeReady(): void {
    this.#state = 'ready';
    this.onReady?.();
  }

  #fail(what: string): false {
    this.loop.fail(new BenchError(`${formatHost(this.options.host)} ${what}.`));
    this.destroy();
    return false;
  }

  #closed(): void {
    const before = this.#state;
    this.#state = 'closed';
    this.loop.wake();
    if (this.#closing || this.run.closing) return;
    const where = formatHost(this.options.host);
    const code = this.#socketError?.code;
    if (code === 'ECONNREFUSED') {
      this.loop.fail(new BenchError(`Cannot connect to ${where}: connection refused; is a broker listening there?`));
    } else if (code === 'EMFILE' || code === 'EADDRNOTAVAIL') {
      this.loop.fail(new BenchError(`Cannot open another connection to ${where} (${code}): too many are open.`));
    } else {
      const when = before === 'ready' ? 'during the run' : 'before it was ready';
      this.loop.fail(
        new BenchError(
          `${where} closed the connection of ${this.options.clientId} ${when}${code ? ` (${code})` : ''}.`,
        ),
      );
    }
  }
}
