import type { RecordingClient } from '../client/recording-client.ts';
import { Roamer } from '../client/roamer.ts';
import { pace } from './pace.ts';
import {
  type Actor,
  type ActorContext,
  type ClientOptions,
  clientOf,
  type Leftovers,
  LONG_SESSION_SEC,
  valuesOf,
} from './workload.ts';

/** What a publisher publishes next. */
export interface Publication {
  readonly topic: string;
  readonly qos: 1 | 2;
  readonly retain?: boolean;
  readonly expirySec?: number;
}

/** Options of {@link Publisher}. */
export interface PublisherOptions extends ClientOptions {
  readonly next: () => Publication;
  /** On average it moves to another node this often; never by default: only when its node fails. */
  readonly moveEveryMs?: number;
}

/** Publishes at a steady rate for as long as its window has room, through whatever node takes it. */
export class Publisher implements Actor {
  private readonly context: ActorContext;
  private readonly options: PublisherOptions;
  private readonly client: RecordingClient;
  private readonly roamer: Roamer;
  private readonly ends: (() => void)[] = [];
  private wasUp = false;
  private moveAtMs = Number.POSITIVE_INFINITY;
  private readonly retained = new Set<string>();

  constructor(context: ActorContext, options: PublisherOptions) {
    this.context = context;
    this.options = options;
    this.client = clientOf(context, { sessionExpirySec: LONG_SESSION_SEC, ...options });
    this.roamer = new Roamer(this.client, {
      ...{ nodes: context.nodes, home: context.index, random: context.random },
      onUp: () => {
        this.wasUp = true;
        return Promise.resolve(true);
      },
    });
  }

  get ready(): boolean {
    return this.wasUp;
  }

  get settled(): boolean {
    return this.client.unfinished === 0;
  }

  get leftovers(): Leftovers {
    const { identity } = this.client;
    return { sessions: identity.sessionExpirySec > 0 ? [identity] : [], retained: [...this.retained] };
  }

  start(): void {
    this.roamer.start();
    this.planMove();
    const nextValue = valuesOf(this.context);
    const step = (): boolean => {
      if (performance.now() > this.moveAtMs) this.move();
      if (!this.roamer.up || !this.client.mayPublish || !this.context.mayBegin()) return false;
      const { topic, ...rest } = this.options.next();
      if (rest.retain === true) this.retained.add(topic);
      void this.client.publish(topic, nextValue(), rest);
      return true;
    };
    this.ends.push(pace(this.context.ratePerSec, this.context.random, step));
  }

  drain(): void {
    for (const end of this.ends) end();
  }

  async stop(): Promise<void> {
    this.drain();
    await this.roamer.stop();
  }

  private planMove(): void {
    const { moveEveryMs } = this.options;
    if (moveEveryMs !== undefined) {
      this.moveAtMs = performance.now() + moveEveryMs * (0.5 + this.context.random.next());
    }
  }

  private move(): void {
    this.planMove();
    void this.roamer.leave(this.context.random.pick(['cut', 'disconnect']));
  }
}
