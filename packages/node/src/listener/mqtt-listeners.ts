import { formatAddress, type ListenerConfig, type NodeConfig, type Transport } from '../config/index.ts';
import { MAIN_LISTENER } from '../config/listeners.ts';
import type { Metrics } from '../metrics/index.ts';
import { MqttListener, type MqttListenerOptions } from './mqtt-listener.ts';

export interface MqttListenersOptions
  extends Pick<MqttListenerOptions, 'broker' | 'admission' | 'logger' | 'onFatal' | 'onRefused' | 'onWebSocketFault'> {
  readonly config: Pick<NodeConfig, 'mqtt' | 'listeners' | 'limits'>;
  /** How often certificate files are looked at; 5 s by default. */
  readonly certificatePollMs?: number;
}

/** Connections beyond the limits that are held for as long as it takes to say goodbye. */
const LEAVING_CONNECTIONS = 1_024;
const CERTIFICATE_POLL_MS = 5_000;

const SPOKEN: Readonly<Record<Transport, string>> = {
  tcp: 'TCP',
  tls: 'TLS',
  ws: 'WebSocket',
  wss: 'secure WebSocket',
};

function mainListener(config: Pick<NodeConfig, 'mqtt'>): ListenerConfig {
  return {
    ...{ name: MAIN_LISTENER, bind: config.mqtt, transport: 'tcp', tls: null, proxyProtocol: 'off' },
    ...{ path: '', origins: [], maxConnections: null },
  };
}

/** Everywhere that a node accepts MQTT clients. */
export class MqttListeners {
  readonly #listeners: readonly MqttListener[];
  readonly #options: MqttListenersOptions;
  #poll: NodeJS.Timeout | null = null;

  constructor(options: MqttListenersOptions) {
    const { config, certificatePollMs: _poll, ...shared } = options;
    const { maxConnections, maxPendingConnections, connectTimeoutMs, maxPacketSizeBytes } = config.limits;
    const maxSockets = maxConnections + maxPendingConnections + LEAVING_CONNECTIONS;
    this.#options = options;
    this.#listeners = [mainListener(config), ...config.listeners].map(
      (each) =>
        new MqttListener({
          ...shared,
          config: each,
          handshakeTimeoutMs: connectTimeoutMs,
          maxPacketSizeBytes,
          hasRoom: () => this.socketCount < maxSockets,
        }),
    );
  }

  /**
   * Opens all of them; resolves with their ports, that of the key `mqtt` first. Rejects as {@link MqttListener.listen}
   * does; call `destroy` then.
   */
  async listen(): Promise<number[]> {
    const { config, logger, certificatePollMs = CERTIFICATE_POLL_MS } = this.#options;
    const ports: number[] = [];
    for (const listener of this.#listeners) ports.push(await listener.listen());
    for (const { name, bind, transport, path, proxyProtocol, tls } of config.listeners) {
      const suffix = transport === 'ws' || transport === 'wss' ? path : '';
      const proxied = proxyProtocol === 'required' ? ', behind a proxy' : '';
      const message = `listening for MQTT over ${SPOKEN[transport]} on ${formatAddress(bind)}${suffix}${proxied}`;
      logger.info({ listener: name, clientCertificates: tls?.clientCertificates ?? 'none' }, message);
    }
    if (config.listeners.some(({ tls }) => tls !== null)) {
      this.#poll = setInterval(() => {
        for (const listener of this.#listeners) void listener.pollCertificates();
      }, certificatePollMs).unref();
    }
    return ports;
  }

  get listening(): boolean {
    return this.#listeners.every((each) => each.listening);
  }

  /** Open sockets of all of them; see {@link MqttListener.socketCount}. */
  get socketCount(): number {
    let count = 0;
    for (const listener of this.#listeners) count += listener.socketCount;
    return count;
  }

  /** Reads all certificates again; what can not be used is logged and changes nothing. */
  async reloadCertificates(): Promise<void> {
    await Promise.all(this.#listeners.map((each) => each.reloadCertificates()));
  }

  /** No new clients; those that are connected stay. */
  close(): void {
    for (const listener of this.#listeners) listener.close();
    this.#stopPolling();
  }

  /** No clients at all any more, at once. */
  destroy(): void {
    for (const listener of this.#listeners) listener.destroy();
    this.#stopPolling();
  }

  /** Copies what the listeners count into the metrics, at each scrape. */
  observe(metrics: Pick<Metrics, 'onScrape' | 'listenerConnections' | 'listenerRefused' | 'listenerFailures'>): void {
    metrics.onScrape(() => {
      for (const { name, socketCount, refusedTotal, handshakeFailuresTotal } of this.#listeners) {
        metrics.listenerConnections.set(name, socketCount);
        metrics.listenerRefused.set(name, refusedTotal);
        metrics.listenerFailures.set(name, handshakeFailuresTotal);
      }
    });
  }

  #stopPolling(): void {
    if (this.#poll !== null) clearInterval(this.#poll);
    this.#poll = null;
  }
}
