import { isRecord, type Request, reasonOf, requestJson } from './api.ts';
import { CommandError } from './command-error.ts';

/** Longer than any node takes to say TIMEOUT: an answer that is not waited for leaves its change unknown. */
const CHANGE_TIMEOUT_MS = 60_000;

const UNKNOWN = 'it may have happened or still happen: see `quorate status` before you ask again';

/** What to do after a refusal, by its code. */
const ADVICE: Readonly<Record<string, string>> = {
  ALREADY_EXISTS: 'choose another name, or change the one that is there',
  ALREADY_A_MEMBER: '`quorate status` shows it; choose another id, or `quorate remove` it first',
  CHANGE_IN_PROGRESS: 'one change goes on at a time: ask again when `quorate status` shows that it is done',
  LAST_VOTER: 'a cluster keeps one voter: join another node first',
  LEADERSHIP_LOST: UNKNOWN,
  LIMIT_REACHED: 'remove what is not needed any more',
  NOT_A_MEMBER: '`quorate status` lists the members',
  NOT_FOUND: 'the list shows what there is',
  NOT_AVAILABLE: 'name another node with --url',
  NOT_READY: 'ask again in a few seconds',
  NO_LEADER: 'ask again when `quorate status` shows a leader; that takes a majority of the voters',
  PEER_UNREACHABLE: 'start that node (`quorate start --help`) with --peer at this address, and let the leader reach it',
  QUORUM_UNREACHABLE: 'start the members that are down first, or remove them',
  TIMEOUT: UNKNOWN,
};

/** A change that is asked of the cluster. */
export interface Change extends Pick<Request, 'body'> {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly path: string;
  /** To follow "cannot": `join n4`. */
  readonly what: string;
}

function withoutStop(sentence: string): string {
  return sentence.trim().replace(/\.$/, '');
}

/**
 * Asks the node at `baseUrl` for a change of the cluster.
 *
 * @returns the body of the answer
 * @throws {CommandError} with what happened and what to do, when it is refused or its end is unknown
 */
export async function askForChange(baseUrl: string, change: Change): Promise<Readonly<Record<string, unknown>>> {
  const { method, path, body, what } = change;
  const url = new URL(path, baseUrl).href;
  const answer = await requestJson(url, { method, body, timeoutMs: CHANGE_TIMEOUT_MS }).catch((error: unknown) => {
    const reason = reasonOf(error, CHANGE_TIMEOUT_MS);
    // Whoever refuses a connection has not heard the request; every other loss can be one of the answer.
    const advice = reason === 'connection refused' || reason === 'unknown host' ? 'name another with --url' : UNKNOWN;
    throw new CommandError(`cannot ${what}: ${baseUrl} gave no answer (${reason}): ${advice}`);
  });
  const known = isRecord(answer.body) ? answer.body : {};
  if (answer.status >= 200 && answer.status < 300) return known;
  const { code, reason } = known;
  if (typeof code !== 'string' || typeof reason !== 'string') {
    throw new CommandError(`cannot ${what}: ${baseUrl} answered ${String(answer.status)}: is it a Quorate node?`);
  }
  const advice = Object.hasOwn(ADVICE, code) ? `: ${ADVICE[code] ?? ''}` : '';
  throw new CommandError(`cannot ${what}: ${withoutStop(reason)} (${code})${advice}`);
}
