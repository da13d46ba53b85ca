import type { RecordingClient } from '../client/recording-client.ts';
import { Roamer } from '../client/roamer.ts';
import { Pause } from './pace.ts';
import {
  type Actor,
  type ActorContext,
  absenceOf,
  type ClientOptions,
  clientOf,
  type Leftovers,
  LONG_SESSION_SEC,
} from './workload.ts';

/** Options of {@link Subscriber}. */
export interface SubscriberOptions extends ClientOptions {
  readonly filters: readonly string[];
  readonly qos: 1 | 2;
  /** How long it stays connected at a time. */
  readonly stayMs: readonly [low: number, high: number];
  /** How long it stays away in between. */
  readonly restMs: readonly [low: number, high: number];
  /** Whether it may stay away for longer after a connection that it did not leave itself; see {@link absenceOf}. */
  readonly staysAway?: boolean;
}

/** Subscribes once and keeps its session while it goes from node to node, by DISCONNECT or by breaking off. */
export class Subscriber implements Actor {
  private readonly context: ActorContext;
  private readonly options: SubscriberOptions;
  private readonly client: RecordingClient;
  private readonly roamer: Roamer;
  private readonly pause = new Pause();
  /** Filters with a SUBACK. */
  private readonly held = new Set<string>();
  private moving: Promise<void> | null = null;

  constructor(context: ActorContext, options: SubscriberOptions) {
    this.context = context;
    this.options = options;
    this.client = clientOf(context, { sessionExpirySec: LONG_SESSION_SEC, ...options });
    this.roamer = new Roamer(this.client, {
      ...{ nodes: context.nodes, home: context.index, random: context.random },
      ...(options.staysAway === true && { absenceMs: absenceOf(context.random) }),
      onUp: async ({ sessionPresent }) => {
        if (!sessionPresent) this.held.clear();
        for (const filter of options.filters) {
          if (this.held.has(filter)) continue;
          if ((await this.client.subscribe(filter, options.qos)) !== 'ok') return false;
          this.held.add(filter);
        }
        return true;
      },
    });
  }

  get ready(): boolean {
    return this.held.size === this.options.filters.length;
  }

  get settled(): boolean {
    return this.roamer.up && this.ready;
  }

  get leftovers(): Leftovers {
    return { sessions: [this.client.identity], retained: [] };
  }

  start(): void {
    this.roamer.start();
    this.moving = this.move();
  }

  drain(): void {
    this.pause.stop();
    this.roamer.hurry();
  }

  async stop(): Promise<void> {
    this.pause.stop();
    await this.moving;
    await this.roamer.stop();
  }

  private async move(): Promise<void> {
    const { random } = this.context;
    const { stayMs, restMs } = this.options;
    for (;;) {
      await this.pause.for(random.between(...stayMs));
      if (this.pause.over) return;
      if (this.roamer.up) await this.roamer.leave(random.pick(['cut', 'disconnect']), random.between(...restMs));
    }
  }
}
