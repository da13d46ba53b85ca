/**
 * Tries over topic levels (MQTT 5.0 section 4.7). `$`-topics are kept from filters that begin with a wildcard
 * [MQTT-4.7.2-1]. Nothing here recurses: a topic may have 65,535 levels, and no client decides how deep a stack gets.
 */
interface Node<T> {
  /** Null while there are none: most nodes are leaves, and an empty Map is not small. */
  children: Map<string, Node<T>> | null;
  plus: Node<T> | null;
  /** Values of `<this>/#`. */
  hash: Map<number, T> | null;
  values: Map<number, T> | null;
}

function newNode<T>(): Node<T> {
  return { children: null, plus: null, hash: null, values: null };
}

function isEmpty<T>(node: Node<T>): boolean {
  return node.children === null && node.plus === null && node.hash === null && node.values === null;
}

const DOLLAR = 0x24;

/** Filters are stored, with one value per key each; a topic name finds them. */
export class FilterTree<T> {
  readonly #root: Node<T> = newNode();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Stores `value` for (filter, key), replacing an earlier one. */
  set(filter: string, key: number, value: T): void {
    let node = this.#root;
    let values: Map<number, T> | null = null;
    for (const level of filter.split('/')) {
      if (level === '#') {
        node.hash ??= new Map();
        values = node.hash;
        break;
      }
      node = this.#child(node, level);
    }
    if (values === null) {
      node.values ??= new Map();
      values = node.values;
    }
    if (!values.has(key)) this.#size++;
    values.set(key, value);
  }

  #child(node: Node<T>, level: string): Node<T> {
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

  delete(filter: string, key: number): boolean {
    const levels = filter.split('/');
    const path = [this.#root];
    let node = this.#root;
    for (const level of levels) {
      if (level === '#') break;
      const child: Node<T> | null | undefined = level === '+' ? node.plus : node.children?.get(level);
      if (child === null || child === undefined) return false;
      path.push(child);
      node = child;
    }
    let found: boolean;
    if (levels.at(-1) === '#') {
      found = node.hash?.delete(key) ?? false;
      if (node.hash?.size === 0) node.hash = null;
    } else {
      found = node.values?.delete(key) ?? false;
      if (node.values?.size === 0) node.values = null;
    }
    if (!found) return false;
    this.#size--;
    this.#prune(path, levels);
    return true;
  }

  /** Takes out the empty end of a branch. */
  #prune(path: readonly Node<T>[], levels: readonly string[]): void {
    for (let depth = path.length - 1; depth > 0 && isEmpty(path[depth] as Node<T>); depth--) {
      const parent = path[depth - 1] as Node<T>;
      const level = levels[depth - 1] as string;
      if (level === '+') parent.plus = null;
      else {
        parent.children?.delete(level);
        if (parent.children?.size === 0) parent.children = null;
      }
    }
  }

  /** Calls `visit` with the value of every filter that matches `topic`. */
  match(topic: string, visit: (value: T) => void): void {
    const levels = topic.split('/');
    const dollar = topic.charCodeAt(0) === DOLLAR;
    // Branches through `+` that are still to be looked at, and how deep they are.
    const branches: Node<T>[] = [];
    const depths: number[] = [];
    let node: Node<T> | undefined = this.#root;
    let depth = 0;
    while (node !== undefined) {
      const wildcards = depth > 0 || !dollar;
      // `#` matches the parent level too [MQTT-4.7.1-2].
      if (node.hash !== null && wildcards) for (const value of node.hash.values()) visit(value);
      let next: Node<T> | undefined;
      if (depth === levels.length) {
        if (node.values !== null) for (const value of node.values.values()) visit(value);
      } else {
        if (node.children !== null) next = node.children.get(levels[depth] as string);
        if (node.plus !== null && wildcards) {
          if (next === undefined) next = node.plus;
          else {
            branches.push(node.plus);
            depths.push(depth + 1);
          }
        }
        depth++;
      }
      if (next === undefined) {
        next = branches.pop();
        depth = depths.pop() ?? 0;
      }
      node = next;
    }
  }
}

interface NameNode<T> {
  children: Map<string, NameNode<T>> | null;
  value: T | undefined;
}

/** The other way round: names are stored (retained messages), a filter finds them. */
export class NameTree<T> {
  readonly #root: NameNode<T> = { children: null, value: undefined };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(topic: string): T | undefined {
    let node: NameNode<T> | undefined = this.#root;
    for (const level of topic.split('/')) {
      node = node.children?.get(level);
      if (node === undefined) return undefined;
    }
    return node.value;
  }

  /** @returns what the name had before */
  set(topic: string, value: T): T | undefined {
    let node = this.#root;
    for (const level of topic.split('/')) {
      node.children ??= new Map();
      let child = node.children.get(level);
      if (child === undefined) {
        child = { children: null, value: undefined };
        node.children.set(level, child);
      }
      node = child;
    }
    const before = node.value;
    if (before === undefined) this.#size++;
    node.value = value;
    return before;
  }

  delete(topic: string): boolean {
    const levels = topic.split('/');
    const path = [this.#root];
    let node = this.#root;
    for (const level of levels) {
      const child = node.children?.get(level);
      if (child === undefined) return false;
      path.push(child);
      node = child;
    }
    if (node.value === undefined) return false;
    node.value = undefined;
    this.#size--;
    for (let depth = levels.length; depth > 0; depth--) {
      const end = path[depth] as NameNode<T>;
      if (end.value !== undefined || end.children !== null) break;
      const parent = path[depth - 1] as NameNode<T>;
      parent.children?.delete(levels[depth - 1] as string);
      if (parent.children?.size === 0) parent.children = null;
    }
    return true;
  }

  /**
   * Calls `visit` with the value of every name that `filter` matches, in no particular order.
   * @param maxNodes gives up instead of looking at more nodes; whether it does depends on the names alone
   * @returns false when it gave up
   */
  match(filter: string, visit: (value: T) => void, maxNodes = Number.POSITIVE_INFINITY): boolean {
    const levels = filter.split('/');
    const pending: NameNode<T>[] = [this.#root];
    const depths: number[] = [0];
    let left = maxNodes;
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      if (--left < 0) return false;
      const depth = depths.pop() as number;
      const level = levels[depth];
      if (level === undefined) {
        if (node.value !== undefined) visit(node.value);
      } else if (level === '#') {
        left = this.#all(node, depth === 0, visit, left);
        if (left < 0) return false;
      } else if (level === '+') {
        // Not only when they are taken out: putting a million aside is long enough.
        if ((node.children?.size ?? 0) > left) return false;
        for (const [name, child] of node.children ?? []) {
          if (depth === 0 && name.charCodeAt(0) === DOLLAR) continue;
          pending.push(child);
          depths.push(depth + 1);
        }
      } else {
        const child = node.children?.get(level);
        if (child !== undefined) {
          pending.push(child);
          depths.push(depth + 1);
        }
      }
    }
    return true;
  }

  /** Calls `visit` with every value there is, in no particular order. */
  forEach(visit: (value: T) => void): void {
    this.#all(this.#root, false, visit, Number.POSITIVE_INFINITY);
  }

  /** How much of `left` is left, or -1 when it was too little. */
  #all(top: NameNode<T>, withoutDollar: boolean, visit: (value: T) => void, left: number): number {
    if (top.value !== undefined) visit(top.value);
    if ((top.children?.size ?? 0) > left) return -1;
    const pending: NameNode<T>[] = [];
    for (const [name, child] of top.children ?? []) {
      if (!withoutDollar || name.charCodeAt(0) !== DOLLAR) pending.push(child);
    }
    for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
      left--;
      if (left < 0 || (node.children?.size ?? 0) > left) return -1;
      if (node.value !== undefined) visit(node.value);
      if (node.children !== null) for (const child of node.children.values()) pending.push(child);
    }
    return left;
  }
}
