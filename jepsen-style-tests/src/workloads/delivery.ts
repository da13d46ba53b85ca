import type { Checker } from '../checkers/checker.ts';
import { Publisher } from './publisher.ts';
import { Subscriber } from './subscriber.ts';
import type { Actor, ActorContext, Workload } from './workload.ts';

const TOPICS = 2;
const MOVE_EVERY_MS = 4_000;

/** What differs between the workloads of publishers and subscribers that keep their sessions. */
export interface DeliveryOptions {
  readonly name: string;
  readonly description: string;
  /** The QoS of publications; both: in turn. */
  readonly qos: readonly (1 | 2)[];
  readonly checkers: readonly Checker[];
}

function actorOf(context: ActorContext, qos: readonly (1 | 2)[]): Actor {
  const { random, topic, index } = context;
  if (index % 4 < 2) {
    return new Publisher(context, {
      next: () => ({ topic: `${topic}/${random.below(TOPICS)}`, qos: random.pick(qos) }),
      // One of two goes from node to node by itself.
      ...(index % 4 === 1 && { moveEveryMs: MOVE_EVERY_MS }),
    });
  }
  const restMs = index % 4 === 2 ? ([20, 100] as const) : ([0, 2_000] as const);
  return new Subscriber(context, {
    filters: [`${topic}/+`],
    qos: qos.includes(2) ? 2 : 1,
    stayMs: [1_500, 6_000],
    restMs,
    // One of two comes back at once: whoever is away tells nothing of what happens meanwhile.
    staysAway: index % 4 === 3,
  });
}

/** Publishers, and subscribers that go from node to node and come back to their sessions. */
export function delivery(options: DeliveryOptions): Workload {
  const { name, description, qos, checkers } = options;
  return {
    ...{ name, description, actors: 4, step: 4, checkers },
    unsupported: (features) => {
      if (!features.sessionsOnAnyNode) return 'sessions can not be resumed on another node';
      return qos.includes(2) && !features.qos2 ? 'no QoS 2' : null;
    },
    actor: (context) => actorOf(context, qos),
  };
}
