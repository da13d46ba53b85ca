import { Counter, Gauge, type Registry } from 'prom-client';

/*
 * Metrics that cost an addition on the hot path. prom-client hashes labels at every inc() and observe(); here code
 * bumps plain numbers, and prom-client sees them only when somebody scrapes.
 */

/** A number that is exported: `cell.value++`. */
export interface Cell {
  value: number;
}

/** What one metric is called and says. */
export interface About {
  readonly name: string;
  readonly help: string;
}

/** Different values of one label that are told apart; the rest is counted together as `other`. */
export const MAX_LABEL_VALUES = 64;
const OVERFLOW = 'other';

/** Numbers by the value of one label. Not for hot paths with unbounded label values. */
export class LabelledCells {
  readonly #cells = new Map<string, Cell>();

  /** The cell of a label value, made at 0 on first use. Keep it to spare the lookup. */
  of(label: string): Cell {
    const found = this.#cells.get(label);
    if (found !== undefined) return found;
    if (this.#cells.size >= MAX_LABEL_VALUES && label !== OVERFLOW) return this.of(OVERFLOW);
    const cell: Cell = { value: 0 };
    this.#cells.set(label, cell);
    return cell;
  }

  add(label: string, by = 1): void {
    this.of(label).value += by;
  }

  set(label: string, value: number): void {
    this.of(label).value = value;
  }

  /** Stops exporting a label value, for example of a node that was removed. */
  delete(label: string): void {
    this.#cells.delete(label);
  }

  entries(): IterableIterator<[string, Cell]> {
    return this.#cells.entries();
  }
}

/** A monotonic counter without labels. */
export function counter(registry: Registry, about: About): Cell {
  const cell: Cell = { value: 0 };
  new Counter({
    ...about,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(cell.value);
    },
  });
  return cell;
}

/** A number that goes up and down. */
export function gauge(registry: Registry, about: About): Cell {
  const cell: Cell = { value: 0 };
  new Gauge({
    ...about,
    registers: [registry],
    collect() {
      this.set(cell.value);
    },
  });
  return cell;
}

/** Counters by one label. Label values named in `initial` are exported from the start, at 0. */
export function labelledCounter(
  registry: Registry,
  about: About & { label: string; initial?: readonly string[] },
): LabelledCells {
  const { label, initial = [], name, help } = about;
  const cells = new LabelledCells();
  for (const value of initial) cells.of(value);
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, cell] of cells.entries()) this.inc({ [label]: value }, cell.value);
    },
  });
  return cells;
}

/** Gauges by one label. */
export function labelledGauge(registry: Registry, about: About & { label: string }): LabelledCells {
  const { label, name, help } = about;
  const cells = new LabelledCells();
  new Gauge({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, cell] of cells.entries()) this.set({ [label]: value }, cell.value);
    },
  });
  return cells;
}

/** Numbers by the values of two labels, both from fixed tables. */
export class PairedCells {
  readonly #cells = new Map<string, { readonly labels: readonly [string, string]; value: number }>();

  add(first: string, second: string): void {
    const key = `${first} ${second}`;
    const found = this.#cells.get(key);
    if (found === undefined) this.#cells.set(key, { labels: [first, second], value: 1 });
    else found.value++;
  }

  values(): IterableIterator<{ readonly labels: readonly [string, string]; readonly value: number }> {
    return this.#cells.values();
  }
}

/** Counters by two labels. */
export function pairedCounter(
  registry: Registry,
  about: About & { readonly labels: readonly [string, string] },
): PairedCells {
  const { labels, name, help } = about;
  const cells = new PairedCells();
  new Counter({
    name,
    help,
    labelNames: [...labels],
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels: at, value } of cells.values()) this.inc({ [labels[0]]: at[0], [labels[1]]: at[1] }, value);
    },
  });
  return cells;
}
