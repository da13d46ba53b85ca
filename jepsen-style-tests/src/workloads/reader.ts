import type { RecordingClient } from '../client/recording-client.ts';
import { Roamer } from '../client/roamer.ts';
import { Pause } from './pace.ts';
import { type Actor, type ActorContext, clientOf, type Leftovers, valuesOf } from './workload.ts';

const READS_PER_CONNECTION = 12;
const RETRY_MS = 20;
/** With no retained message by then, it asks by a message of its own whether there is none. */
const FENCE_AFTER_MS = 300;
/** Without an answer by then it tries elsewhere. */
const GIVE_UP_MS = 12_000;

/**
 * Reads registers: a SUBSCRIBE brings the retained message of its topic. To know that there is none, it publishes to
 * itself: what SUBSCRIBE found is in its queue before that.
 */
export class Reader implements Actor {
  readonly leftovers: Leftovers = { sessions: [], retained: [] };
  private readonly context: ActorContext;
  private readonly keys: readonly string[];
  private readonly client: RecordingClient;
  private readonly roamer: Roamer;
  private readonly pause = new Pause();
  private readonly fence: string;
  private readonly nextValue: () => string;
  private wasUp = false;
  /** Keys that are to be read once more before it has settled. */
  private last: Set<string> | null = null;
  private running: Promise<void> | null = null;
  private answer: { readonly key: string; readonly done: () => void } | null = null;

  constructor(context: ActorContext, keys: readonly string[]) {
    this.context = context;
    this.keys = keys;
    this.fence = `${context.topic}/fence/${context.index}`;
    this.nextValue = valuesOf(context);
    this.client = clientOf(context);
    this.client.onDeliver = ({ topic, retain }) => {
      if (topic === this.fence || (topic === this.answer?.key && retain)) this.answer?.done();
    };
    this.roamer = new Roamer(this.client, {
      ...{ nodes: context.nodes, home: context.index, random: context.random },
      onUp: async () => (this.wasUp = (await this.client.subscribe(this.fence, 1)) === 'ok'),
    });
  }

  get ready(): boolean {
    return this.wasUp;
  }

  get settled(): boolean {
    return this.last?.size === 0;
  }

  start(): void {
    this.roamer.start();
    this.running = this.run();
  }

  drain(): void {
    this.last ??= new Set(this.keys);
  }

  async stop(): Promise<void> {
    this.pause.stop();
    this.client.cut();
    await this.running;
    await this.roamer.stop();
  }

  private async run(): Promise<void> {
    const { random, ratePerSec } = this.context;
    let reads = 0;
    while (!this.pause.over && this.last?.size !== 0) {
      if (!this.roamer.up || (this.last === null && !this.context.mayBegin())) {
        await this.pause.for(RETRY_MS);
        continue;
      }
      const key = this.last === null ? random.pick(this.keys) : ([...this.last][0] as string);
      if (await this.read(key)) this.last?.delete(key);
      if (++reads % READS_PER_CONNECTION === 0) await this.roamer.leave('disconnect');
      await this.pause.for((random.next() * 2_000) / ratePerSec);
    }
  }

  /** @returns whether there was an answer */
  private async read(key: string): Promise<boolean> {
    const { client } = this;
    let answered = false;
    const answer = new Promise<void>((done) => {
      this.answer = {
        key,
        done: () => {
          answered = true;
          done();
        },
      };
    });
    if ((await client.subscribe(key, 1)) === 'ok') {
      const timer = setTimeout(() => {
        if (client.mayPublish) void client.publish(this.fence, this.nextValue(), { qos: 1 });
      }, FENCE_AFTER_MS);
      await Promise.race([answer, client.closed(), this.pause.for(GIVE_UP_MS)]);
      clearTimeout(timer);
      if (!answered) client.cut();
      if (client.node !== null) await client.unsubscribe(key);
    }
    this.answer = null;
    return answered;
  }
}
