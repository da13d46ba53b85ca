import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { hasCode, StorageError } from '../errors.ts';

/** Format of the data directory as a whole. Raised only for a change that an older release would misread. */
export const DIRECTORY_FORMAT = 1;

/** Whose data a directory holds. */
export interface Identity {
  readonly format: number;
  readonly nodeId: string;
  /** Normalised list of the bootstrap member ids. */
  readonly clusterMembers: string;
  /** Null until the cluster has told it. */
  readonly clusterId: string | null;
  /** Wall clock in milliseconds when formatted, one more at every start: never the same twice for one node id. */
  readonly incarnation: number;
}

/** The file's text. The checksum covers the other members as written. */
export function encodeIdentity(identity: Identity): string {
  const { format, nodeId, clusterMembers, clusterId, incarnation } = identity;
  const fields = { format, nodeId, clusterMembers, clusterId, incarnation };
  return `${JSON.stringify({ ...fields, checksum: checksumOf(fields) }, null, 2)}\n`;
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
  const { format, nodeId, clusterMembers, clusterId, incarnation, checksum } = found as Record<string, unknown>;
  if (typeof format !== 'number' || !Number.isSafeInteger(format)) throw corrupted('it names no format');
  // Before everything else: another format may have other members.
  const details = { path: directory, found: format, supported: DIRECTORY_FORMAT };
  if (format > DIRECTORY_FORMAT) throw new StorageError('FORMAT_TOO_NEW', details);
  if (format < DIRECTORY_FORMAT) throw new StorageError('FORMAT_TOO_OLD', details);
  if (typeof nodeId !== 'string' || typeof clusterMembers !== 'string') throw corrupted('it names no node or members');
  if (clusterId !== null && typeof clusterId !== 'string') throw corrupted('its clusterId is no text');
  if (typeof incarnation !== 'number' || !Number.isSafeInteger(incarnation)) throw corrupted('it has no incarnation');
  const identity = { format, nodeId, clusterMembers, clusterId, incarnation };
  if (checksum !== checksumOf(identity)) throw corrupted('its checksum does not match its content');
  return identity;
}

function checksumOf(identity: Identity): number {
  const { format, nodeId, clusterMembers, clusterId, incarnation } = identity;
  return crc32(JSON.stringify([format, nodeId, clusterMembers, clusterId, incarnation]));
}
