import type { Credentials } from '@quorate/broker';
import { ReasonCode } from '@quorate/protocol';
import type { HookConfig } from '../config/authentication.ts';
import { boundedText } from './jwks.ts';
import { type Method, NOT_MINE, proven, refused, type Verdict } from './method.ts';
import { readOwnRules } from './own-rules.ts';
import { Overloaded, WorkQueue } from './work-queue.ts';

const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_WAITING = 1_000;
const MAX_USER_NAME = 512;

export interface HookOptions {
  readonly config: HookConfig;
  readonly nowMs: () => number;
}

/** Asks a service about each client, by HTTP. Whatever is no clear answer is a no. */
export class HookMethod implements Method {
  readonly name = 'http';
  readonly #options: HookOptions;
  readonly #queue: WorkQueue;

  constructor(options: HookOptions) {
    this.#options = options;
    const { maxConcurrent, timeoutMs } = options.config;
    this.#queue = new WorkQueue('questions to the authentication service', {
      maxRunning: maxConcurrent,
      maxWaiting: MAX_WAITING,
      maxWaitMs: timeoutMs * 2,
    });
  }

  async authenticate(credentials: Credentials): Promise<Verdict> {
    try {
      const answer = await this.#queue.run(() => this.#ask(questionOf(credentials)));
      return this.#verdictOf(answer, credentials.userName);
    } catch (error) {
      if (error instanceof Overloaded) return refused(ReasonCode.quotaExceeded, error.message);
      return refused(ReasonCode.serverUnavailable, `the authentication service gave no answer: ${messageOf(error)}`);
    }
  }

  async #ask(question: object): Promise<unknown> {
    const { url, timeoutMs } = this.#options.config;
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(question),
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await boundedText(response, MAX_ANSWER_BYTES);
    if (response.status !== 200) throw new Error(`it answered ${String(response.status)}`);
    return JSON.parse(text);
  }

  #verdictOf(answer: unknown, claimed: string | null): Verdict {
    const fields = (typeof answer === 'object' && answer !== null ? answer : {}) as Readonly<Record<string, unknown>>;
    const { result, superuser = false, userName = claimed, acl, expiresInSec } = fields;
    if (result === 'ignore') return NOT_MINE;
    if (result === 'deny') return refused(ReasonCode.badUserNameOrPassword, 'the authentication service says no');
    const own = acl === undefined ? null : readOwnRules(acl);
    const isName =
      userName === null || (typeof userName === 'string' && userName !== '' && userName.length <= MAX_USER_NAME);
    const isLife = expiresInSec === undefined || (typeof expiresInSec === 'number' && expiresInSec > 0);
    if (
      result !== 'allow' ||
      !isName ||
      !isLife ||
      typeof superuser !== 'boolean' ||
      (acl !== undefined && own === null)
    ) {
      return refused(ReasonCode.serverUnavailable, 'the answer of the authentication service is not understood');
    }
    const expiresAtMs =
      typeof expiresInSec === 'number' ? this.#options.nowMs() + expiresInSec * 1000 : Number.POSITIVE_INFINITY;
    return { kind: 'granted', proven: proven(userName, { superuser, own, expiresAtMs }) };
  }
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** The password as text when it is some, else as base64. */
function passwordOf(password: Uint8Array | null): {
  readonly password: string | null;
  readonly passwordBase64?: string;
} {
  if (password === null) return { password: null };
  try {
    return { password: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(password) };
  } catch {
    return { password: null, passwordBase64: Buffer.from(password).toString('base64') };
  }
}

function questionOf({
  clientId,
  userName,
  password,
  certificate,
  remoteAddress,
  protocolVersion,
}: Credentials): object {
  const names = certificate === null ? null : { ...certificate };
  return { clientId, userName, ...passwordOf(password), certificate: names, remoteAddress, protocolVersion };
}
