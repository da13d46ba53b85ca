import { checkShared } from '../checkers/shared.ts';
import { Publisher } from './publisher.ts';
import { Subscriber } from './subscriber.ts';
import type { Actor, ActorContext, Workload } from './workload.ts';

function actorOf(context: ActorContext): Actor {
  const { topic, index, random } = context;
  if (index % 4 === 0) {
    return new Publisher(context, {
      next: () => {
        const qos = random.pick([1, 2] as const);
        return { topic: `${topic}/${qos}`, qos };
      },
    });
  }
  const filters = [`$share/group/${topic}/1`, `$share/group/${topic}/2`];
  const visits = { version: 5, stayMs: [1_000, 4_000], restMs: [20, 1_500] } as const;
  // Its session ends with its connection: what it was given and did not acknowledge has to go to others, except what it may
  // have had with QoS 2, so that it does without that [MQTT-4.8.2-5].
  if (index % 4 === 1) {
    return new Subscriber(context, { ...visits, filters: filters.slice(0, 1), qos: 1, sessionExpirySec: 0 });
  }
  return new Subscriber(context, { ...visits, filters, qos: 2 });
}

export const shared: Workload = {
  name: 'shared',
  description:
    'Members of a shared subscription come and go, some with their sessions: each message reaches one of them, QoS 2 exactly one.',
  actors: 4,
  step: 4,
  unsupported: (features) =>
    !features.sharedSubscriptions
      ? 'no shared subscriptions'
      : !features.qos2
        ? 'no QoS 2'
        : features.sessionsOnAnyNode
          ? null
          : 'sessions can not be resumed on another node',
  actor: actorOf,
  checkers: [checkShared],
};
