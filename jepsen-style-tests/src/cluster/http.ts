/** An answer of a node's HTTP interface. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

const READ_TIMEOUT_MS = 1_000;

/** A GET; null when there is no answer in time, or none that is JSON. */
export async function getJson(url: string, timeoutMs = READ_TIMEOUT_MS): Promise<Answer | null> {
  try {
    return await askJson(url, { method: 'GET' }, timeoutMs);
  } catch {
    return null;
  }
}

/** A request; rejects when there is no answer in time. */
export async function askJson(
  url: string,
  request: { readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'; readonly body?: unknown },
  timeoutMs: number,
): Promise<Answer> {
  const response = await fetch(url, {
    method: request.method,
    signal: AbortSignal.timeout(timeoutMs),
    ...(request.body !== undefined && {
      body: JSON.stringify(request.body),
      headers: { 'content-type': 'application/json' },
    }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
}

/** What an object has under a name; undefined when it is none. */
export function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;
}
