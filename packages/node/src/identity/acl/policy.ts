import type { QoS } from '@quorate/protocol';
import { isInRange, parseIp, parseRange } from '../addresses.ts';
import { Matcher, type MatcherRule } from './matcher.ts';
import type { AclRule, RuleSubject } from './rules.ts';
import { fillTopic, hasPlaceholder, literalOf, type Subject } from './template.ts';

/** Topics whose answer is kept by rules that many clients share, and by those of one client. */
const SHARED_CACHE = 4_096;
const OWN_CACHE = 32;
/** Different sets of rights that are kept for clients to come; those of a connected client live with it. */
const MAX_RIGHTS = 4_096;

/** What some clients may do. */
export interface Rights {
  mayPublish(topic: string, qos: QoS, retain: boolean): boolean;
  /** @param filter without `$share/{group}/` */
  maySubscribe(filter: string, qos: QoS): boolean;
}

/** The rules of one client with its names filled in: a matcher for each kind of action that some rule tells apart. */
class CompiledRights implements Rights {
  readonly #rules: readonly AclRule[];
  readonly #subject: Subject;
  readonly #otherwise: boolean;
  readonly #cacheSize: number;
  /** By QoS and RETAIN. */
  readonly #publish: (Matcher | undefined)[] = [];
  /** By QoS. */
  readonly #subscribe: (Matcher | undefined)[] = [];
  /** The same by the rules in them: most have no limit of QoS. */
  readonly #matchers = new Map<string, Matcher>();

  constructor(rules: readonly AclRule[], subject: Subject, otherwise: boolean, cacheSize: number) {
    this.#rules = rules;
    this.#subject = subject;
    this.#otherwise = otherwise;
    this.#cacheSize = cacheSize;
  }

  mayPublish(topic: string, qos: QoS, retain: boolean): boolean {
    const variant = qos * 2 + (retain ? 1 : 0);
    let matcher = this.#publish[variant];
    if (matcher === undefined) {
      matcher = this.#compile(
        (rule) =>
          rule.action !== 'subscribe' &&
          (rule.qos === null || rule.qos.includes(qos)) &&
          (rule.retain === null || rule.retain === retain),
      );
      this.#publish[variant] = matcher;
    }
    return matcher.allowsTopic(topic);
  }

  maySubscribe(filter: string, qos: QoS): boolean {
    let matcher = this.#subscribe[qos];
    if (matcher === undefined) {
      matcher = this.#compile((rule) => rule.action !== 'publish' && (rule.qos === null || rule.qos.includes(qos)));
      this.#subscribe[qos] = matcher;
    }
    return matcher.allowsFilter(filter);
  }

  #compile(applies: (rule: AclRule) => boolean): Matcher {
    const places: number[] = [];
    for (const [place, rule] of this.#rules.entries()) if (applies(rule)) places.push(place);
    const key = places.join();
    let matcher = this.#matchers.get(key);
    if (matcher === undefined) {
      const rules = places.map((place) => matcherRule(this.#rules[place] as AclRule, this.#subject));
      matcher = new Matcher(rules, this.#otherwise, this.#cacheSize);
      this.#matchers.set(key, matcher);
    }
    return matcher;
  }
}

function matcherRule({ permission, topics }: AclRule, subject: Subject): MatcherRule {
  const allow = permission === 'allow';
  const filters: string[] = [];
  const literals: string[] = [];
  for (const topic of topics) {
    const literal = literalOf(topic);
    const { filter, complete } = fillTopic(literal ?? topic, subject);
    if (!complete && allow) continue;
    // What is literal and has no wildcard is a topic as any other, or `+` would get past a rule that denies `eq secret`.
    if (complete && literal !== null && /[+#]/.test(literal)) literals.push(filter);
    else filters.push(filter);
  }
  return { allow, filters, literals };
}

/** Whom a rule is for, ready to be asked. */
type IsFor = (subject: Subject, ip: Uint8Array | null) => boolean;

function isForOf(who: RuleSubject): IsFor {
  if (who === 'all') return () => true;
  if (who === 'authenticated') return ({ userName }) => userName !== null;
  if (who === 'anonymous') return ({ userName }) => userName === null;
  if ('user' in who) return ({ userName }) => userName === who.user;
  if ('clientId' in who) return ({ clientId }) => clientId === who.clientId && clientId !== '';
  const range = parseRange(who.address);
  return (_subject, ip) => ip !== null && range !== null && isInRange(ip, range);
}

/** Whether a rule is for a client. */
export function isRuleFor(who: RuleSubject, subject: Subject): boolean {
  return isForOf(who)(subject, parseIp(subject.address));
}

/** The rules of the cluster, applied to clients. Never changes: other rules are another policy. */
export class Policy {
  readonly #rules: readonly AclRule[];
  readonly #isFor: readonly IsFor[];
  /** Rights by what makes them differ: the rules that are for the client, and its names when rules ask for them. */
  readonly #rights = new Map<string, Rights>();

  constructor(rules: readonly AclRule[]) {
    this.#rules = rules;
    this.#isFor = rules.map(({ who }) => isForOf(who));
  }

  /** @param otherwise what is said where no rule matches */
  rightsOf(subject: Subject, otherwise: boolean): Rights {
    const ip = parseIp(subject.address);
    const places: number[] = [];
    for (const [place, isFor] of this.#isFor.entries()) if (isFor(subject, ip)) places.push(place);
    const rules = places.map((place) => this.#rules[place] as AclRule);
    const asks = (name: '%c' | '%u'): boolean =>
      rules.some(({ topics }) => topics.some((topic) => hasPlaceholder(topic, name)));
    const clientId = asks('%c') ? subject.clientId : '';
    const userName = asks('%u') ? subject.userName : null;
    const key = JSON.stringify([places, otherwise, clientId, userName]);
    let rights = this.#rights.get(key);
    if (rights === undefined) {
      const shared = clientId === '' && userName === null;
      rights = new CompiledRights(rules, subject, otherwise, shared ? SHARED_CACHE : OWN_CACHE);
      if (this.#rights.size >= MAX_RIGHTS) this.#rights.clear();
      this.#rights.set(key, rights);
    }
    return rights;
  }
}

/** Topic filters that a token, or whoever was asked, allows one client: these and nothing else. */
export interface OwnRules {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** The rights of a client that brought its own. */
export function ownRights(own: OwnRules, subject: Subject): Rights {
  const rule = (action: 'publish' | 'subscribe', topics: readonly string[]): AclRule => {
    return { id: action, permission: 'allow', who: 'all', action, topics, qos: null, retain: null };
  };
  const rules = [rule('publish', own.publish), rule('subscribe', own.subscribe)];
  return new CompiledRights(rules, subject, false, OWN_CACHE);
}
