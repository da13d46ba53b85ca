import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster } from '../cluster/cluster.ts';
import type { DiskKind } from '../cluster/disks.ts';
import type { Network } from '../network/network.ts';
import type { Random } from '../random.ts';
import type { Clocks } from './clocks.ts';
import type { LinkBook } from './link-book.ts';

/** What a fault touches. Two at once never touch the same, nor what the other depends on (`excludes` in plan.ts). */
export type Touches = 'links' | 'shapes' | 'processes' | 'clocks' | 'space' | 'data' | 'members' | 'settings';

/** All that faults are done to, and with. */
export interface NemesisContext {
  readonly network: Network;
  readonly links: LinkBook;
  readonly cluster: Cluster;
  readonly nodeCount: number;
  /** Hosts where clients are. */
  readonly clientHosts: readonly string[];
  /** The node that the clients of a host call theirs: a fault may cut them off along with it. */
  readonly homeOf: (clientHost: string) => string;
  /** Null when no clock can be changed, with the reason in `clocksUnavailable`. */
  readonly clocks: Clocks | null;
  readonly clocksUnavailable: string | null;
  readonly disk: DiskKind;
  /** Hosts that are free for another node. */
  readonly spareHosts: number;
  /** Something a reader of the report should know that is no event. */
  readonly note: (text: string) => void;
}

/** A fault that has begun. */
export interface Begun {
  /** In words: which nodes, how much. */
  readonly detail: string;
  /** The nodes that it concerns. */
  readonly nodes: readonly string[];
  /** Those of them that are not expected to serve while it lasts; all by default. Availability is that of the others. */
  readonly out?: readonly string[];
  /** Ends it, and resolves when it has ended. Called once. */
  end(): Promise<void>;
}

/** One kind of fault. */
export interface Nemesis {
  readonly name: string;
  readonly touches: Touches;
  /** Bounds of its length, where those of the plan do not suit it. */
  readonly lengthMs?: readonly [least: number, most: number];
  /** Null when it can be done with this network and this cluster, else why not. */
  unavailable(context: NemesisContext): string | null;
  /** Begins it; null when there is nothing to do it to at this moment. */
  begin(context: NemesisContext, random: Random): Promise<Begun | null>;
}

/** It can always be done. */
export const always = (): null => null;

/** Nodes whose process runs. */
export function runningNodes(context: NemesisContext): string[] {
  return context.cluster.nodes.filter((node) => node.running).map((node) => node.id);
}

/** Fewer than half: with these the others are still a majority. */
export function minoritySize(nodes: number): number {
  return Math.floor((nodes - 1) / 2);
}

/** The leader, or some running node while none is known; null when none runs. */
export async function leaderOrAny(context: NemesisContext, random: Random): Promise<string | null> {
  const running = runningNodes(context);
  if (running.length === 0) return null;
  const leader = await context.cluster.leader();
  return leader !== null && running.includes(leader.id) ? leader.id : random.pick(running);
}

/** What still mends itself after the fault before gets so much time. */
const WHOLE_TIMEOUT_MS = 15_000;
const WHOLE_ROUND_MS = 100;

/**
 * Whether every node runs, is ready and has a vote, so that all that was acknowledged is on a majority of disks even when one
 * is lost. Waits some seconds for it.
 */
export async function isWhole({ cluster }: NemesisContext): Promise<boolean> {
  for (let leftMs = WHOLE_TIMEOUT_MS; leftMs > 0; leftMs -= WHOLE_ROUND_MS) {
    const running = cluster.nodes.every((node) => node.running);
    if (running && (cluster.isWhole === undefined || (await cluster.isWhole()))) return true;
    await delay(WHOLE_ROUND_MS);
  }
  return false;
}
