import type { DeliverOperation, Operation, PublishOperation } from '../history/operation.ts';
import { at, type Findings } from './checker.ts';
import { matches } from './timeline.ts';

/** What one client was subscribed to at the end, and all that it received. */
export interface Subscriber {
  readonly client: string;
  /** Filter to the SUBACK since which it holds. A lost session takes its subscriptions along. */
  readonly since: ReadonlyMap<string, Operation>;
  /** Whether its last session was to outlive its connection. */
  readonly keepsSession: boolean;
  readonly deliveries: readonly DeliverOperation[];
}

/** A session had to be there at a CONNECT and was not. */
export interface LostSession {
  readonly before: Operation;
  readonly connect: Operation;
}

/** How close to its end a session may be and still count as there, in milliseconds. */
const EXPIRY_TOLERANCE_MS = 1_000;

/** Follows a client through its history. @param operations of one client, by begin */
export function follow(operations: readonly Operation[]): { subscriber: Subscriber; lost: LostSession[] } {
  const since = new Map<string, Operation>();
  const deliveries: DeliverOperation[] = [];
  const lost: LostSession[] = [];
  /** The last proof that there was a session, and until when it had to last. */
  let proof: Operation | null = null;
  let untilMs = 0;
  let expiryMs = 0;
  for (const operation of operations) {
    if (operation.kind === 'deliver') deliveries.push(operation);
    if (operation.kind === 'unsubscribe') since.delete(operation.filter);
    if (operation.kind === 'subscribe' && operation.outcome === 'ok' && !since.has(operation.filter)) {
      since.set(operation.filter, operation);
    }
    if (operation.kind === 'close') untilMs = operation.beginMs + expiryMs;
    if (operation.kind !== 'connect') continue;
    if (operation.cleanStart && operation.outcome !== 'fail') proof = null;
    if (operation.outcome !== 'ok') continue;
    if (!operation.sessionPresent) {
      if (proof !== null && operation.endMs < untilMs - EXPIRY_TOLERANCE_MS)
        lost.push({ before: proof, connect: operation });
      since.clear();
    }
    expiryMs = (operation.sessionExpirySec ?? 0) * 1_000;
    untilMs = Number.POSITIVE_INFINITY;
    proof = expiryMs > 0 ? operation : null;
  }
  return { subscriber: { client: operations[0]?.client ?? '', since, keepsSession: expiryMs > 0, deliveries }, lost };
}

/** The SUBACK because of which this subscriber had to get a message; undefined when it need not. */
export function claimOf(subscriber: Subscriber, publish: PublishOperation): Operation | undefined {
  for (const [filter, suback] of subscriber.since) {
    if (publish.beginMs > suback.endMs && matches(filter, publish.topic)) return suback;
  }
  return undefined;
}

/** Writes lost sessions down as anomalies. */
export function reportLost(findings: Findings, lost: readonly LostSession[]): void {
  for (const { before, connect } of lost) {
    const sentence =
      `the session of ${connect.client}, acknowledged by ${before.node} at ${at(before.endMs)}, ` +
      `was not there when it connected to ${connect.node} at ${at(connect.beginMs)}`;
    findings.add('session lost', 'P1', sentence, [before, connect]);
  }
}
