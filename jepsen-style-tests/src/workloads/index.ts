import { checkDelivery } from '../checkers/delivery.ts';
import { checkTotalOrder } from '../checkers/total-order.ts';
import { delivery } from './delivery.ts';
import { expiry } from './expiry.ts';
import { ownership } from './ownership.ts';
import { register } from './register.ts';
import { shared } from './shared.ts';
import { visibility } from './visibility.ts';
import { wills } from './wills.ts';
import type { Workload } from './workload.ts';

export const queue = delivery({
  name: 'queue',
  description:
    'QoS 1 to subscribers that keep their sessions and go from node to node: nothing lost, nothing out of order.',
  qos: [1],
  checkers: [checkDelivery, checkTotalOrder],
});

export const exactlyOnce = delivery({
  name: 'exactly-once',
  description: 'The same with QoS 2: each message exactly once.',
  qos: [2],
  checkers: [checkDelivery, checkTotalOrder],
});

export const order = delivery({
  name: 'order',
  description: 'QoS 1 and 2 mixed: all subscribers of a topic see its messages in one order.',
  qos: [1, 2],
  checkers: [checkDelivery, checkTotalOrder],
});

/** All of them, in the order of the report. */
export const WORKLOADS: readonly Workload[] = [
  ...[register, queue, exactlyOnce, order],
  ...[ownership, visibility, wills, shared, expiry],
];

/** @throws when there is none of this name */
export function workloadOf(name: string): Workload {
  const found = WORKLOADS.find((workload) => workload.name === name);
  if (found === undefined) {
    throw new Error(`no workload ${name}; there are ${WORKLOADS.map((workload) => workload.name).join(', ')}`);
  }
  return found;
}

export type { Workload } from './workload.ts';
export { expiry, ownership, register, shared, visibility, wills };
