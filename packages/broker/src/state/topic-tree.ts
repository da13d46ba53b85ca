/**
 * A trie over topic levels (MQTT 5.0 section 4.7). Filters are stored and names looked up; `$`-topics are kept from
 * filters that begin with a wildcard [MQTT-4.7.2-1].
 */
interface Node<T> {
  readonly children: Map<string, Node<T>>;
  plus: Node<T> | null;
  /** Values of `<this>/#`. */
  hash: Map<number, T> | null;
  values: Map<number, T> | null;
}

function newNode<T>(): Node<T> {
  return { children: new Map(), plus: null, hash: null, values: null };
}

export class FilterTree<T> {
  readonly #root: Node<T> = newNode();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Stores `value` for (filter, key), replacing an earlier one. */
  set(filter: string, key: number, value: T): void {
    const levels = filter.split('/');
    let node = this.#root;
    for (const level of levels) {
      if (level === '#') {
        node.hash ??= new Map();
        if (!node.hash.has(key)) this.#size++;
        node.hash.set(key, value);
        return;
      }
      node = this.#child(node, level);
    }
    node.values ??= new Map();
    if (!node.values.has(key)) this.#size++;
    node.values.set(key, value);
  }

  #child(node: Node<T>, level: string): Node<T> {
    if (level === '+') {
      node.plus ??= newNode();
      return node.plus;
    }
    let child = node.children.get(level);
    if (child === undefined) {
      child = newNode();
      node.children.set(level, child);
    }
    return child;
  }

  delete(filter: string, key: number): boolean {
    const levels = filter.split('/');
    const found = this.#delete(this.#root, levels, 0, key);
    if (found) this.#size--;
    return found;
  }

  #delete(node: Node<T>, levels: readonly string[], depth: number, key: number): boolean {
    const level = levels[depth];
    if (level === undefined) {
      const found = node.values?.delete(key) ?? false;
      if (node.values?.size === 0) node.values = null;
      return found;
    }
    if (level === '#') {
      const found = node.hash?.delete(key) ?? false;
      if (node.hash?.size === 0) node.hash = null;
      return found;
    }
    const child = level === '+' ? node.plus : node.children.get(level);
    if (child === null || child === undefined) return false;
    const found = this.#delete(child, levels, depth + 1, key);
    if (found && isEmpty(child)) {
      if (level === '+') node.plus = null;
      else node.children.delete(level);
    }
    return found;
  }

  /** Calls `visit` with the value of every filter that matches `topic`. */
  match(topic: string, visit: (value: T) => void): void {
    const levels = topic.split('/');
    const dollar = topic.charCodeAt(0) === 36;
    this.#match(this.#root, levels, 0, dollar, visit);
  }

  #match(node: Node<T>, levels: readonly string[], depth: number, dollar: boolean, visit: (value: T) => void): void {
    const wildcards = depth > 0 || !dollar;
    // `#` matches the parent level too [MQTT-4.7.1-2].
    if (node.hash !== null && wildcards) for (const value of node.hash.values()) visit(value);
    const level = levels[depth];
    if (level === undefined) {
      if (node.values !== null) for (const value of node.values.values()) visit(value);
      return;
    }
    const child = node.children.get(level);
    if (child !== undefined) this.#match(child, levels, depth + 1, dollar, visit);
    if (node.plus !== null && wildcards) this.#match(node.plus, levels, depth + 1, dollar, visit);
  }
}

function isEmpty<T>(node: Node<T>): boolean {
  return node.children.size === 0 && node.plus === null && node.hash === null && node.values === null;
}

interface NameNode<T> {
  readonly children: Map<string, NameNode<T>>;
  value: T | undefined;
}

/** The other way round: names are stored (retained messages), a filter finds them. */
export class NameTree<T> {
  readonly #root: NameNode<T> = { children: new Map(), value: undefined };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(topic: string): T | undefined {
    let node: NameNode<T> | undefined = this.#root;
    for (const level of topic.split('/')) {
      node = node.children.get(level);
      if (node === undefined) return undefined;
    }
    return node.value;
  }

  set(topic: string, value: T): void {
    let node = this.#root;
    for (const level of topic.split('/')) {
      let child = node.children.get(level);
      if (child === undefined) {
        child = { children: new Map(), value: undefined };
        node.children.set(level, child);
      }
      node = child;
    }
    if (node.value === undefined) this.#size++;
    node.value = value;
  }

  delete(topic: string): boolean {
    const found = this.#delete(this.#root, topic.split('/'), 0);
    if (found) this.#size--;
    return found;
  }

  #delete(node: NameNode<T>, levels: readonly string[], depth: number): boolean {
    const level = levels[depth];
    if (level === undefined) {
      const found = node.value !== undefined;
      node.value = undefined;
      return found;
    }
    const child = node.children.get(level);
    if (child === undefined) return false;
    const found = this.#delete(child, levels, depth + 1);
    if (found && child.value === undefined && child.children.size === 0) node.children.delete(level);
    return found;
  }

  /** Calls `visit` with the value of every name that `filter` matches. */
  match(filter: string, visit: (value: T) => void): void {
    this.#match(this.#root, filter.split('/'), 0, visit);
  }

  #match(node: NameNode<T>, levels: readonly string[], depth: number, visit: (value: T) => void): void {
    const level = levels[depth];
    if (level === undefined) {
      if (node.value !== undefined) visit(node.value);
      return;
    }
    if (level === '#') {
      this.#all(node, depth === 0, visit);
    } else if (level === '+') {
      for (const [name, child] of node.children) {
        if (depth > 0 || !name.startsWith('$')) this.#match(child, levels, depth + 1, visit);
      }
    } else {
      const child = node.children.get(level);
      if (child !== undefined) this.#match(child, levels, depth + 1, visit);
    }
  }

  #all(node: NameNode<T>, root: boolean, visit: (value: T) => void): void {
    if (!root && node.value !== undefined) visit(node.value);
    for (const [name, child] of node.children) {
      if (!root || !name.startsWith('$')) this.#all(child, false, visit);
    }
  }
}
