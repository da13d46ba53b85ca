import type { DeliverOperation } from '../history/operation.ts';
import { type Checker, Findings } from './checker.ts';
import { claimOf, follow } from './subscriptions.ts';
import { byClient, publicationsOf } from './timeline.ts';

/** First deliveries of one topic to one subscriber, in order. */
type Sequence = readonly DeliverOperation[];

/** Two messages that two subscribers received in different order: both deliveries of the one and of the other. */
function inversion(one: Sequence, other: Sequence): DeliverOperation[] | null {
  const places = new Map(one.map((delivery, place) => [delivery.value, place]));
  let before: DeliverOperation | null = null;
  let beforePlace = -1;
  for (const delivery of other) {
    const place = places.get(delivery.value);
    if (place === undefined) continue;
    if (place < beforePlace) {
      return [
        one[place] as DeliverOperation,
        one[beforePlace] as DeliverOperation,
        before as DeliverOperation,
        delivery,
      ];
    }
    before = delivery;
    beforePlace = place;
  }
  return null;
}

/** Messages that follow each other in a ring, with the deliveries that say so; null when one order fits all. */
function ring(sequences: readonly Sequence[]): DeliverOperation[] | null {
  const next = new Map<string, Map<string, DeliverOperation>>();
  const incoming = new Map<string, number>();
  for (const sequence of sequences) {
    for (const [place, delivery] of sequence.entries()) {
      if (!incoming.has(delivery.value)) incoming.set(delivery.value, 0);
      const before = sequence[place - 1];
      if (before === undefined) continue;
      const edges = next.get(before.value) ?? new Map<string, DeliverOperation>();
      next.set(before.value, edges);
      if (edges.has(delivery.value)) continue;
      edges.set(delivery.value, delivery);
      incoming.set(delivery.value, (incoming.get(delivery.value) ?? 0) + 1);
    }
  }
  const free = [...incoming].filter(([, count]) => count === 0).map(([value]) => value);
  for (let value = free.pop(); value !== undefined; value = free.pop()) {
    incoming.delete(value);
    for (const after of next.get(value)?.keys() ?? []) {
      const count = (incoming.get(after) ?? 0) - 1;
      incoming.set(after, count);
      if (count === 0) free.push(after);
    }
  }
  return incoming.size === 0 ? null : walk(next, incoming);
}

/** Every message left has another one left in front of it: going back must come to a place twice. */
function walk(
  next: ReadonlyMap<string, ReadonlyMap<string, DeliverOperation>>,
  left: ReadonlyMap<string, number>,
): DeliverOperation[] {
  const previous = new Map<string, readonly [value: string, delivery: DeliverOperation]>();
  for (const [value, edges] of next) {
    if (!left.has(value)) continue;
    for (const [after, delivery] of edges) if (left.has(after)) previous.set(after, [value, delivery]);
  }
  const path: string[] = [];
  const proof: DeliverOperation[] = [];
  let value = [...left.keys()][0] as string;
  while (!path.includes(value)) {
    path.push(value);
    const [before, delivery] = previous.get(value) as readonly [string, DeliverOperation];
    proof.push(delivery);
    value = before;
  }
  return proof.slice(path.indexOf(value)).reverse();
}

/** All subscribers of a topic receive its QoS 1 and 2 messages, the first time, in orders that one order explains. */
export const checkTotalOrder: Checker = ({ operations }) => {
  const findings = new Findings('total order');
  const published = publicationsOf(operations);
  const topics = new Map<string, Map<string, DeliverOperation[]>>();
  for (const list of byClient(operations).values()) {
    const { subscriber } = follow(list);
    const seen = new Set<string>();
    for (const delivery of subscriber.deliveries) {
      if (delivery.qos === 0 || delivery.retain || !delivery.first || seen.has(delivery.value)) continue;
      seen.add(delivery.value);
      const publish = published.get(delivery.value);
      // A QoS 1 message that was sent twice is twice in the order; who subscribed in between saw the second only.
      if (publish === undefined || claimOf(subscriber, publish) === undefined) continue;
      const sequences = topics.get(delivery.topic) ?? new Map<string, DeliverOperation[]>();
      topics.set(delivery.topic, sequences);
      const sequence = sequences.get(subscriber.client);
      if (sequence === undefined) sequences.set(subscriber.client, [delivery]);
      else sequence.push(delivery);
      findings.figure('deliveries', 1);
    }
  }
  for (const [topic, sequences] of topics) checkTopic(findings, topic, sequences);
  return findings.result();
};

function checkTopic(findings: Findings, topic: string, sequences: ReadonlyMap<string, Sequence>): void {
  const clients = [...sequences.keys()];
  let found = false;
  for (const [at, one] of clients.entries()) {
    for (const other of clients.slice(at + 1)) {
      const proof = inversion(sequences.get(one) as Sequence, sequences.get(other) as Sequence);
      if (proof === null) continue;
      found = true;
      const [first, second] = proof as [DeliverOperation, DeliverOperation];
      const sentence = `${one} received ${first.value} before ${second.value}, ${other} the other way round`;
      findings.add('order differs', 'P5', sentence, proof);
    }
  }
  if (found) return;
  const proof = ring([...sequences.values()]);
  if (proof === null) return;
  const sentence = `no one order of ${topic} explains what its subscribers received: ${proof.map(({ value }) => value).join(', ')} form a ring`;
  findings.add('order differs', 'P5', sentence, proof);
}
