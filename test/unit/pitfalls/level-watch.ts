import { basename } from 'node:path';
import { ClassicLevel } from 'classic-level';

type Call = (...args: unknown[]) => unknown;
type Methods = Record<string, Call>;

/** What an iterator was asked for. */
export interface IteratorBounds {
  readonly gte?: unknown;
  readonly lte?: unknown;
}

/** Watches every database of this process, from its making to `stop`. */
export class LevelWatch {
  iterators = 0;
  /** Iterators that are open now. */
  open = 0;
  snapshots = 0;
  writes = 0;
  /** Writes that began while an iterator of the same database was open, by the name of its folder. */
  readonly writesBesideIterators: string[] = [];
  /** Names of calls that nobody must make. */
  readonly forbidden: string[] = [];
  readonly bounds: IteratorBounds[] = [];
  readonly #openOf = new Map<unknown, number>();
  readonly #undo: (() => void)[] = [];

  constructor() {
    const prototype = ClassicLevel.prototype as unknown as Methods;
    for (const name of ['iterator', 'keys', 'values']) this.#wrap(prototype, name, this.#watchIterator(name));
    for (const name of ['put', 'batch', 'del']) this.#wrap(prototype, name, this.#watchWrite());
    this.#wrap(prototype, 'snapshot', (call) => {
      this.snapshots += 1;
      return call();
    });
    this.#forbid(prototype, 'clear');
    this.#forbid(ClassicLevel as unknown as Methods, 'repair');
    this.#forbid(ClassicLevel as unknown as Methods, 'destroy');
  }

  stop(): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  #watchIterator(name: string) {
    return (call: () => unknown, level: unknown, args: readonly unknown[]): unknown => {
      const iterator = call() as { close: () => Promise<void> };
      this.iterators += 1;
      if (name === 'iterator') this.bounds.push(args[0] ?? {});
      this.#count(level, 1);
      const close = iterator.close.bind(iterator);
      let closed = false;
      iterator.close = async () => {
        if (!closed) this.#count(level, -1);
        closed = true;
        await close();
      };
      return iterator;
    };
  }

  #watchWrite() {
    return (call: () => unknown, level: unknown, args: readonly unknown[]): unknown => {
      const result = call();
      if (args.length > 0) this.#written(level);
      else {
        const batch = result as { write: Call };
        const write = batch.write.bind(batch);
        batch.write = (...options) => {
          this.#written(level);
          return write(...options);
        };
      }
      return result;
    };
  }

  #written(level: unknown): void {
    this.writes += 1;
    if ((this.#openOf.get(level) ?? 0) > 0) {
      this.writesBesideIterators.push(basename((level as { location: string }).location));
    }
  }

  #count(level: unknown, by: number): void {
    this.open += by;
    this.#openOf.set(level, (this.#openOf.get(level) ?? 0) + by);
  }

  #forbid(target: Methods, name: string): void {
    this.#wrap(target, name, (call) => {
      this.forbidden.push(name);
      return call();
    });
  }

  #wrap(
    target: Methods,
    name: string,
    watched: (call: () => unknown, level: unknown, args: readonly unknown[]) => unknown,
  ): void {
    const own = Object.getOwnPropertyDescriptor(target, name);
    const original = target[name] as Call;
    target[name] = function (this: unknown, ...args: unknown[]): unknown {
      return watched(() => original.apply(this, args), this, args);
    };
    this.#undo.push(() => {
      if (own === undefined) delete target[name];
      else Object.defineProperty(target, name, own);
    });
  }
}
