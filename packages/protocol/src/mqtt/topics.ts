/** Topic names and topic filters (MQTT 5.0 section 4.7, shared subscriptions section 4.8.2). */

const MAX_UTF8_BYTES = 65_535;
const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const DOLLAR = 0x24;
const SHARE_PREFIX = '$share/';

/** At least one character, no wildcard, well-formed, no U+0000, at most 65,535 bytes of UTF-8 [MQTT-4.7.3-1..3]. */
export function isValidTopicName(topic: string): boolean {
  return topic.length > 0 && isEncodable(topic) && !topic.includes('+') && !topic.includes('#');
}

/**
 * At least one character, `#` only as the whole last level [MQTT-4.7.1-1], `+` only as a whole level [MQTT-4.7.1-2],
 * well-formed, no U+0000, at most 65,535 bytes of UTF-8. What begins with `$share/` must be a shared subscription's filter.
 */
export function isValidTopicFilter(filter: string): boolean {
  if (filter.length === 0 || !isEncodable(filter)) return false;
  return filter.startsWith(SHARE_PREFIX) ? parseSharedFilter(filter) !== null : hasValidWildcards(filter, 0);
}

/**
 * `$share/{group}/{filter}`: group has at least one character and none of `/`, `+`, `#` [MQTT-4.8.2-1, -2], and a valid filter
 * follows. Null for anything else.
 */
export function parseSharedFilter(filter: string): { group: string; filter: string } | null {
  if (!filter.startsWith(SHARE_PREFIX)) return null;
  const groupEnd = filter.indexOf('/', SHARE_PREFIX.length);
  if (groupEnd <= SHARE_PREFIX.length || groupEnd + 1 === filter.length) return null;
  const group = filter.slice(SHARE_PREFIX.length, groupEnd);
  if (group.includes('+') || group.includes('#') || !hasValidWildcards(filter, groupEnd + 1)) return null;
  return { group, filter: filter.slice(groupEnd + 1) };
}

/** The levels, empty ones included: `/a//b` has four. */
export function splitLevels(topic: string): string[] {
  return topic.split('/');
}

/**
 * Whether a valid filter (the part after the group for a shared one) matches a valid topic name. `#` includes the parent level;
 * a leading wildcard does not match a topic that begins with `$` [MQTT-4.7.2-1].
 */
export function topicMatches(filter: string, topic: string): boolean {
  const first = filter.charCodeAt(0);
  if (topic.charCodeAt(0) === DOLLAR && (first === PLUS || first === HASH)) return false;
  let t = 0;
  for (let f = 0; f < filter.length; f++) {
    const c = filter.charCodeAt(f);
    if (c === HASH) return true;
    if (c === PLUS) {
      while (t < topic.length && topic.charCodeAt(t) !== SLASH) t++;
    } else if (t < topic.length && topic.charCodeAt(t) === c) {
      t++;
    } else {
      // All of the topic is matched and the filter goes on with "/#": the parent level.
      return t === topic.length && c === SLASH && filter.charCodeAt(f + 1) === HASH;
    }
  }
  return t === topic.length;
}

/** Looks at filter[start ..). */
function hasValidWildcards(filter: string, start: number): boolean {
  const last = filter.length - 1;
  for (let i = start; i <= last; i++) {
    const c = filter.charCodeAt(i);
    if (c !== PLUS && c !== HASH) continue;
    if (i > start && filter.charCodeAt(i - 1) !== SLASH) return false;
    if (c === HASH && i !== last) return false;
    if (c === PLUS && i !== last && filter.charCodeAt(i + 1) !== SLASH) return false;
  }
  return true;
}

/** No U+0000, no lone surrogate, not too long as UTF-8. */
function isEncodable(text: string): boolean {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x80) {
      if (c === 0) return false;
      bytes += 1;
    } else if (c < 0x800) {
      bytes += 2;
    } else if (c < 0xd800 || c > 0xdfff) {
      bytes += 3;
    } else {
      const low = text.charCodeAt(++i); // NaN at the end
      if (c > 0xdbff || !(low >= 0xdc00 && low <= 0xdfff)) return false;
      bytes += 4;
    }
  }
  return bytes <= MAX_UTF8_BYTES;
}
