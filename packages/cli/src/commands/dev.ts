import { setTimeout as delay } from 'node:timers/promises';
import { type Child, startChild } from '../dev/child.ts';
import { prepareDirectory } from '../dev/directory.ts';
import { type NodePlan, planCluster } from '../dev/plan.ts';
import { demandFreePorts } from '../dev/ports.ts';
import { renderExit, renderScreen } from '../dev/screen.ts';
import { ChangeNotes, type Observation, observe } from '../dev/watch.ts';
import { integerFlag, parseFlags } from '../flags.ts';
import { DEV_HELP } from '../help.ts';
import { listenForStop } from '../stop-signal.ts';

const MAX_NODES = 7;
const MAX_BASE_PORT = 65_535 - MAX_NODES;
const STARTING_ROUND_MS = 100;
const RUNNING_ROUND_MS = 500;
const LATE_MS = 15_000;
const STOP_TIMEOUT_MS = 15_000;

interface DevOptions {
  readonly plan: readonly NodePlan[];
  readonly dataDir: string;
  readonly fresh: boolean;
  readonly verbose: boolean;
}

function say(text: string): void {
  process.stdout.write(text);
}

/** Runs children until `stopping` is aborted or the last one has ended. */
class DevCluster {
  readonly #options: DevOptions;
  readonly #children: readonly Child[];
  readonly #startedAtMs = performance.now();
  readonly #ended = new AbortController();
  #notes: ChangeNotes | undefined;
  #stopping = false;

  constructor(options: DevOptions) {
    this.#options = options;
    this.#children = options.plan.map((node) => startChild(node, options.verbose));
    for (const child of this.#children) void this.#reportExit(child);
  }

  async #reportExit(child: Child): Promise<void> {
    const exit = await child.exited;
    if (this.#stopping) return;
    const running = this.#children.filter((each) => each.running()).length;
    this.#notes?.lost(child.plan.id);
    say(renderExit(child.plan, exit, running));
    // Once the cluster was up, nodes may be started again by hand: it is for the user to end this.
    if (running === 0 && this.#notes === undefined) this.#ended.abort();
  }

  /** Waits for readiness, shows the screen, then notes changes. Ends when stopped, or when no node came up. */
  async run(): Promise<void> {
    const first = await this.#untilReady();
    if (first?.cluster == null) return;
    this.#notes = new ChangeNotes(first.cluster.leader);
    for (const child of this.#children) if (!child.running()) this.#notes.lost(child.plan.id);
    const { plan } = this.#options;
    const pids = new Map(this.#children.map((child) => [child.plan.id, child.running() ? child.pid : undefined]));
    const readyAfterMs = performance.now() - this.#startedAtMs;
    say(renderScreen({ plan, pids, readyAfterMs, cluster: first.cluster }));
    while (await this.#pause(RUNNING_ROUND_MS)) {
      const seen = await observe(plan);
      if (this.#ended.signal.aborted) return;
      for (const line of this.#notes.note(seen)) say(`${line}\n`);
    }
  }

  async #untilReady(): Promise<Observation | undefined> {
    let saidLate = false;
    do {
      const seen = await observe(this.#options.plan);
      const expected = this.#children.filter((child) => child.running());
      const complete = expected.every((child) => seen.ready.has(child.plan.id));
      if (complete && expected.length > 0 && seen.cluster?.leader != null) return seen;
      if (!saidLate && performance.now() - this.#startedAtMs > LATE_MS) {
        saidLate = true;
        const missing = this.#children.map((child) => child.plan).filter((node) => !seen.ready.has(node.id));
        say(`still waiting for ${missing.map((node) => `${node.id} (${node.logFile})`).join(', ')}\n`);
      }
    } while (await this.#pause(STARTING_ROUND_MS));
    return undefined;
  }

  /** False when there is no next round. */
  async #pause(durationMs: number): Promise<boolean> {
    const { signal } = this.#ended;
    await delay(durationMs, undefined, { signal }).catch(() => undefined);
    return !signal.aborted;
  }

  /** Stops every node in order; true when all ended by themselves. */
  async stop(): Promise<boolean> {
    this.#stopping = true;
    this.#ended.abort();
    for (const child of this.#children) child.kill('SIGTERM');
    const overdue = setTimeout(() => {
      const ids = this.#children.filter((child) => child.running()).map((child) => child.plan.id);
      say(`killed after ${String(STOP_TIMEOUT_MS / 1000)} s: ${ids.join(', ')}\n`);
      this.killAll();
    }, STOP_TIMEOUT_MS);
    const exits = await Promise.all(this.#children.map((child) => child.exited));
    clearTimeout(overdue);
    return exits.every((exit) => exit.how !== 'killed by SIGKILL');
  }

  killAll(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

async function runCluster(options: DevOptions): Promise<number> {
  // In this order: --fresh must not pull the data from under a cluster that runs.
  await demandFreePorts(options.plan);
  await prepareDirectory(options.dataDir, options.plan.length, options.fresh);
  say(`starting ${String(options.plan.length)} nodes in ${options.dataDir}\n`);
  const cluster = new DevCluster(options);
  const stopSignal = listenForStop(() => {
    cluster.killAll();
    process.exit(1);
  });
  const asked = await Promise.race([stopSignal.requested.then(() => true), cluster.run().then(() => false)]);
  if (asked) say('\nstopping all nodes\n');
  await cluster.stop();
  stopSignal.dispose();
  return asked ? 0 : 1;
}

/** `quorate dev`. */
export async function dev(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('dev', args, {
    nodes: 'value',
    'data-dir': 'value',
    fresh: 'switch',
    verbose: 'switch',
    'mqtt-port': 'value',
    'http-port': 'value',
    'peer-port': 'value',
  });
  if (flags.switches.has('help')) {
    say(DEV_HELP);
    return 0;
  }
  const count = integerFlag(flags, 'nodes', 3, 1, MAX_NODES);
  const port = (name: string, fallback: number): number => integerFlag(flags, name, fallback, 1, MAX_BASE_PORT);
  const dataDir = flags.values.get('data-dir') ?? '.quorate/dev';
  const ports = { mqtt: port('mqtt-port', 1883), http: port('http-port', 18083), peer: port('peer-port', 7001) };
  const plan = planCluster(count, dataDir, ports);
  return runCluster({ plan, dataDir, fresh: flags.switches.has('fresh'), verbose: flags.switches.has('verbose') });
}
