import { execFileSync } from 'node:child_process';
import type { Cluster } from './cluster.ts';
import type { FixedOptions } from './fixed.ts';
import { mosquitto } from './mosquitto.ts';
import { nats } from './nats.ts';
import { OWN_BUILD, QuorateCluster } from './quorate.ts';
import { rabbitmq } from './rabbitmq.ts';

/** Brokers that a run can be made with. */
export const BROKERS = ['quorate', 'mosquitto', 'nats', 'rabbitmq'] as const;
export type BrokerName = (typeof BROKERS)[number];

/** What every broker is given, and what only Quorate takes. */
export interface BrokerOptions extends FixedOptions {
  /** Hosts for nodes that join later. */
  readonly spares: readonly string[];
  /** JavaScript files of Quorate's command; that of this checkout by default. */
  readonly builds: readonly string[];
}

interface Known {
  /** What its cluster can have; a single node is no cluster. */
  readonly nodes: readonly number[];
  readonly program: string;
  /** Arguments that make the program tell its version; its first line with a digit is taken. */
  readonly versionArgs: readonly string[];
  open(options: BrokerOptions): Cluster;
}

const KNOWN: Readonly<Record<BrokerName, Known>> = {
  quorate: {
    nodes: [3, 5],
    program: process.execPath,
    versionArgs: [OWN_BUILD, '--version'],
    open: ({ builds, ...options }) => new QuorateCluster({ ...options, ...(builds.length > 0 && { builds }) }),
  },
  mosquitto: { nodes: [1], program: 'mosquitto', versionArgs: ['-h'], open: mosquitto },
  nats: { nodes: [3, 5], program: 'nats-server', versionArgs: ['--version'], open: nats },
  // Its own commands want a running node, or at least a network.
  rabbitmq: { nodes: [3, 5], program: 'ls', versionArgs: ['/usr/lib/rabbitmq/lib'], open: rabbitmq },
};

/** How many nodes it can have, the usual number first. */
export function sizesOf(broker: BrokerName): readonly number[] {
  return KNOWN[broker].nodes;
}

/** The version that is installed. @throws with what to install when the program does not run */
export function versionOf(broker: BrokerName): string {
  const { program, versionArgs } = KNOWN[broker];
  let said: string;
  try {
    said = execFileSync(program, versionArgs, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    // Mosquitto shows its help with an exit code of its own.
    said = (error as { readonly stdout?: string }).stdout ?? '';
    if (said === '') throw new Error(`${program} does not run: install it to test ${broker}`, { cause: error });
  }
  return /\d+\.\d+[\w.+-]*/.exec(said)?.[0] ?? said.trim();
}

/** A cluster that is not started yet. */
export function openBroker(broker: BrokerName, options: BrokerOptions): Cluster {
  return KNOWN[broker].open(options);
}
