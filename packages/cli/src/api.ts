import type { ClusterView, MemberView } from '@quorate/node';
import { CommandError } from './command-error.ts';

const TIMEOUT_MS = 3_000;
const MAX_BODY_CHARS = 4 * 1024 * 1024;

/** An answer of a node's HTTP API. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** What to send. */
export interface Request {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON; nothing is sent when absent. */
  readonly body?: unknown;
  readonly timeoutMs: number;
}

/** Sends a request; rejects when there is no whole answer in time or the answer is not JSON. */
export async function requestJson(url: string, request: Request): Promise<Answer> {
  const { method, body, timeoutMs } = request;
  const response = await fetch(url, {
    method,
    signal: AbortSignal.timeout(timeoutMs),
    redirect: 'error',
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const text = await response.text();
  if (text.length > MAX_BODY_CHARS) throw new Error('the answer is too large');
  return { status: response.status, body: JSON.parse(text) };
}

/** Gets a JSON document; rejects when nobody answers within 3 s or the answer is not JSON. */
export async function getJson(url: string): Promise<Answer> {
  return requestJson(url, { method: 'GET', timeoutMs: TIMEOUT_MS });
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isMember(value: unknown): value is MemberView {
  return isRecord(value) && typeof value['id'] === 'string' && typeof value['role'] === 'string';
}

function isCluster(value: unknown): value is ClusterView {
  return isRecord(value) && Array.isArray(value['nodes']) && value['nodes'].every(isMember);
}

/** Why a request had no usable answer, in a few words. */
export function reasonOf(error: unknown, timeoutMs = TIMEOUT_MS): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${String(timeoutMs / 1000)} s`;
  if (error instanceof SyntaxError) return 'the answer is not JSON';
  const cause: unknown = error.cause;
  if (!(cause instanceof Error)) return error.message;
  const code = (cause as NodeJS.ErrnoException).code;
  return code === 'ECONNREFUSED' ? 'connection refused' : code === 'ENOTFOUND' ? 'unknown host' : cause.message;
}

/**
 * The cluster as the node at `baseUrl` sees it.
 *
 * @throws {CommandError} when the node does not answer, or not as a Quorate node does
 */
export async function fetchCluster(baseUrl: string): Promise<ClusterView> {
  const url = new URL('/api/v1/cluster', baseUrl).href;
  const { status, body } = await getJson(url).catch((error: unknown) => {
    throw new CommandError(`${baseUrl} cannot be reached: ${reasonOf(error)}`);
  });
  if (status === 200 && isCluster(body)) return body;
  const reason = isRecord(body) && typeof body['reason'] === 'string' ? body['reason'] : 'is it a Quorate node?';
  throw new CommandError(`${baseUrl} answered ${String(status)}: ${reason}`);
}
