import type { Network, Shape } from '../network/network.ts';

export type Cut = readonly [from: string, to: string];
export type Shaped = readonly [from: string, to: string, shape: Shape];

/** Cuts and shapes of several faults at once: the network has one set of each, and ending one fault must not end another. */
export class LinkBook {
  private readonly network: Network;
  private readonly cuts = new Map<symbol, readonly Cut[]>();
  private readonly shapes = new Map<symbol, readonly Shaped[]>();
  private last: Promise<unknown> = Promise.resolve();

  constructor(network: Network) {
    this.network = network;
  }

  /** Replaces the cuts of this fault. */
  async cut(owner: symbol, cuts: readonly Cut[]): Promise<void> {
    this.cuts.set(owner, cuts);
    await this.inOrder(() => this.network.setCuts([...this.cuts.values()].flat()));
  }

  /** Replaces the shapes of this fault. */
  async shape(owner: symbol, shapes: readonly Shaped[]): Promise<void> {
    this.shapes.set(owner, shapes);
    await this.inOrder(() => this.network.setShapes(merged([...this.shapes.values()].flat())));
  }

  /** The links are whole again, whoever cut them. */
  async clear(): Promise<void> {
    this.cuts.clear();
    this.shapes.clear();
    await this.inOrder(() => this.network.setCuts([]));
    await this.inOrder(() => this.network.setShapes([]));
  }

  private inOrder(task: () => Promise<void>): Promise<void> {
    const result = this.last.then(task);
    this.last = result.catch(() => {});
    return result;
  }
}

/** One shape for each link: of several, the worst in each respect. */
function merged(shapes: readonly Shaped[]): Shaped[] {
  const worst = new Map<string, Shaped>();
  for (const [from, to, shape] of shapes) {
    const key = `${from}>${to}`;
    const other = worst.get(key)?.[2] ?? shape;
    worst.set(key, [
      from,
      to,
      {
        lossPct: Math.max(shape.lossPct, other.lossPct),
        duplicatePct: Math.max(shape.duplicatePct, other.duplicatePct),
        reorderPct: Math.max(shape.reorderPct, other.reorderPct),
        delayMs: Math.max(shape.delayMs, other.delayMs),
        jitterMs: Math.max(shape.jitterMs, other.jitterMs),
      },
    ]);
  }
  return [...worst.values()];
}

/** Cuts every link between hosts of different sides, both ways. Hosts on no side reach all. */
export function between(sides: readonly (readonly string[])[]): Cut[] {
  const cuts: Cut[] = [];
  for (const [at, side] of sides.entries()) {
    for (const other of sides.slice(at + 1)) {
      for (const a of side) for (const b of other) cuts.push([a, b], [b, a]);
    }
  }
  return cuts;
}
