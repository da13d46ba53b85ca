import { splitLevels } from '@quorate/protocol';

/** Aliases that a client may use towards us (MQTT 5.0 section 3.2.2.3.8). */
export const TOPIC_ALIAS_MAXIMUM = 32;

/** The subscription tree is walked level by level: their number is bounded before a name or filter gets near it. */
export function tooDeep(topic: string, maxLevels: number): boolean {
  // Cheap in the usual case: a name shorter than the limit can not have more separators.
  return topic.length >= maxLevels && splitLevels(topic).length > maxLevels;
}
