import type { Page } from '../http/identity-admin.ts';

/** Where the first item behind `key` is, in a list in the order of its keys. */
function placeAfter<T>(items: readonly T[], keyOf: (item: T) => string, key: string): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(items[middle] as T) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A part of a list that is in the order of its keys: also right when the item that ended the last part is gone. */
export function pageOf<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  after: string | null,
  limit: number,
): Page<T> {
  const from = after === null ? 0 : placeAfter(items, keyOf, after);
  const data = items.slice(from, from + limit);
  const last = data.at(-1);
  return { data, next: last === undefined || from + limit >= items.length ? null : keyOf(last) };
}
