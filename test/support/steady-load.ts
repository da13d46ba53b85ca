import { checkDelivery, Publisher, Subscriber } from './load.ts';
import type { NodeProcess } from './node-process.ts';
import { waitFor } from './wait.ts';

/** Options of {@link SteadyLoad.start}. */
export interface SteadyLoadOptions {
  /** Of topics and client ids; unique in the cluster. */
  readonly name: string;
  /** Where clients may go when they lose their node. */
  readonly nodes: readonly NodeProcess[];
  /** Nodes that get a publisher of QoS 1, one of QoS 2 and a subscriber each; `nodes` by default. */
  readonly homes?: readonly NodeProcess[];
  /** Pause of a publisher after each acknowledgement; 20 ms by default. */
  readonly pauseMs?: number;
  /** Messages under way of each publisher; 4 by default. */
  readonly window?: number;
  /** Bytes put behind the number in each message; none by default. */
  readonly paddingBytes?: number;
}

/** Load from and to several nodes that goes on until `finish`, which demands that nothing acknowledged is lost. */
export class SteadyLoad {
  readonly publishers: readonly Publisher[];
  readonly subscribers: readonly Subscriber[];

  private constructor(publishers: readonly Publisher[], subscribers: readonly Subscriber[]) {
    this.publishers = publishers;
    this.subscribers = subscribers;
  }

  /** Resolves when every publisher has had acknowledgements. */
  static async start(options: SteadyLoadOptions): Promise<SteadyLoad> {
    const { name, nodes, homes = nodes, pauseMs = 20, window = 4, paddingBytes = 0 } = options;
    const subscribers = homes.map((home) => new Subscriber({ clientId: `${name}-at-${home.id}`, home, nodes }));
    await Promise.all(subscribers.map((each) => each.subscribe(`${name}/#`)));
    const publishers = homes.flatMap((home) =>
      ([1, 2] as const).map((qos) => {
        const clientId = `${name}-${home.id}-${String(qos)}`;
        const topic = `${name}/${home.id}/${String(qos)}`;
        return new Publisher({ clientId, topic, qos, home, nodes, pauseMs, window, paddingBytes });
      }),
    );
    const load = new SteadyLoad(publishers, subscribers);
    await load.goesOn();
    return load;
  }

  /** How many messages were acknowledged. */
  get acked(): number {
    return this.publishers.reduce((sum, each) => sum + each.acked.size, 0);
  }

  /** Waits until every publisher (or those given) has had an acknowledgement later than now. */
  async goesOn(publishers: readonly Publisher[] = this.publishers, timeoutMs = 40_000): Promise<void> {
    const fromMs = performance.now();
    const silent = (): Publisher[] => publishers.filter((each) => (each.ackedAtMs.at(-1) ?? 0) <= fromMs);
    await waitFor(() => silent().length === 0, { timeoutMs, what: 'acknowledgements for every publisher' }).catch(
      (error: Error) => {
        const names = silent().map((each) => `${each.name} at ${each.node.id}`);
        throw new Error(`${error.message}; not for ${names.join(', ')}`, { cause: error });
      },
    );
  }

  /** The publishers that are connected to none of these nodes. */
  awayFrom(...nodes: readonly NodeProcess[]): Publisher[] {
    return this.publishers.filter((each) => !nodes.includes(each.node));
  }

  /** The longest time without an acknowledgement for any publisher, as `Publisher.longestGapMs`. */
  longestGapMs(fromMs: number, toMs: number, publishers: readonly Publisher[] = this.publishers): number {
    return Math.max(...publishers.map((each) => each.longestGapMs(fromMs, toMs)));
  }

  /** All clients to their homes, in the middle of their exchanges. */
  async goHome(homes: readonly NodeProcess[]): Promise<void> {
    const moves = this.subscribers.map((each, at) => each.moveTo(homes[at] as NodeProcess));
    moves.push(...this.publishers.map((each, at) => each.moveTo(homes[at >> 1] as NodeProcess)));
    await Promise.all(moves);
  }

  /** Checks what was acknowledged so far as `finish` does, forgets it, and goes on. Returns how many messages that was. */
  async verify(timeoutMs = 40_000): Promise<number> {
    await Promise.all(this.publishers.map((each) => each.finish(timeoutMs)));
    await checkDelivery(this.publishers, this.subscribers, timeoutMs);
    const { acked } = this;
    for (const publisher of this.publishers) {
      for (const subscriber of this.subscribers) subscriber.settle(publisher);
      publisher.settle();
      publisher.resume();
    }
    return acked;
  }

  /** Publishes no more, checks that everything acknowledged arrived, once and in order, and ends all connections. */
  async finish(timeoutMs = 40_000): Promise<number> {
    await Promise.all(this.publishers.map((each) => each.finish(timeoutMs)));
    await checkDelivery(this.publishers, this.subscribers, timeoutMs);
    await Promise.all([...this.publishers, ...this.subscribers].map((each) => each.end(true)));
    return this.acked;
  }
}
