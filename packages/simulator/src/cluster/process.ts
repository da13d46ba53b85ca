import type { Replica } from '@quorate/node/runtime';
import type { SimulatedDisk } from './disk.ts';
import type { DurableIdentity } from './identity.ts';
import type { SimulatedTransport } from './transport.ts';
import type { Wire } from './wire.ts';

/** One run of a node's process. What belongs to an earlier one has no effect any more. */
export interface Process {
  alive: boolean;
  replica: Replica | null;
  transport: SimulatedTransport | null;
  readonly wires: Set<Wire>;
  /** What it runs on: the machine's own, or a stand-in in memory. */
  disk: SimulatedDisk;
  identity: DurableIdentity;
  /** Clients are not taken any more. */
  draining: boolean;
}

/** How a node ends that leaves in good order, as `node.ts` does it. */
const TRANSFER_MS = 2_000;
const DRAIN_MS = 3_000;

/** Waits, by the events of a world, until a condition holds or the time is over. */
export interface Waiter {
  until(condition: () => boolean, timeoutMs: number): Promise<void>;
}

/** Gives leadership and sessions away, and stops. Resolves when everything is closed. */
export async function drain({ replica, transport }: Process, waiter: Waiter): Promise<void> {
  if (replica === null || transport === null) return;
  const { broker, driver } = replica;
  const hasMajority = (): boolean => {
    const { voters } = driver.status().configuration;
    return (transport.connectedPeers().filter((id) => voters.includes(id)).length + 1) * 2 > voters.length;
  };
  if (replica.failed) return;
  if (driver.status().configuration.voters.length > 1) {
    driver.transferLeadership(null);
    await waiter.until(() => replica.status.role !== 'leader' || !hasMajority(), TRANSFER_MS);
  }
  broker.drain();
  await waiter.until(() => broker.settled || replica.failed || !hasMajority(), DRAIN_MS);
  await replica.stop();
}
