import { checkVisibility } from '../checkers/visibility.ts';
import type { RecordingClient } from '../client/recording-client.ts';
import { Roamer } from '../client/roamer.ts';
import { Pause } from './pace.ts';
import { Publisher } from './publisher.ts';
import { type Actor, type ActorContext, clientOf, type Leftovers, valuesOf, type Workload } from './workload.ts';

const RETRY_MS = 20;
const FENCES = 4;
/** The checker's patience is over before that. */
const GIVE_UP_MS = 12_000;

/**
 * Connects anywhere, subscribes, and publishes to the topic itself: when that comes back, everything acknowledged before has
 * to be there. Then it does the same elsewhere.
 */
class Visitor implements Actor {
  readonly leftovers: Leftovers = { sessions: [], retained: [] };
  private readonly context: ActorContext;
  private readonly topic: string;
  private readonly client: RecordingClient;
  private readonly roamer: Roamer;
  private readonly pause = new Pause();
  private readonly nextValue: () => string;
  private wasUp = false;
  private drained = false;
  private running: Promise<void> | null = null;
  private awaited: { readonly value: string; readonly done: () => void } | null = null;

  constructor(context: ActorContext, topic: string) {
    this.context = context;
    this.topic = topic;
    this.nextValue = valuesOf(context);
    this.client = clientOf(context);
    this.client.onDeliver = ({ value }) => {
      if (value === this.awaited?.value) this.awaited.done();
    };
    const { nodes, index, random } = context;
    this.roamer = new Roamer(this.client, { nodes, home: index, random });
  }

  get ready(): boolean {
    return this.wasUp;
  }

  get settled(): boolean {
    return this.drained;
  }

  start(): void {
    this.roamer.start();
    this.running = this.run();
  }

  drain(): void {
    this.drained = true;
    this.pause.stop();
  }

  async stop(): Promise<void> {
    this.pause.stop();
    this.client.cut();
    await this.running;
    await this.roamer.stop();
  }

  private async run(): Promise<void> {
    const { random } = this.context;
    while (!this.pause.over) {
      if (!this.roamer.up || !this.context.mayBegin()) {
        await this.pause.for(RETRY_MS);
        continue;
      }
      if ((await this.client.subscribe(this.topic, 1)) === 'ok') {
        this.wasUp = true;
        for (let at = 0; at < FENCES && !this.pause.over && this.client.mayPublish; at++) {
          await this.fence();
          await this.pause.for(random.between(0, 400));
        }
      }
      await this.roamer.leave(random.pick(['cut', 'disconnect']));
    }
  }

  private async fence(): Promise<void> {
    const value = this.nextValue();
    const back = new Promise<void>((done) => {
      this.awaited = { value, done };
    });
    void this.client.publish(this.topic, value, { qos: 1 });
    await Promise.race([back, this.client.closed(), this.pause.for(GIVE_UP_MS)]);
  }
}

function actorOf(context: ActorContext): Actor {
  const topic = `${context.topic}/all`;
  if (context.index % 2 === 0) return new Publisher(context, { next: () => ({ topic, qos: 1 }) });
  return new Visitor(context, topic);
}

export const visibility: Workload = {
  name: 'visibility',
  description: 'New subscribers everywhere: what is published after a SUBACK and acknowledged arrives.',
  actors: 4,
  step: 2,
  unsupported: () => null,
  actor: actorOf,
  checkers: [checkVisibility],
};
