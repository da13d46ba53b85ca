import type { OwnRules } from './acl/policy.ts';
import { isTopicOfRule } from './acl/rules.ts';

const MAX_FILTERS = 256;

function filtersOf(value: unknown): readonly string[] | null {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > MAX_FILTERS) return null;
  return value.every((each) => typeof each === 'string' && isTopicOfRule(each)) ? (value as string[]) : null;
}

/**
 * `{"publish": [filters], "subscribe": [filters]}`, from a token or an answer: what the client may do, and nothing else. One
 * that is left out is an empty list.
 *
 * @returns null when it is anything else
 */
export function readOwnRules(value: unknown): OwnRules | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const { publish: mayPublish, subscribe: maySubscribe, ...others } = value as Readonly<Record<string, unknown>>;
  const publish = filtersOf(mayPublish);
  const subscribe = filtersOf(maySubscribe);
  // A mistyped name is no permission, but whoever wrote it meant one.
  if (publish === null || subscribe === null || Object.keys(others).length > 0) return null;
  return { publish, subscribe };
}
