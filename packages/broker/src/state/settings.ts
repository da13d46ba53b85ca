import type { ByteReader, ByteWriter } from './bytes.ts';
import { NewerVersionError } from './invariant.ts';
import {
  DEFAULT_FULL_QUEUE_POLICY,
  defaultLimits,
  FULL_QUEUE_POLICIES,
  type FullQueuePolicy,
  LIMIT_NAMES,
  type LimitName,
  type Limits,
} from './limits.ts';
import { dispatchAll } from './sharing.ts';
import type { StateSink } from './sink.ts';
import type { State } from './state.ts';

/** Settings of the cluster to go by from a place in the log on; what is not named stays. */
export interface SettingsChange {
  /** Whole numbers within `LIMIT_RANGES`. */
  readonly limits?: Readonly<Partial<Limits>>;
  readonly fullQueuePolicy?: FullQueuePolicy;
}

/** By what number a limit stands in logs and records: never change or reuse one. */
const LIMIT_IDS: Readonly<Record<LimitName, number>> = {
  sessions: 1,
  queuedMessagesPerSession: 2,
  queuedBytesPerSession: 3,
  sharedInflightPerSession: 4,
  queuedMessagesPerGroup: 5,
  queuedBytesPerGroup: 6,
  retainedMessages: 7,
  retainedBytes: 8,
  documentsPerCollection: 9,
};
const FULL_QUEUE_POLICY_ID = 128;
const LIMITS_BY_ID = new Map(LIMIT_NAMES.map((name) => [LIMIT_IDS[name], name]));

/** Pairs of a number and a value, in the order of `LIMIT_NAMES`. */
export function writeChange(writer: ByteWriter, { limits = {}, fullQueuePolicy }: SettingsChange): void {
  for (const name of LIMIT_NAMES) {
    const value = limits[name];
    if (value === undefined) continue;
    writer.u8(LIMIT_IDS[name]);
    writer.integer(value);
  }
  if (fullQueuePolicy === undefined) return;
  writer.u8(FULL_QUEUE_POLICY_ID);
  writer.integer(FULL_QUEUE_POLICIES.indexOf(fullQueuePolicy));
}

/**
 * What `writeChange` wrote, up to the reader's end.
 * @throws NewerVersionError for a setting that a later version added: skipping it would make this node differ
 */
export function readChange(reader: ByteReader): SettingsChange {
  const limits: Partial<Limits> = {};
  let fullQueuePolicy: FullQueuePolicy | undefined;
  while (reader.at < reader.end) {
    const id = reader.u8();
    const value = reader.integer();
    const name = LIMITS_BY_ID.get(id);
    const policy = id === FULL_QUEUE_POLICY_ID ? FULL_QUEUE_POLICIES[value] : undefined;
    const isKnown = policy !== undefined || (name !== undefined && Number.isSafeInteger(value) && value > 0);
    if (!isKnown) throw new NewerVersionError(`setting ${id} with value ${value}`);
    if (name !== undefined) limits[name] = value;
    if (policy !== undefined) fullQueuePolicy = policy;
  }
  return fullQueuePolicy === undefined ? { limits } : { limits, fullQueuePolicy };
}

/** What differs from the defaults, or null when nothing does. */
export function changedSettings(state: State): SettingsChange | null {
  const limits: Partial<Limits> = {};
  const defaults = defaultLimits();
  for (const name of LIMIT_NAMES) if (state.limits[name] !== defaults[name]) limits[name] = state.limits[name];
  const { fullQueuePolicy } = state;
  if (fullQueuePolicy !== DEFAULT_FULL_QUEUE_POLICY) return { limits, fullQueuePolicy };
  return Object.keys(limits).length > 0 ? { limits } : null;
}

/** Takes over what a record says; nothing follows from it. */
export function restoreSettings(state: State, { limits, fullQueuePolicy }: SettingsChange): void {
  Object.assign(state.limits, limits);
  if (fullQueuePolicy !== undefined) state.fullQueuePolicy = fullQueuePolicy;
}

/**
 * The cluster goes by these settings from here on. What is held stays held, also when it is more than a limit allows now: only
 * what comes next is refused. Where there is more room than before, share groups give out what waits for it.
 */
export function applySettings(state: State, sink: StateSink, change: SettingsChange): void {
  state.dirty.settings = true;
  restoreSettings(state, change);
  dispatchAll(state, sink);
}
