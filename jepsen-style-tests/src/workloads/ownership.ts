import { checkOwnership } from '../checkers/ownership.ts';
import type { RecordingClient } from '../client/recording-client.ts';
import { Roamer } from '../client/roamer.ts';
import { Pause, pace } from './pace.ts';
import { Publisher } from './publisher.ts';
import {
  type Actor,
  type ActorContext,
  clientOf,
  type Leftovers,
  LONG_SESSION_SEC,
  valuesOf,
  type Workload,
} from './workload.ts';

/** Three contenders and one publisher. */
const GROUP = 4;

/** One of several that use one client id at the same time, each through a node of its own choice. */
class Contender implements Actor {
  private readonly context: ActorContext;
  private readonly client: RecordingClient;
  private readonly roamer: Roamer;
  private readonly pause = new Pause();
  private readonly topic: string;
  private endPace: () => void = () => undefined;
  private moving: Promise<void> | null = null;
  private subscribed = false;

  constructor(context: ActorContext, group: number) {
    this.context = context;
    this.topic = `${context.topic}/${group}`;
    const clientId = `ownership.contended.${group}`;
    // One session has one version.
    this.client = clientOf(context, { sessionExpirySec: LONG_SESSION_SEC, clientId, version: 5 });
    this.roamer = new Roamer(this.client, {
      ...{ nodes: context.nodes, home: context.index, random: context.random },
      onUp: async ({ sessionPresent }) => {
        if (!sessionPresent || !this.subscribed) {
          this.subscribed = (await this.client.subscribe(`${this.topic}/in`, context.maxQos)) === 'ok';
        }
        return this.subscribed;
      },
    });
  }

  get ready(): boolean {
    return this.subscribed;
  }

  /** Only one of them stays connected in the end; see {@link drain}. */
  get settled(): boolean {
    return this.context.index % GROUP !== 0 || this.roamer.up;
  }

  get leftovers(): Leftovers {
    return { sessions: [this.client.identity], retained: [] };
  }

  start(): void {
    this.roamer.start();
    this.moving = this.move();
    const nextValue = valuesOf(this.context);
    this.endPace = pace(this.context.ratePerSec, this.context.random, () => {
      if (!this.roamer.up || !this.client.mayPublish || !this.context.mayBegin()) return false;
      void this.client.publish(`${this.topic}/out`, nextValue(), { qos: 1 });
      return true;
    });
  }

  drain(): void {
    this.endPace();
    this.pause.stop();
    // One of them receives what is left of their session; the others would only take it from each other for ever.
    if (this.context.index % GROUP !== 0) void this.stop();
  }

  async stop(): Promise<void> {
    this.endPace();
    this.pause.stop();
    await this.moving;
    await this.roamer.stop();
  }

  private async move(): Promise<void> {
    const { random } = this.context;
    while (!this.pause.over) {
      await this.pause.for(random.between(500, 2_500));
      if (!this.pause.over && this.roamer.up) {
        await this.roamer.leave(random.pick(['cut', 'disconnect']), random.between(100, 1_500));
      }
    }
  }
}

function actorOf(context: ActorContext): Actor {
  const group = Math.floor(context.index / GROUP);
  if (context.index % GROUP < GROUP - 1) return new Contender(context, group);
  return new Publisher(context, { next: () => ({ topic: `${context.topic}/${group}/in`, qos: context.maxQos }) });
}

export const ownership: Workload = {
  name: 'ownership',
  description: 'One client id used everywhere at once: never two live owners, and one session whoever owns it.',
  actors: GROUP,
  step: GROUP,
  unsupported: ({ sessionsOnAnyNode }) => (sessionsOnAnyNode ? null : 'sessions can not be resumed on another node'),
  actor: actorOf,
  checkers: [checkOwnership],
};
