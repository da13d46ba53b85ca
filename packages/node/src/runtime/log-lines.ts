import type { Status } from '@quorate/consensus';
import type { TransportLogger } from '../transport/index.ts';

/** Who leads now, as far as this node knows. */
export function sayLeader(logger: TransportLogger, nodeId: string, { leader, term, role }: Status): void {
  if (leader === null) logger.warn({ term, role }, `there is no leader in term ${String(term)}`);
  else if (leader === nodeId) logger.info({ term }, `this node leads term ${String(term)}`);
  else logger.info({ term, leader }, `${leader} leads term ${String(term)}`);
}

/** A write of the log that takes too long. */
export function saySlowWrite(logger: TransportLogger, durationMs: number, sizeBytes: number): void {
  const ms = Math.round(durationMs);
  logger.warn(
    { durationMs: ms, sizeBytes },
    `slow disk: a log write of ${String(sizeBytes)} bytes takes ${String(ms)} ms`,
  );
}

/** A batch that must not get into the log. */
export function sayRefused(logger: TransportLogger, from: string, reason: string): void {
  logger.error({ peer: from }, `a batch from ${from} is refused (${reason}): do all nodes run the same release?`);
}

/** QoS 0 messages that this release can not read. */
export function sayUnreadable(logger: TransportLogger, from: string, error: unknown): void {
  const fields = { peer: from, err: error };
  logger.error(fields, `messages from ${from} can not be read: do all nodes run the same release?`);
}
