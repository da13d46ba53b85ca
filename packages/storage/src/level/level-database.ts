import { resolve } from 'node:path';
import { ClassicLevel } from 'classic-level';
import { hasCode, isDiskFull, isForbidden, reasonOf, StorageError, type StorageErrorCode } from '../errors.ts';
import { findLostFiles } from './database-files.ts';
import { type AcknowledgedReports, type DamageReports, findDamageReports } from './diagnostics.ts';
import { findLostEdits } from './manifest.ts';
import { findSilentDamage } from './write-ahead-log.ts';

export type Level = ClassicLevel<Buffer, Buffer>;

/** Options of a synced and an unsynced write. With both encodings named abstract-level need not clone them. */
export const SYNC = Object.freeze({ sync: true, keyEncoding: 'buffer', valueEncoding: 'buffer' } as const);
export const UNSYNCED = Object.freeze({ sync: false, keyEncoding: 'buffer', valueEncoding: 'buffer' } as const);

export interface LevelTuning {
  /** Bytes of writes gathered in memory and in LevelDB's log before a table is written. */
  readonly writeBufferSizeBytes: number;
  readonly cacheSizeBytes: number;
  /** Snappy. Of no use for payloads that are dense or compressed already. */
  readonly compression: boolean;
}

export interface LevelDatabase {
  readonly level: Level;
  readonly path: string;
  /** Signs of damage in LevelDB's files: what it reported at this start or the one before, and what it keeps silent. */
  readonly doubts: readonly string[];
  /** LevelDB's `LOG` as far as `doubts` tell of it: when they are dealt with, pass it to the next opening. */
  readonly reports: AcknowledgedReports;
}

/**
 * Databases that this process has open. LevelDB must not be asked for one of them: its refusal closes the file that its
 * lock is on, and with any of its descriptors closed a process loses its POSIX lock, for other processes to take.
 */
const opened = new Set<string>();

/**
 * Opens or creates a LevelDB database. LevelDB's LOCK keeps other processes out for as long as it is open.
 * @param damaged code to use when LevelDB finds its files damaged
 * @param acknowledged what of its reports was dealt with: not doubted again
 * @throws StorageError DIRECTORY_LOCKED, DATABASE_NOT_OPENED or `damaged`
 */
export async function openLevelDatabase(
  path: string,
  tuning: LevelTuning,
  damaged: StorageErrorCode,
  acknowledged: AcknowledgedReports | null = null,
): Promise<LevelDatabase> {
  const place = resolve(path);
  if (opened.has(place)) throw new StorageError('DIRECTORY_LOCKED', { path, holder: 'another process' });
  opened.add(place);
  try {
    const database = await openHere(path, tuning, damaged, acknowledged);
    database.level.once('closed', () => opened.delete(place));
    return database;
  } catch (error) {
    opened.delete(place);
    throw error;
  }
}

async function openHere(
  path: string,
  tuning: LevelTuning,
  damaged: StorageErrorCode,
  acknowledged: AcknowledgedReports | null,
): Promise<LevelDatabase> {
  // Opening renames LOG to LOG.old. Read it first: the process before may have ended before it could report.
  const earlier = await findDamageReports(path, acknowledged);
  const silent = await findSilentDamage(path);
  const lost = await findLostFiles(path);
  const lostEdits = lost === null ? await findLostEdits(path) : null;
  if (lostEdits !== null) silent.push(lostEdits);
  // Only now: abstract-level begins to open by itself, one tick after construction.
  const level: Level = new ClassicLevel(path, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    writeBufferSize: tuning.writeBufferSizeBytes,
    cacheSize: tuning.cacheSizeBytes,
    compression: tuning.compression,
    // With files lost it would begin anew and delete the others. It takes its lock first either way.
    createIfMissing: lost === null,
  });
  try {
    await level.open();
  } catch (error) {
    throw openError(path, error, damaged, lost);
  }
  let now: DamageReports;
  try {
    now = await findDamageReports(path);
  } catch (error) {
    await level.close();
    throw error;
  }
  const doubts = [
    ...earlier.findings.map((line) => `LevelDB reported in the run before, in ${path}: ${line}`),
    ...silent.map((finding) => `In ${path}, before LevelDB opened it: ${finding}.`),
    ...now.findings.map((line) => `LevelDB reported at this start, in ${path}: ${line}`),
  ];
  return { level, path, doubts, reports: now.read };
}

function openError(path: string, error: unknown, damaged: StorageErrorCode, lost: string | null): StorageError {
  const reason = reasonOf(error);
  if (hasCode(error, 'LEVEL_LOCKED')) {
    return new StorageError('DIRECTORY_LOCKED', { path, holder: 'another process' }, error);
  }
  if (hasCode(error, 'LEVEL_CORRUPTION') || (lost !== null && !isDiskFull(error) && !isForbidden(error))) {
    return new StorageError(damaged, { path, reason: lost ?? reason, index: 'unknown' }, error);
  }
  return new StorageError('DATABASE_NOT_OPENED', { path, reason }, error);
}
