import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { hasCode, invariant, StorageError } from '../errors.ts';
import { replaceFile } from './files.ts';
import { IDENTITY_FILE } from './layout.ts';

/** Format of the data directory as a whole. Raised only for a change that an older release would misread. */
export const DIRECTORY_FORMAT = 2;

const DIRECTORY_ID = /^[0-9a-f]{32}$/;

/** The mark of a directory whose data is being set aside: whoever opens it next has to finish that first. */
export interface SettingAside {
  /** A sentence for the operator. */
  readonly reason: string;
  /** Wall clock in milliseconds when it was begun. */
  readonly since: number;
  /** Whether the data is kept; else it is deleted, because older data is kept already. */
  readonly keep: boolean;
}

/** Whose data a directory holds. */
export interface Identity {
  readonly format: number;
  /** 32 lower-case hexadecimal digits, random, another one whenever the directory is formatted. */
  readonly directoryId: string;
  readonly nodeId: string;
  /** Normalised list of the bootstrap member ids. */
  readonly clusterMembers: string;
  /** Null until the cluster has told it. */
  readonly clusterId: string | null;
  /** Wall clock in milliseconds when first formatted, one more at every start: never the same twice for one node id. */
  readonly incarnation: number;
  /** The encoded configuration that this directory took part in founding, in base64; null if it founded none. */
  readonly founding: string | null;
  readonly settingAside: SettingAside | null;
  /** The log was opened since the directory was formatted: from then on its superblock must be there. */
  readonly inUse: boolean;
}

/** 32 random lower-case hexadecimal digits. */
export function randomDirectoryId(): string {
  return randomBytes(16).toString('hex');
}

/** What a directory is when it is formatted. */
export function newIdentity(
  facts: Pick<Identity, 'nodeId' | 'clusterMembers' | 'clusterId' | 'incarnation'>,
  directoryId: string,
): Identity {
  invariant(DIRECTORY_ID.test(directoryId), 'data directory', 'a directory id is 32 lower-case hexadecimal digits');
  const { nodeId, clusterMembers, clusterId, incarnation } = facts;
  const fresh = { format: DIRECTORY_FORMAT, directoryId, founding: null, settingAside: null, inUse: false };
  return { ...fresh, nodeId, clusterMembers, clusterId, incarnation };
}

/** The file's text. The checksum covers the other members as written. */
export function encodeIdentity(identity: Identity): string {
  return `${JSON.stringify({ ...ordered(identity), checksum: checksumOf(identity) }, null, 2)}\n`;
}

/** Durable when it resolves. */
export async function writeIdentity(path: string, identity: Identity): Promise<void> {
  await replaceFile(path, encodeIdentity(identity));
}

/**
 * Whose data a directory holds, without opening it. Null for one that is not formatted.
 * @throws StorageError IDENTITY_CORRUPTED, FORMAT_TOO_NEW, FORMAT_TOO_OLD
 */
export async function readDirectoryIdentity(path: string): Promise<Identity | null> {
  return await readIdentity(join(path, IDENTITY_FILE), path);
}

/** Null when there is no file. @throws StorageError IDENTITY_CORRUPTED, FORMAT_TOO_NEW, FORMAT_TOO_OLD */
export async function readIdentity(path: string, directory: string): Promise<Identity | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  return decodeIdentity(text, path, directory);
}

function decodeIdentity(text: string, path: string, directory: string): Identity {
  const corrupted = (reason: string): StorageError => new StorageError('IDENTITY_CORRUPTED', { path, reason });
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw corrupted(`it is no JSON: ${(error as Error).message}`);
  }
  if (typeof found !== 'object' || found === null) throw corrupted('it is no object');
  const { format, checksum, ...rest } = found as Record<string, unknown>;
  if (typeof format !== 'number' || !Number.isSafeInteger(format)) throw corrupted('it names no format');
  // Before everything else: another format may have other members.
  const details = { path: directory, found: format, supported: DIRECTORY_FORMAT };
  if (format > DIRECTORY_FORMAT) throw new StorageError('FORMAT_TOO_NEW', details);
  if (format < DIRECTORY_FORMAT) throw new StorageError('FORMAT_TOO_OLD', details);
  const wrong = whatIsWrong(rest);
  if (wrong !== null) throw corrupted(wrong);
  const identity = { format, ...rest } as Identity;
  if (checksum !== checksumOf(identity)) throw corrupted('its checksum does not match its content');
  return identity;
}

function whatIsWrong(fields: Record<string, unknown>): string | null {
  const { directoryId, nodeId, clusterMembers, clusterId, incarnation, founding, settingAside, inUse } = fields;
  if (typeof directoryId !== 'string' || !DIRECTORY_ID.test(directoryId)) return 'it has no directory id';
  if (typeof nodeId !== 'string' || typeof clusterMembers !== 'string') return 'it names no node or members';
  if (clusterId !== null && typeof clusterId !== 'string') return 'its clusterId is no text';
  if (typeof incarnation !== 'number' || !Number.isSafeInteger(incarnation)) return 'it has no incarnation';
  if (founding !== null && typeof founding !== 'string') return 'its founding configuration is no text';
  if (typeof settingAside !== 'object') return 'its mark of data being set aside is none';
  if (typeof inUse !== 'boolean') return 'it does not say whether it is in use';
  return null;
}

function ordered(identity: Identity): Record<string, unknown> {
  const { format, directoryId, nodeId, clusterMembers, clusterId, incarnation, founding, settingAside, inUse } =
    identity;
  return { format, directoryId, nodeId, clusterMembers, clusterId, incarnation, founding, settingAside, inUse };
}

function checksumOf(identity: Identity): number {
  return crc32(JSON.stringify(Object.values(ordered(identity))));
}
