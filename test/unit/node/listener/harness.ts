import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Admission, type AdmissionLimits, BrokerCounters, type Visit } from '@quorate/broker';
import type { ListenerConfig, TlsConfig } from '@quorate/node';
import type { ListenerSocket } from '../../../../packages/node/src/listener/client-socket.ts';
import type { ListenerLogger } from '../../../../packages/node/src/listener/failure-log.ts';
import { MqttListener, type MqttListenerOptions } from '../../../../packages/node/src/listener/mqtt-listener.ts';
import { waitFor } from '../../../support/wait.ts';

/** A connection of a broker that keeps what it is told. */
export class Accepted {
  readonly socket: ListenerSocket;
  receivedBytes = 0;
  chunks = 0;
  drains = 0;
  ended = 0;
  closed = 0;
  readonly visit: Visit;
  readonly received: Buffer[] = [];
  onChunk: () => void = () => {};
  endsWithClient = true;

  constructor(socket: ListenerSocket, visit: Visit) {
    this.socket = socket;
    this.visit = visit;
  }

  receive(chunk: Buffer): void {
    this.receivedBytes += chunk.length;
    this.chunks++;
    this.received.push(chunk);
    this.onChunk();
  }

  get text(): string {
    return Buffer.concat(this.received).toString('latin1');
  }

  drained(): void {
    this.drains++;
  }

  /** As a broker answers it when nothing is to be waited for. */
  inputEnded(): void {
    this.ended++;
    if (this.endsWithClient) this.socket.end();
  }

  socketClosed(): void {
    this.closed++;
  }
}

/** A log that is kept: `warn closing a connection ...`. */
export type Recorder = ListenerLogger & { readonly lines: string[] };

export function recorder(): Recorder {
  const lines: string[] = [];
  const at =
    (level: string) =>
    (_details: object, message: string): void => {
      lines.push(`${level} ${message}`);
    };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** Who may come in: anybody, but for what `limits` says. */
export function admissionOf(limits: Partial<AdmissionLimits> = {}): Admission {
  const none = { maxConnectionsPerAddress: 0, maxConnectsPerSec: 0, maxConnectsPerAddressPerSec: 0 };
  const any = { maxConnections: 10_000, maxPendingConnections: 10_000, ...none };
  return new Admission({ ...any, ...limits }, new BrokerCounters(), () => performance.now());
}

/** The path of a certificate or key in test/support/certificates. */
export function fixture(name: string): string {
  return fileURLToPath(new URL(`../../../support/certificates/${name}`, import.meta.url));
}

export function fixtureBytes(name: string): Buffer {
  return readFileSync(fixture(name));
}

export function tlsConfig(part: Partial<TlsConfig> = {}): TlsConfig {
  return {
    ...{ certFile: fixture('server.pem'), keyFile: fixture('server.key'), caFile: null },
    ...{ clientCertificates: 'none', minVersion: 'TLSv1.2' },
    ...part,
  };
}

export function listenerConfig(part: Partial<ListenerConfig> = {}): ListenerConfig {
  return {
    ...{ name: 'it', bind: { host: '127.0.0.1', port: 0 }, transport: 'tcp', tls: null, proxyProtocol: 'off' },
    ...{ path: '/mqtt', origins: [], maxConnections: null },
    ...part,
  };
}

/** A listener on a port of its own, and everything that it did. */
export class Rig {
  readonly log = recorder();
  readonly accepted: Accepted[] = [];
  readonly fatal: unknown[] = [];
  readonly faults: string[] = [];
  readonly refused: string[] = [];
  readonly listener: MqttListener;
  port = 0;

  constructor(config: Partial<ListenerConfig>, options: Partial<MqttListenerOptions> = {}) {
    this.listener = new MqttListener({
      config: listenerConfig(config),
      broker: {
        accept: (socket, visit) => {
          const connection = new Accepted(socket, visit);
          this.accepted.push(connection);
          return connection;
        },
      },
      admission: admissionOf(),
      onRefused: (reason) => this.refused.push(reason),
      logger: this.log,
      onFatal: (error) => this.fatal.push(error),
      onWebSocketFault: (fault) => this.faults.push(fault),
      handshakeTimeoutMs: 10_000,
      maxPacketSizeBytes: 1024 * 1024,
      ...options,
    });
  }

  static async open(config: Partial<ListenerConfig>, options: Partial<MqttListenerOptions> = {}): Promise<Rig> {
    const rig = new Rig(config, options);
    rig.port = await rig.listener.listen();
    return rig;
  }

  /** The nth connection that reached the broker. */
  async connection(at = 0): Promise<Accepted> {
    return waitFor(() => this.accepted[at], { what: `connection ${String(at)}; log: ${this.log.lines.join('; ')}` });
  }

  async failure(pattern: RegExp): Promise<void> {
    await waitFor(() => this.log.lines.some((line) => pattern.test(line)), {
      what: `a line like ${String(pattern)} in ${JSON.stringify(this.log.lines)}`,
    });
  }
}
