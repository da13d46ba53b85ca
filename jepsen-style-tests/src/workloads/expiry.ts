import { checkExpiry } from '../checkers/expiry.ts';
import type { RecordingClient } from '../client/recording-client.ts';
import { Roamer } from '../client/roamer.ts';
import { Pause } from './pace.ts';
import { Publisher } from './publisher.ts';
import { Subscriber } from './subscriber.ts';
import { type Actor, type ActorContext, clientOf, type Leftovers, type Workload } from './workload.ts';

const SESSION_SEC = 2;
const SHORT_MS = [50, 800] as const;
const LONG_MS = [6_000, 9_000] as const;

/** Has a session that lives two seconds without it, and comes back well before or well after that. */
class Sleeper implements Actor {
  private readonly context: ActorContext;
  private readonly client: RecordingClient;
  private readonly roamer: Roamer;
  private readonly pause = new Pause();
  private wasUp = false;
  private running: Promise<void> | null = null;

  constructor(context: ActorContext) {
    this.context = context;
    this.client = clientOf(context, { sessionExpirySec: SESSION_SEC, keepAliveSec: 4, version: 5 });
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
    return this.pause.over;
  }

  get leftovers(): Leftovers {
    return { sessions: [this.client.identity], retained: [] };
  }

  start(): void {
    this.roamer.start();
    this.running = this.run();
  }

  drain(): void {
    this.pause.stop();
  }

  async stop(): Promise<void> {
    this.pause.stop();
    await this.running;
    await this.roamer.stop();
  }

  private async run(): Promise<void> {
    const { random } = this.context;
    while (!this.pause.over) {
      await this.pause.for(random.between(100, 500));
      if (this.pause.over || this.client.node === null || !this.context.mayBegin()) continue;
      const [low, high] = random.next() < 0.75 ? SHORT_MS : LONG_MS;
      await this.roamer.leave(random.pick(['cut', 'disconnect']), random.between(low, high));
    }
  }
}

function actorOf(context: ActorContext): Actor {
  const { topic, index, random } = context;
  if (index % 4 === 0) {
    return new Publisher(context, {
      next: () => ({ topic: `${topic}/all`, qos: random.pick([1, 2] as const), expirySec: random.pick([1, 2, 4, 30]) }),
      version: 5,
    });
  }
  if (index % 4 === 3) return new Sleeper(context);
  return new Subscriber(context, {
    ...{ filters: [`${topic}/all`], qos: 2, version: 5, stayMs: [300, 1_500], restMs: [200, 6_000] },
  });
}

export const expiry: Workload = {
  name: 'expiry',
  description: 'Messages and sessions that expire: not before their time and not after it.',
  actors: 4,
  step: 4,
  unsupported: ({ messageExpiry, qos2, sessionsOnAnyNode }) =>
    !messageExpiry
      ? 'no message expiry'
      : !qos2
        ? 'no QoS 2'
        : sessionsOnAnyNode
          ? null
          : 'sessions can not be resumed on another node',
  actor: actorOf,
  checkers: [checkExpiry],
};
