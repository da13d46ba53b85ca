/**
 * Every error this package raises on purpose: a stable code, and a sentence that says what happened, with which
 * value, and what to do. Values in braces are filled in from the details.
 */
const MESSAGES = {
  DIRECTORY_NOT_A_DIRECTORY:
    'The data directory {path} is a file, not a directory. Name another path, or move the file away.',
  DIRECTORY_NOT_WRITABLE:
    'The data directory {path} cannot be written ({reason}). Give the user that runs this node write permission, or ' +
    'name another path.',
  DIRECTORY_LOCKED:
    'The data directory {path} is in use by {holder}. Stop that process first: two nodes must never share one.',
  DIRECTORY_COPIED:
    'The data directory {path} is a copy of one that {holder} is using. It has forgotten what the node promised since it ' +
    'was taken: start the node with the original, or with an empty directory to be admitted anew.',
  DIRECTORY_OTHER_NODE:
    'The data directory {path} belongs to node {found}, but this node is {expected}. Start it as {found}, or give ' +
    '{expected} a directory of its own.',
  DIRECTORY_OTHER_CLUSTER:
    'The data directory {path} belongs to another cluster: its {what} is {found}, expected {expected}. Name the ' +
    'directory of this cluster, or start with an empty one.',
  FORMAT_TOO_NEW:
    'The data directory {path} has format {found}, written by a newer release; this one reads format {supported}. ' +
    'Start the newer release again.',
  FORMAT_TOO_OLD:
    'The data directory {path} has format {found}; this release reads format {supported}. Upgrade by way of the ' +
    'release between them, or start with an empty directory and let the node copy the state from its peers.',
  IDENTITY_CORRUPTED:
    'The identity file {path} is damaged ({reason}). Put a copy of it back, or move the whole data directory away and ' +
    'start with an empty one: the node is then re-admitted and copies the state from its peers.',
  IDENTITY_MISSING:
    'The data directory {path} holds data ({found}) but no identity file, so whose data it is cannot be told. Put the ' +
    'identity file back, or move the whole directory away and start with an empty one.',
  LOG_CORRUPTED:
    'The log in {path} is damaged at entry {index} ({reason}): acknowledged entries may be missing, so the node must ' +
    'not vote with it. Move the data directory away, keep it until the cluster is healthy, and start with an empty ' +
    'one: the node is then re-admitted and copies the log from the leader.',
  STATE_CORRUPTED:
    'The state store in {path} is damaged ({reason}). Move the data directory away, keep it until the cluster is ' +
    'healthy, and start with an empty one: the node then copies the state from its peers.',
  DATA_DOUBTFUL:
    'What {path} holds is readable, but acknowledged writes may be missing from it, so the node must neither vote nor ' +
    'acknowledge with it ({reason}). While the other nodes are healthy, move the data directory away, keep it until ' +
    'the cluster is healthy again, and start with an empty one: the node then copies everything from its peers.',
  DATABASE_NOT_OPENED:
    'The database in {path} could not be opened ({reason}). Check free space, permissions and the disk, then start ' +
    'the node again.',
  STORAGE_FAILED:
    'Storage failed while it tried to {action} in {path} ({reason}). Nothing more is acknowledged: check free space ' +
    'and the disk, then start the node again.',
  DIRECTORY_CORRUPTED:
    'The file {path} is damaged ({reason}), so which data of this directory counts cannot be told. Move the data ' +
    'directory away, keep it until the cluster is healthy, and start with an empty one: the node then copies the ' +
    'state from its peers.',
  SNAPSHOT_CORRUPTED:
    'The snapshot {path} is damaged ({reason}). Nothing was changed by it: take or receive another one.',
  SNAPSHOT_TOO_NEW:
    'The snapshot {path} has format {found}, written by a newer release; this one reads format {supported}. Upgrade ' +
    'this node.',
  SNAPSHOT_NOT_FOUND: 'There is no snapshot {id} in {path}: a newer one has replaced it. Take the newest.',
  SNAPSHOT_DISTURBED:
    'The state moved while it was dumped to a snapshot at entry {index} (it stands at {found}). Hold back checkpoint ' +
    'writes until the snapshot is made, and try again.',
  SNAPSHOT_REFUSED: 'The snapshot {id} was not taken: {reason}.',
  STORE_NOT_OPEN: 'The {store} is {status}, so it cannot {action}. Open it first, once, and do not use it after close.',
  WRITE_IN_FLIGHT: 'The {store} was asked to {action} while another write was in flight. Await the first one.',
  INVARIANT_BROKEN: 'A rule of the {store} was broken: {rule}. This is a fault in the program: please report it.',
  CRASHED: 'The simulated machine crashed while it tried to {action}. Open a new store on the same disk.',
} as const;

/** Stable names of the errors; never reused for another meaning. */
export type StorageErrorCode = keyof typeof MESSAGES;

export type StorageErrorDetails = Readonly<Record<string, string | number>>;

/** What this package throws. `code` is for programs, `message` for people, `details` the values in it. */
export class StorageError extends Error {
  readonly code: StorageErrorCode;
  readonly details: StorageErrorDetails;

  constructor(code: StorageErrorCode, details: StorageErrorDetails, cause?: unknown) {
    super(
      MESSAGES[code].replace(/\{(\w+)\}/g, (_, name: string) => String(details[name] ?? `{${name}}`)),
      cause === undefined ? undefined : { cause },
    );
    this.name = 'StorageError';
    this.code = code;
    this.details = details;
  }
}

/** Every code, for documentation and tests. */
export const STORAGE_ERROR_CODES = Object.keys(MESSAGES) as readonly StorageErrorCode[];

/** The words of an unknown error, its cause's when there is one: LevelDB puts the reason there. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** The `code` of a system or LevelDB error, or of its cause when the error itself has none of the wanted ones. */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    const code = (e as Error & { code?: unknown }).code;
    if (typeof code === 'string' && codes.includes(code)) return true;
  }
  return false;
}

/** Whether an error or one of its causes says that the disk or a quota is full. */
export function isDiskFull(error: unknown): boolean {
  // LevelDB gives no code for it, only the system's words.
  return hasCode(error, 'ENOSPC', 'EDQUOT') || hasWords(error, /no space left|quota exceeded/i);
}

/** Whether an error or one of its causes says that this user may not do it. */
export function isForbidden(error: unknown): boolean {
  return (
    hasCode(error, 'EACCES', 'EPERM', 'EROFS') ||
    hasWords(error, /permission denied|operation not permitted|read-only file system/i)
  );
}

/** Codes of what can not be read as it was written. */
const DAMAGE: readonly StorageErrorCode[] = [
  'LOG_CORRUPTED',
  'STATE_CORRUPTED',
  'DIRECTORY_CORRUPTED',
  'DATA_DOUBTFUL',
];
/** LevelDB has no code for a table that is empty or gone. */
const TABLE_LOST = /\.(?:ldb|sst): (?:invalid argument|no such file)/i;

/**
 * Whether `error` says that a data directory is damaged or doubtful, so that `setAside` helps; false for everything that
 * moving the data away would not mend or would make worse: a full disk, a lack of permission, another process, the
 * directory of another node or release, an error of the device (EIO), a damaged identity, a fault in the program.
 */
export function isDamage(error: unknown): boolean {
  if (isDiskFull(error) || isForbidden(error) || hasCode(error, 'DIRECTORY_LOCKED', 'LEVEL_LOCKED')) return false;
  return hasCode(error, 'LEVEL_CORRUPTION', ...DAMAGE) || hasWords(error, TABLE_LOST);
}

function hasWords(error: unknown, words: RegExp): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause) if (words.test(e.message)) return true;
  return false;
}

/** Throws INVARIANT_BROKEN unless `condition` holds. Stays on in production. */
export function invariant(condition: boolean, store: string, rule: string): asserts condition {
  if (!condition) throw new StorageError('INVARIANT_BROKEN', { store, rule });
}
