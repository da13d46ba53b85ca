import type { NodeConfig } from '@quorate/node';

/** What is said about a failure. */
export interface Failure {
  /** One line. */
  readonly sentence: string;
  /** False for a fault of the program: then the log has the stack. */
  readonly foreseen: boolean;
}

interface SystemError {
  readonly code: string;
  readonly address?: string;
  readonly port?: number;
  readonly path?: string;
  readonly syscall?: string;
  readonly hostname?: string;
}

const FORESEEN_NAMES = new Set(['ConfigError', 'StorageError', 'UsageError', 'CommandError', 'NewerVersionError']);

const MEANINGS: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'a part of the path is a file, not a directory',
  EEXIST: 'a file is in the way',
  EISDIR: 'it is a directory',
  EMFILE: 'too many open files, raise the limit (ulimit -n)',
  ENFILE: 'too many open files on this machine',
};

type Listeners = Pick<NodeConfig, 'mqtt' | 'http' | 'peer'> & Partial<Pick<NodeConfig, 'listeners'>>;

/** ` (key mqtt)`, when one listener of the configuration has that port. */
function keyOf(port: number | undefined, config: Listeners | undefined): string {
  if (config === undefined || port === undefined) return '';
  const key = (['mqtt', 'http', 'peer'] as const).find((each) => config[each].port === port);
  if (key !== undefined) return ` (key ${key})`;
  const at = config.listeners?.findIndex((each) => each.bind.port === port) ?? -1;
  return at < 0 ? '' : ` (key listeners.${String(at)}.bind)`;
}

function sentenceOfListen(error: SystemError, config: Listeners | undefined): string | undefined {
  if (error.syscall === 'getaddrinfo') return `the host ${error.hostname ?? ''} is unknown (${error.code})`;
  if (error.syscall !== 'listen' && error.syscall !== 'bind') return undefined;
  const host = error.address ?? '';
  const where = `${host.includes(':') ? `[${host}]` : host}:${String(error.port ?? '')}`;
  const key = keyOf(error.port, config);
  switch (error.code) {
    case 'EADDRINUSE':
      return `${where}${key} is in use by another process: stop it or choose another port`;
    case 'EADDRNOTAVAIL':
      return `${where}${key} is not an address of this machine: choose one that is, or a wildcard`;
    case 'EACCES':
      return `${where}${key} may not be used by this user: choose a port from 1024 on`;
    default:
      return undefined;
  }
}

/** The system error at the root, where the address and the path are. */
function systemErrorOf(error: Error): SystemError | undefined {
  for (let each: unknown = error; each instanceof Error; each = each.cause) {
    const { code, syscall } = each as Error & { code?: unknown; syscall?: unknown };
    if (typeof code === 'string' && typeof syscall === 'string') return each as unknown as SystemError;
  }
  return undefined;
}

function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}

/**
 * What to say about an error that ends a command.
 *
 * @param config names the key of a busy port
 */
export function describeFailure(error: unknown, config?: Listeners): Failure {
  if (!(error instanceof Error)) return { sentence: oneLine(String(error)), foreseen: false };
  if (FORESEEN_NAMES.has(error.name)) return { sentence: oneLine(error.message), foreseen: true };
  const system = systemErrorOf(error);
  if (system !== undefined) {
    const listening = sentenceOfListen(system, config);
    if (listening !== undefined) return { sentence: listening, foreseen: true };
    const meaning = MEANINGS[system.code];
    if (meaning !== undefined && system.path !== undefined) {
      return { sentence: `cannot use ${system.path}: ${meaning}`, foreseen: true };
    }
  }
  const message = oneLine(error.message);
  return { sentence: `unexpected failure: ${message === '' ? error.name : message}`, foreseen: false };
}

/** Writes `quorate: <sentence>` to standard error. */
export function printFailure(sentence: string): void {
  process.stderr.write(`quorate: ${sentence}\n`);
}
