import type { State } from '@quorate/broker';

/** Clocks of machines drift apart, and a thread may be held up between reading the clock and acting on it. */
const LEASE_DRIFT = 1.1;
const LEASE_MARGIN_MS = 100;

/** The longest lease that any member may serve on. */
export function longestLeaseMs(state: State, ownMs: number): number {
  let longestMs = ownMs;
  for (const node of state.nodes.values()) longestMs = Math.max(longestMs, node.leaseMs);
  return longestMs;
}

/** How long a takeover waits for a node that serves on a lease of that length and does not answer. */
export function leaseWaitMs(leaseMs: number): number {
  return leaseMs * LEASE_DRIFT + LEASE_MARGIN_MS;
}
