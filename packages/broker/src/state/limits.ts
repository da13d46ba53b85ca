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
  /** Unsettled shared messages that one session is given, also when its Receive Maximum is larger. */
  sharedInflightPerSession: 1024,
  /** Messages waiting in one share group's queue; the newest is refused beyond it. */
  queuedMessagesPerGroup: 100_000,
  /** Their topic, payload and property bytes. */
  queuedBytesPerGroup: 256 * 1024 * 1024,
  /** Retained messages in the whole cluster; a further topic is refused with Quota exceeded semantics. */
  retainedMessages: 4_000_000,
  /** Their topic, payload and property bytes. */
  retainedBytes: 2 * 1024 * 1024 * 1024,
  /** Topic levels that are looked at to find the retained messages of a filter; beyond it they are read in slices. */
  retainedWalk: 8192,
  /**
   * What one Tick does of what is due: wills, ends of sessions, subscriptions and queued messages that go with them,
   * deliveries; a retained message that expires counts twice. About 2 us each. The next Tick goes on with the rest.
   */
  effortPerTick: 4096,
  /** Members of the cluster that the state knows, those on their way in or out included. */
  members: 64,
  /** Characters of a member's name. */
  memberNameLength: 64,
  /** Characters of a member's address: a DNS name of 253, brackets, a port. */
  memberAddressLength: 264,
  /** Documents of one collection: users, bans. */
  documentsPerCollection: 100_000,
  /** Characters of a document's name. */
  documentNameLength: 600,
  /** Bytes of a document. A command travels in a batch, and every entry is kept in memory for a while. */
  documentBytes: 512 * 1024,
} as const;
