import type { LevelTuning } from '../level/level-database.ts';

/* Names in a data directory. Those of the state databases are in `pointer.ts`. */

export const IDENTITY_FILE = 'identity.json';
export const HOLDER_FILE = 'holder.json';
export const LOG_DIRECTORY = 'log';
export const POINTER_FILE = 'current.json';
export const SUSPICION_FILE = 'suspect.json';
/** The state database and the snapshots are for one group so far. */
export const SNAPSHOT_DIRECTORY = 'snapshots-0';
export const SUPERBLOCK_PREFIX = 'superblock-';
export const SET_ASIDE_DIRECTORY = 'set-aside';

const MIB = 1 << 20;

/** The log's payloads are opaque and partly compressed; it is written once and mostly read from memory. */
export const LOG_TUNING: LevelTuning = { writeBufferSizeBytes: 16 * MIB, cacheSizeBytes: 2 * MIB, compression: false };
