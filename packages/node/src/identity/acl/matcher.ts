/** A rule as far as topics are concerned. The first one that matches decides. */
export interface MatcherRule {
  readonly allow: boolean;
  /** Topic filters. */
  readonly filters: readonly string[];
  /** Subscriptions that it decides letter for letter, whatever topics they match. */
  readonly literals: readonly string[];
}

/** Rules by the levels of their filters. A verdict is twice the place of a rule, and one more when it allows. */
interface Node {
  children: Map<string, Node> | null;
  plus: Node | null;
  /** Verdict of `<this>/#`. */
  hash: number;
  /** Verdict of a filter that ends here. */
  end: number;
  /** The least verdict at this node or below it. */
  least: number;
}

const NONE = Number.POSITIVE_INFINITY;
const DOLLAR = 0x24;
/** Longer topics are walked each time rather than kept. */
const CACHED_LENGTH = 512;
/** Nodes looked at for one subscription; beyond it the answer is no. Reached by filters that were written for it only. */
const MAX_STEPS = 50_000;

function newNode(): Node {
  return { children: null, plus: null, hash: NONE, end: NONE, least: NONE };
}

function isDollar(level: string): boolean {
  return level.charCodeAt(0) === DOLLAR;
}

/**
 * Which topics, and which topic filters, a list of rules allows. A filter is allowed when every topic that it matches is:
 * `#` is neither let through by a rule that allows `a/#`, nor past one that denies `secret/#`.
 *
 * Filters of rules match as those of subscriptions do (MQTT 5.0 section 4.7): `#` matches the parent level, and a wildcard in
 * front no topic that begins with `$`.
 */
export class Matcher {
  readonly #root = newNode();
  readonly #literals = new Map<string, number>();
  readonly #otherwise: boolean;
  readonly #cacheSize: number;
  readonly #cache = new Map<string, boolean>();

  /**
   * @param otherwise what is said of topics that no rule matches
   * @param cacheSize most topics whose answer is kept
   */
  constructor(rules: readonly MatcherRule[], otherwise: boolean, cacheSize: number) {
    this.#otherwise = otherwise;
    this.#cacheSize = cacheSize;
    for (const [place, { allow, filters, literals }] of rules.entries()) {
      const verdict = place * 2 + (allow ? 1 : 0);
      for (const filter of filters) this.#insert(filter, verdict);
      for (const literal of literals) {
        if (!this.#literals.has(literal)) this.#literals.set(literal, verdict);
      }
    }
  }

  #insert(filter: string, verdict: number): void {
    let node = this.#root;
    node.least = Math.min(node.least, verdict);
    for (const level of filter.split('/')) {
      if (level === '#') {
        node.hash = Math.min(node.hash, verdict);
        return;
      }
      node = childOf(node, level);
      node.least = Math.min(node.least, verdict);
    }
    node.end = Math.min(node.end, verdict);
  }

  #isAllowed(verdict: number): boolean {
    return verdict === NONE ? this.#otherwise : verdict % 2 === 1;
  }

  /** Whether the rules allow a topic name. */
  allowsTopic(topic: string): boolean {
    if (this.#root.least === NONE) return this.#otherwise;
    const known = this.#cache.get(topic);
    if (known !== undefined) return known;
    const allowed = this.#isAllowed(this.#verdictOf(topic));
    if (topic.length <= CACHED_LENGTH) {
      if (this.#cache.size >= this.#cacheSize) this.#cache.clear();
      this.#cache.set(topic, allowed);
    }
    return allowed;
  }

  #verdictOf(topic: string): number {
    const levels = topic.split('/');
    let verdict = NONE;
    // Each node is reached by one path, so that no more are looked at than there are.
    const nodes: Node[] = [this.#root];
    const depths: number[] = [0];
    for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
      const depth = depths.pop() ?? 0;
      if (node.least >= verdict) continue;
      const wildcards = depth > 0 || !isDollar(topic);
      if (wildcards) verdict = Math.min(verdict, node.hash);
      if (depth === levels.length) {
        verdict = Math.min(verdict, node.end);
        continue;
      }
      const child = node.children?.get(levels[depth] ?? '');
      if (child !== undefined) {
        nodes.push(child);
        depths.push(depth + 1);
      }
      if (wildcards && node.plus !== null) {
        nodes.push(node.plus);
        depths.push(depth + 1);
      }
    }
    return verdict;
  }

  /** Whether the rules allow every topic that a filter matches. */
  allowsFilter(filter: string): boolean {
    const walk = new FilterWalk(filter, (verdict) => this.#isAllowed(verdict));
    return walk.everyTopicAllowed(this.#root, this.#literals.get(filter) ?? NONE);
  }
}

function childOf(node: Node, level: string): Node {
  if (level === '+') {
    node.plus ??= newNode();
    return node.plus;
  }
  node.children ??= new Map();
  let child = node.children.get(level);
  if (child === undefined) {
    child = newNode();
    node.children.set(level, child);
  }
  return child;
}

/**
 * Walks all topics that a filter matches at once: at each level those that rules name one by one, and all others
 * together. `nodes` are where the levels so far lead to, `verdict` the first rule that matches whatever follows.
 */
class FilterWalk {
  readonly #levels: readonly string[];
  readonly #isAllowed: (verdict: number) => boolean;
  #stepsLeft = MAX_STEPS;

  constructor(filter: string, isAllowed: (verdict: number) => boolean) {
    this.#levels = filter.split('/');
    this.#isAllowed = isAllowed;
  }

  everyTopicAllowed(root: Node, literal: number): boolean {
    return this.#walk([root], 0, literal);
  }

  #walk(nodes: readonly Node[], depth: number, before: number): boolean {
    this.#stepsLeft -= nodes.length + 1;
    if (this.#stepsLeft < 0) return false;
    const level = this.#levels[Math.min(depth, this.#levels.length - 1)] ?? '';
    // Below `#` each topic either ends or has one level more.
    const open = level === '#';
    const ends = depth === this.#levels.length;
    const wildcards = depth > 0 || !isDollar(level);
    let verdict = before;
    let least = NONE;
    for (const node of nodes) {
      if (wildcards) verdict = Math.min(verdict, node.hash);
      least = Math.min(least, node.least);
    }
    // No rule that is still to come goes before the one that holds already.
    if (least >= verdict) return this.#isAllowed(verdict);
    if ((ends || open) && depth > 0) {
      let end = verdict;
      for (const node of nodes) end = Math.min(end, node.end);
      if (!this.#isAllowed(end)) return false;
    }
    if (ends && !open) return true;
    if (!open && level !== '+') return this.#walk(step(nodes, level, wildcards), depth + 1, verdict);
    return this.#everyLevel(nodes, depth, verdict);
  }

  /** The next level may be anything. */
  #everyLevel(nodes: readonly Node[], depth: number, verdict: number): boolean {
    const named = new Set<string>();
    for (const node of nodes) {
      for (const level of node.children?.keys() ?? []) {
        // A wildcard in front does not match such a topic [MQTT-4.7.2-1].
        if (depth > 0 || !isDollar(level)) named.add(level);
      }
    }
    // First the many that no rule names: it is there that most filters fail.
    const others = nodes.flatMap(({ plus }) => (plus === null ? [] : [plus]));
    if (!this.#walk(others, depth + 1, verdict)) return false;
    for (const level of named) {
      if (!this.#walk(step(nodes, level, true), depth + 1, verdict)) return false;
    }
    return true;
  }
}

function step(nodes: readonly Node[], level: string, wildcards: boolean): Node[] {
  const next: Node[] = [];
  for (const node of nodes) {
    const child = node.children?.get(level);
    if (child !== undefined) next.push(child);
    if (wildcards && node.plus !== null) next.push(node.plus);
  }
  return next;
}
