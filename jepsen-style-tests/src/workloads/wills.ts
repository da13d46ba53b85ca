import { checkWills } from '../checkers/wills.ts';
import type { RecordingClient } from '../client/recording-client.ts';
import { Roamer } from '../client/roamer.ts';
import type { Will } from '../history/operation.ts';
import { Pause } from './pace.ts';
import { Subscriber } from './subscriber.ts';
import {
  type Actor,
  type ActorContext,
  absenceOf,
  clientOf,
  type Leftovers,
  valuesOf,
  type Workload,
} from './workload.ts';

const SESSION_SEC = 60;
const KEEP_ALIVE_SEC = 2;
/** A server gives a silent client up after one and a half times its keep alive; some more for the will to arrive. */
const GIVEN_UP_MS = KEEP_ALIVE_SEC * 1_500 + 1_000;
const DELAYS_SEC = [0, 0, 1, 3];

/** Connects with a will, lives a while, and then leaves in order, vanishes, or vanishes and comes back in time. */
class Mortal implements Actor {
  private readonly context: ActorContext;
  private readonly client: RecordingClient;
  private readonly roamer: Roamer;
  private readonly pause = new Pause();
  private readonly nextWill: () => string;
  private readonly nextValue: () => string;
  private wasUp = false;
  private delaySec = 0;
  /** When it last left, `performance.now()`: until some time after that its will may be due. */
  private leftAtMs = 0;
  private running: Promise<void> | null = null;

  constructor(context: ActorContext) {
    this.context = context;
    this.nextValue = valuesOf(context);
    let wills = 0;
    this.nextWill = () => `${context.name}:will:${++wills}`;
    this.client = clientOf(context, { sessionExpirySec: SESSION_SEC, keepAliveSec: KEEP_ALIVE_SEC });
    this.roamer = new Roamer(this.client, {
      ...{ nodes: context.nodes, home: context.index, random: context.random, will: () => this.will() },
      absenceMs: absenceOf(context.random),
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
    const dueMs = this.leftAtMs + GIVEN_UP_MS + Math.max(...DELAYS_SEC) * 1_000;
    return this.pause.over && performance.now() > dueMs && this.client.unfinished === 0;
  }

  get leftovers(): Leftovers {
    return { sessions: [this.client.identity], retained: [] };
  }

  start(): void {
    this.roamer.start();
    this.running = this.run();
  }

  drain(): void {
    // It goes on living.
    this.pause.stop();
    this.roamer.hurry();
  }

  async stop(): Promise<void> {
    this.pause.stop();
    await this.running;
    await this.roamer.stop();
  }

  private will(): Will {
    const { topic, index, random, version, maxQos } = this.context;
    this.delaySec = version === 5 ? random.pick(DELAYS_SEC) : 0;
    return {
      topic: `${topic}/will/${index}`,
      value: this.nextWill(),
      qos: random.pick([1, maxQos]),
      delaySec: this.delaySec,
    };
  }

  private async run(): Promise<void> {
    const { random, topic } = this.context;
    while (!this.pause.over) {
      await this.pause.for(random.between(200, 1_500));
      if (this.pause.over || !this.context.mayBegin()) continue;
      // So that it is known until when the server had this client.
      if (this.client.mayPublish) await this.publish(`${topic}/life`);
      if (this.client.node === null || this.pause.over) continue;
      const how = random.pick(['cut', 'cut', 'disconnect'] as const);
      this.leftAtMs = performance.now();
      const backInTime = random.next() < 0.5;
      await this.roamer.leave(
        how,
        backInTime ? 50 : random.between(this.delaySec * 1_000, (this.delaySec + 3) * 1_000),
      );
    }
  }

  private async publish(topic: string): Promise<void> {
    await Promise.race([this.client.publish(topic, this.nextValue(), { qos: 1 }), this.client.closed()]);
  }
}

export const wills: Workload = {
  name: 'wills',
  description:
    'Clients that vanish and clients that leave: a will is sent exactly once after the one and never after the other.',
  actors: 12,
  step: 3,
  unsupported: (features) =>
    !features.wills ? 'no wills' : features.sessionsOnAnyNode ? null : 'sessions can not be resumed on another node',
  actor: (context) =>
    context.index % 3 === 0
      ? new Subscriber(context, {
          ...{ filters: [`${context.topic}/will/+`], qos: context.maxQos, stayMs: [3_000, 9_000], restMs: [20, 300] },
        })
      : new Mortal(context),
  checkers: [checkWills],
};
