/**
 * What the replicated state may hold. Every node must decide alike. Those in `LIMIT_RANGES` are defaults of
 * `State.limits`, which a command in the log changes; the others are part of the machine's version.
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

/** A limit that can be set while the cluster runs. */
export type LimitName =
  | 'sessions'
  | 'queuedMessagesPerSession'
  | 'queuedBytesPerSession'
  | 'sharedInflightPerSession'
  | 'queuedMessagesPerGroup'
  | 'queuedBytesPerGroup'
  | 'retainedMessages'
  | 'retainedBytes'
  | 'documentsPerCollection';

/** The limits that a state goes by. */
export type Limits = Record<LimitName, number>;

/** From and to, both inclusive. */
export interface LimitRange {
  readonly min: number;
  readonly max: number;
}

/** V8 lets a Map hold 2^24 entries. */
const MAX_MAP = 16_000_000;

/** What the limits can be set to. Their order here is that of listings. */
export const LIMIT_RANGES: Readonly<Record<LimitName, LimitRange>> = {
  sessions: { min: 1, max: MAX_MAP },
  queuedMessagesPerSession: { min: 1, max: 10_000_000 },
  queuedBytesPerSession: { min: 65_536, max: 2 ** 34 },
  sharedInflightPerSession: { min: 1, max: 65_535 },
  queuedMessagesPerGroup: { min: 1, max: 10_000_000 },
  queuedBytesPerGroup: { min: 65_536, max: 2 ** 34 },
  retainedMessages: { min: 1, max: MAX_MAP },
  retainedBytes: { min: 65_536, max: 2 ** 40 },
  documentsPerCollection: { min: 100, max: 1_000_000 },
};
export const LIMIT_NAMES = Object.keys(LIMIT_RANGES) as readonly LimitName[];

/** What a full queue without a client gives up for a message. Their places are stored: add at the end, never change one. */
export const FULL_QUEUE_POLICIES = ['drop_newest', 'drop_oldest'] as const;
export type FullQueuePolicy = (typeof FULL_QUEUE_POLICIES)[number];
export const DEFAULT_FULL_QUEUE_POLICY: FullQueuePolicy = 'drop_newest';

/** The limits of a cluster that was told nothing else. */
export function defaultLimits(): Limits {
  const limits: Partial<Limits> = {};
  for (const name of LIMIT_NAMES) limits[name] = StateLimits[name];
  return limits as Limits;
}
