/** A fresh three-node Quorate cluster as three processes on loopback, stopped by pid and removed at the end. */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { get } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BenchError } from './hosts.ts';
import type { Target } from './types.ts';

const ADDRESS = '127.0.0.1';
const NODES = 3;
const READY_TIMEOUT_MS = 60_000;
const READY_POLL_MS = 100;
const PROBE_TIMEOUT_MS = 2000;
const STOP_TIMEOUT_MS = 15_000;
const LOWEST_PORT = 15_000;
const HIGHEST_PORT = 32_000;
const PORT_ATTEMPTS = 1_000;
/** The command, next to this package; a path and not an import, so that the generator depends on nothing. */
const COMMAND = fileURLToPath(new URL('../../cli/bin/quorate.js', import.meta.url));

/** A running cluster. */
export interface Cluster {
  readonly target: Target;
  /** Stops all nodes and removes their data. May be called more than once. */
  stop(): Promise<void>;
}

interface NodeProcess {
  readonly id: string;
  readonly child: ChildProcess;
  readonly exited: Promise<void>;
  readonly logFile: string;
  readonly httpPort: number;
}

/**
 * Starts the nodes and waits until `/readyz` answers 200 on each.
 * @param name of the resulting target
 * @param parentDir where the temporary data directory is made; null for the system's
 * @param command the executable script; another one only in tests
 * @throws BenchError with the node's last words when one ends or is not ready within 60 s
 */
export async function startCluster(name: string, parentDir: string | null, command = COMMAND): Promise<Cluster> {
  if (!existsSync(command)) throw new BenchError(`Cannot start a cluster: ${command} is missing; run the build first.`);
  const directory = mkdtempSync(join(parentDir ?? tmpdir(), 'quorate-bench-'));
  const nodes: NodeProcess[] = [];
  const removeAll = (): void => {
    for (const { child } of nodes) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', removeAll);
  const stop = async (): Promise<void> => {
    await Promise.all(nodes.map(stopNode));
    process.off('exit', removeAll);
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    const ports = await freePorts(NODES * 3);
    const mqttPorts = ports.slice(0, NODES);
    spawnNodes(command, directory, ports, nodes);
    const deadlineMs = performance.now() + READY_TIMEOUT_MS;
    await Promise.all(nodes.map((node) => waitReady(node, deadlineMs)));
    const pids = nodes.map(({ child }) => child.pid as number);
    return { target: { name, hosts: mqttPorts.map((port) => ({ address: ADDRESS, port })), pids }, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function spawnNodes(command: string, directory: string, ports: readonly number[], nodes: NodeProcess[]): void {
  const at = (i: number): string => `${ADDRESS}:${ports[i]}`;
  const ids = Array.from({ length: NODES }, (_, i) => `n${i + 1}`);
  const members = ids.map((id, i) => `${id}=${at(2 * NODES + i)}`).join(',');
  ids.forEach((id, i) => {
    const args = [command, 'start', '--node-id', id, '--data-dir', join(directory, id), '--cluster', members];
    args.push('--mqtt', at(i), '--http', at(NODES + i), '--peer', at(2 * NODES + i));
    const logFile = join(directory, `${id}.log`);
    const log = openSync(logFile, 'w');
    const child = spawn(process.execPath, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    nodes.push({ id, child, exited, logFile, httpPort: ports[NODES + i] as number });
  });
}

async function waitReady(node: NodeProcess, deadlineMs: number): Promise<void> {
  let ended = false;
  void node.exited.then(() => {
    ended = true;
  });
  while (!(await answersReady(node.httpPort))) {
    if (ended) throw new BenchError(`Node ${node.id} of the cluster ended before it was ready: ${lastWords(node)}`);
    if (performance.now() > deadlineMs) {
      throw new BenchError(`Node ${node.id} was not ready after ${READY_TIMEOUT_MS / 1000} s: ${lastWords(node)}`);
    }
    // Another process becoming ready cannot be awaited, only asked about.
    await Promise.race([delay(READY_POLL_MS), node.exited]);
  }
}

function answersReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const request = get(
      { host: ADDRESS, port, path: '/readyz', agent: false, timeout: PROBE_TIMEOUT_MS },
      (response) => {
        response.resume();
        resolve(response.statusCode === 200);
      },
    );
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve(false));
  });
}

function lastWords(node: NodeProcess): string {
  const lines = readFileSync(node.logFile, 'utf8').trimEnd().split('\n').slice(-5);
  return lines.join(' | ').slice(-1000) || '(it wrote nothing)';
}

async function stopNode(node: NodeProcess): Promise<void> {
  const { child, exited } = node;
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(timer);
}

/**
 * Ports that were free a moment ago. They lie below the ephemeral range of Linux and macOS: a probe of a node that is
 * not up yet could otherwise be given the very port that it dials as its own, connect to itself and keep the node out.
 */
async function freePorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  for (let attempt = 0; attempt < PORT_ATTEMPTS && ports.size < count; attempt++) {
    const port = randomInt(LOWEST_PORT, HIGHEST_PORT);
    if (await isFree(port)) ports.add(port);
  }
  if (ports.size < count) throw new BenchError(`Found only ${ports.size} of ${count} free ports on ${ADDRESS}.`);
  return [...ports];
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, ADDRESS, () => server.close(() => resolve(true)));
  });
}
