import { isValidTopicFilter, type QoS } from '@quorate/protocol';
import { showValue } from '../../config/error.ts';
import { formatRange, parseRange } from '../addresses.ts';
import { hasPlaceholder, literalOf } from './template.ts';

/** Whom a rule is for. */
export type RuleSubject =
  | 'all'
  /** Clients that have proven a user name. */
  | 'authenticated'
  | 'anonymous'
  | { readonly user: string }
  | { readonly clientId: string }
  /** An address, or a block: `10.0.0.0/8`. */
  | { readonly address: string };

export type RuleAction = 'publish' | 'subscribe' | 'all';

/** One rule. Rules have an order: the first one that matches decides. */
export interface AclRule {
  /** Unique among the rules. */
  readonly id: string;
  readonly permission: 'allow' | 'deny';
  readonly who: RuleSubject;
  readonly action: RuleAction;
  /** Topic filters, in which `%c` is the client id and `%u` the user name; after `eq ` a subscription letter for letter. */
  readonly topics: readonly string[];
  /** Only for these; null for any. */
  readonly qos: readonly QoS[] | null;
  /** Only for PUBLISH with or without RETAIN; null for both. Subscriptions are not looked at for it. */
  readonly retain: boolean | null;
}

/** A rule as it is given: an id is made when there is none. */
export type GivenRule = Omit<AclRule, 'id' | 'qos' | 'retain'> & {
  readonly id?: string | undefined;
  readonly qos?: readonly QoS[] | null | undefined;
  readonly retain?: boolean | null | undefined;
};

/** Bounds of the rules of a cluster; together they have to fit into one document. */
export const RULE_LIMITS = { rules: 1_000, topicsPerRule: 64, topicLength: 1_024, topicLevels: 128 } as const;

/** Whether a rule can have it. Where a value with odd characters fills a placeholder is decided for each client; here `x` stands for it. */
export function isTopicOfRule(topic: string): boolean {
  const filter = literalOf(topic) ?? topic;
  if (filter.startsWith('$share/')) return false;
  const filled = hasPlaceholder(filter) ? filter.replaceAll(/%[cu]/g, 'x') : filter;
  return isValidTopicFilter(filled);
}

function subjectProblem(who: RuleSubject): string | null {
  if (typeof who === 'string' || !('address' in who)) return null;
  if (parseRange(who.address) !== null) return null;
  return `who.address is ${showValue(who.address)}: expected an IP address or a block like 10.0.0.0/8`;
}

/** What is wrong with a rule, as a sentence; null when nothing is. */
export function ruleProblem(rule: GivenRule): string | null {
  const { topicLength, topicLevels, topicsPerRule } = RULE_LIMITS;
  if (rule.topics.length === 0 || rule.topics.length > topicsPerRule) {
    return `topics has ${String(rule.topics.length)} entries: expected 1 to ${String(topicsPerRule)}`;
  }
  for (const topic of rule.topics) {
    const fits = topic.length <= topicLength && topic.split('/').length <= topicLevels;
    if (fits && isTopicOfRule(topic)) continue;
    const expected = 'a topic filter without $share, like plant/+/temperature, clients/%c/# or eq #';
    return `topics has ${showValue(topic)}: expected ${expected}`;
  }
  if (rule.retain != null && rule.action === 'subscribe') {
    return `retain is ${String(rule.retain)} and action is subscribe: expected action publish or all`;
  }
  return subjectProblem(rule.who);
}

/** The rule as it is kept. */
export function completeRule(rule: GivenRule, id: string): AclRule {
  const { permission, who, action, topics, qos = null, retain = null } = rule;
  const range = typeof who === 'object' && 'address' in who ? parseRange(who.address) : null;
  return {
    id,
    permission,
    who: range === null ? who : { address: formatRange(range) },
    action,
    topics: [...topics],
    qos: qos === null ? null : [...new Set(qos)].sort(),
    retain,
  };
}
