import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startCluster, type TestCluster } from '../../support/cluster.ts';
import type { NodeProcess } from '../../support/node-process.ts';
import { freePorts } from '../../support/ports.ts';
import { killPrograms } from './program.ts';

/** Browsers and other brokers start meanwhile. */
const READY_TIMEOUT_MS = 60_000;

export const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../support/certificates/${name}`, import.meta.url));

/** Three nodes, each with listeners for TLS and WebSocket besides plain TCP, and a folder for the programs of a test. */
export class InteropWorld {
  readonly cluster: TestCluster;
  readonly folder: string;
  readonly #ports: readonly number[];

  private constructor(cluster: TestCluster, folder: string, ports: readonly number[]) {
    this.cluster = cluster;
    this.folder = folder;
    this.#ports = ports;
  }

  static async start(): Promise<InteropWorld> {
    const folder = mkdtempSync(join(tmpdir(), 'quorate-interop-'));
    const ports = await freePorts(6);
    const tls = { certFile: fixture('server.pem'), keyFile: fixture('server.key') };
    let at = 0;
    const cluster = await startCluster({
      readyTimeoutMs: READY_TIMEOUT_MS,
      prepare: (node) => {
        const [secure, pages] = ports.slice(2 * at, 2 * ++at);
        const listeners = [
          { name: 'secure', transport: 'tls', bind: `127.0.0.1:${String(secure)}`, tls },
          { name: 'pages', transport: 'ws', bind: `127.0.0.1:${String(pages)}` },
        ];
        const file = join(folder, `${node.id}.yaml`);
        writeFileSync(file, JSON.stringify({ listeners }));
        node.reconfigure({ env: { QUORATE_CONFIG: file } });
      },
    });
    return new InteropWorld(cluster, folder, ports);
  }

  /** The nth node, counted round. */
  node(at: number): NodeProcess {
    return this.cluster.nodes[at % 3] as NodeProcess;
  }

  port(at: number): number {
    return this.node(at).mqttPort;
  }

  tlsPort(at: number): number {
    return this.#ports[2 * (at % 3)] as number;
  }

  webSocketPort(at: number): number {
    return this.#ports[2 * (at % 3) + 1] as number;
  }

  async stop(): Promise<void> {
    await killPrograms();
    await this.cluster.stopAll();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
