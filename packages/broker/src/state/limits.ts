/**
 * Limits that decide what the replicated state holds. Every node must apply the same ones, so they are part of the
 * machine's version and not of a node's configuration.
 */
export const StateLimits = {
  /** Sessions in the whole cluster, connected or not; a CONNECT that needs one more is refused. */
  sessions: 4_000_000,
  /** Messages waiting in one session's replicated queue; the newest is refused beyond it. */
  queuedMessagesPerSession: 100_000,
  /** Topic, payload and property bytes waiting in one session's replicated queue. */
  queuedBytesPerSession: 256 * 1024 * 1024,
  /** Retained messages in the whole cluster; a further topic is refused with Quota exceeded semantics. */
  retainedMessages: 4_000_000,
  /** Their topic, payload and property bytes. */
  retainedBytes: 2 * 1024 * 1024 * 1024,
} as const;
