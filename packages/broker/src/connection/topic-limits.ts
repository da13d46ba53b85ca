import { splitLevels } from '@quorate/protocol';
import type { BrokerLimits } from '../environment.ts';

/** Aliases that a client may use towards us (MQTT 5.0 section 3.2.2.3.8). */
export const TOPIC_ALIAS_MAXIMUM = 32;

/** The subscription tree is walked level by level: their number is bounded before a name or filter gets near it. */
function tooDeep(topic: string, maxLevels: number): boolean {
  // Cheap in the usual case: a name shorter than the limit can not have more separators.
  return topic.length >= maxLevels && splitLevels(topic).length > maxLevels;
}

/** What is wrong with the size of a topic name or filter, or null. */
export function topicExcess(
  topic: string,
  { maxTopicLevels, maxTopicBytes }: Pick<BrokerLimits, 'maxTopicLevels' | 'maxTopicBytes'>,
): string | null {
  if (tooDeep(topic, maxTopicLevels)) return `more than ${maxTopicLevels} levels`;
  // A character of UTF-16 has three bytes at most, so a short name needs no look at its bytes.
  if (topic.length * 3 <= maxTopicBytes || Buffer.byteLength(topic) <= maxTopicBytes) return null;
  return `more than ${maxTopicBytes} bytes`;
}
