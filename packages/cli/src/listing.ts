import { getJson, isRecord, reasonOf } from './api.ts';
import { CommandError } from './command-error.ts';

const PAGE = 1_000;

type Item = Readonly<Record<string, unknown>>;

/**
 * All items of a list of the HTTP API, page by page.
 *
 * @throws {CommandError} when the node does not answer, or not as a Quorate node does
 */
export async function fetchAll(baseUrl: string, path: string): Promise<readonly Item[]> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const url: URL = new URL(path, baseUrl);
    url.searchParams.set('limit', String(PAGE));
    if (cursor !== null) url.searchParams.set('cursor', cursor);
    const { status, body } = await getJson(url.href).catch((error: unknown) => {
      throw new CommandError(`${baseUrl} cannot be reached: ${reasonOf(error)}`);
    });
    const data: unknown = isRecord(body) ? body['data'] : undefined;
    const meta: unknown = isRecord(body) ? body['meta'] : undefined;
    if (status !== 200 || !Array.isArray(data) || !data.every(isRecord) || !isRecord(meta)) {
      const reason = isRecord(body) && typeof body['reason'] === 'string' ? body['reason'] : 'is it a Quorate node?';
      throw new CommandError(`${baseUrl} answered ${String(status)}: ${reason}`);
    }
    items.push(...data);
    cursor = typeof meta['cursor'] === 'string' ? meta['cursor'] : null;
  } while (cursor !== null);
  return items;
}
