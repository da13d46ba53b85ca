import { join, resolve } from 'node:path';

/** One node of the development cluster. */
export interface NodePlan {
  readonly id: string;
  readonly mqttPort: number;
  readonly httpPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
  readonly logFile: string;
  /** Arguments of `quorate`. */
  readonly args: readonly string[];
}

/** Ports of the first node; each next node has the next ones. */
export interface BasePorts {
  readonly mqtt: number;
  readonly http: number;
  readonly peer: number;
}

export const HOST = '127.0.0.1';

/** The nodes n1, n2, ... on loopback. */
export function planCluster(count: number, dataDir: string, ports: BasePorts): readonly NodePlan[] {
  const ids = Array.from({ length: count }, (_, at) => `n${String(at + 1)}`);
  const cluster = ids.map((id, at) => `${id}=${HOST}:${String(ports.peer + at)}`).join(',');
  return ids.map((id, at) => {
    // Absolute: the command line to start it by hand is for any directory.
    const nodeDir = resolve(dataDir, id);
    const [mqttPort, httpPort, peerPort] = [ports.mqtt + at, ports.http + at, ports.peer + at];
    const flags = {
      'node-id': id,
      'data-dir': nodeDir,
      mqtt: `${HOST}:${String(mqttPort)}`,
      http: `${HOST}:${String(httpPort)}`,
      peer: `${HOST}:${String(peerPort)}`,
      cluster,
    };
    const args = ['start', ...Object.entries(flags).flatMap(([flag, value]) => [`--${flag}`, value])];
    return { id, mqttPort, httpPort, peerPort, dataDir: nodeDir, logFile: join(dataDir, `${id}.log`), args };
  });
}

/** Where a node's HTTP API is. */
export function baseUrl(node: NodePlan): string {
  return `http://${HOST}:${String(node.httpPort)}`;
}

function quote(arg: string): string {
  return /^[\w@%+=:,./-]+$/.test(arg) ? arg : `'${arg.replaceAll("'", `'\\''`)}'`;
}

/** The command line that starts the node by hand, for a POSIX shell. */
export function commandLine(node: NodePlan): string {
  return ['npx', 'quorate', ...node.args].map(quote).join(' ');
}
