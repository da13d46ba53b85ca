import { checkRegisters } from '../checkers/register.ts';
import { Publisher } from './publisher.ts';
import { Reader } from './reader.ts';
import { type Actor, type ActorContext, LONG_SESSION_SEC, type Workload } from './workload.ts';

const KEYS = 4;

function actorOf(context: ActorContext): Actor {
  const { topic, random, index } = context;
  const keys = Array.from({ length: KEYS }, (_none, key) => `${topic}/key/${key}`);
  if (index % 3 === 2) return new Reader(context, keys);
  const qos = index % 3 === 0 ? 1 : context.maxQos;
  return new Publisher(context, {
    next: () => ({ topic: random.pick(keys), qos, retain: true }),
    // QoS 1 sent again may be written again, behind what others wrote meanwhile. So those writers never send again.
    sessionExpirySec: qos === 1 ? 0 : LONG_SESSION_SEC,
    // More would only make the order of writes less certain.
    window: 1,
  });
}

export const register: Workload = {
  name: 'register',
  description:
    'Retained messages as registers: written on some nodes, read by SUBSCRIBE on others, checked for linearizability.',
  actors: 6,
  step: 3,
  unsupported: ({ retained }) => (retained ? null : 'no retained messages'),
  actor: actorOf,
  checkers: [checkRegisters],
};
