/** Why a configuration was refused. */
export type ConfigErrorCode =
  /** No such key. */
  | 'UNKNOWN_KEY'
  /** A value of the wrong kind or out of range. */
  | 'BAD_VALUE'
  /** A required key was given nowhere. */
  | 'MISSING_KEY'
  /** Two values that are fine alone do not fit together. */
  | 'CONFLICT'
  /** A listener beyond loopback without security or a waiver. */
  | 'INSECURE'
  /** The configuration file, or a certificate, cannot be read. */
  | 'FILE_UNREADABLE'
  /** The configuration file is not YAML with a map at the top. */
  | 'FILE_INVALID';

/** A configuration that a node refuses. The message is one sentence with key, value and what is expected. */
export class ConfigError extends Error {
  readonly code: ConfigErrorCode;
  /** The key, as written in the file (`limits.maxConnections`), or the path of the file. */
  readonly key: string;
  /** The offending value as it was given; undefined when there is none. */
  readonly value: unknown;

  constructor(code: ConfigErrorCode, key: string, value: unknown, message: string) {
    super(message);
    this.name = 'ConfigError';
    this.code = code;
    this.key = key;
    this.value = value;
  }
}

const MAX_SHOWN = 80;

/** A value for a sentence: text in quotes, everything cut to a readable length. */
export function showValue(value: unknown): string {
  if (value === undefined || value === null) return 'empty';
  const text = JSON.stringify(value);
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}...`;
}
