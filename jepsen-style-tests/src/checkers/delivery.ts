import type { DeliverOperation, PublishOperation } from '../history/operation.ts';
import { at, type Checker, Findings } from './checker.ts';
import { claimOf, follow, reportLost, type Subscriber } from './subscriptions.ts';
import { byClient, publicationsOf } from './timeline.ts';

type Publications = ReadonlyMap<string, PublishOperation>;

/** Values that were never published, were refused, or came under another topic. */
function checkPhantoms(findings: Findings, subscriber: Subscriber, published: Publications): void {
  for (const delivery of subscriber.deliveries) {
    const publish = published.get(delivery.value);
    const what = `${subscriber.client} received ${delivery.value} from ${delivery.node} at ${at(delivery.endMs)}`;
    if (publish === undefined) {
      findings.add('phantom', 'P1', `${what}, which nobody published`, [delivery]);
    } else if (publish.topic !== delivery.topic) {
      findings.add('phantom', 'P1', `${what} under a topic that it was not published to`, [publish, delivery]);
    } else if (publish.outcome === 'fail') {
      findings.add('refused but delivered', 'P1', `${what}, which ${publish.node} had refused`, [publish, delivery]);
    }
  }
}

/** The same message more often than its QoS allows. */
function checkDuplicates(findings: Findings, subscriber: Subscriber, published: Publications): void {
  const seen = new Map<string, DeliverOperation[]>();
  for (const delivery of subscriber.deliveries) {
    // What QoS 2 hands to nobody, and what says that it may be a repetition.
    if (delivery.qos === 2 ? !delivery.first : delivery.dup) continue;
    const before = seen.get(delivery.value);
    if (before === undefined) {
      seen.set(delivery.value, [delivery]);
      continue;
    }
    before.push(delivery);
    const publish = published.get(delivery.value);
    const times = `${subscriber.client} received ${delivery.value} ${before.length} times`;
    if (delivery.qos === 2 && publish?.qos === 2) {
      const sentence = `${times} as a new QoS 2 message, last from ${delivery.node} at ${at(delivery.endMs)}`;
      findings.add('delivered twice', 'P4', sentence, [publish, ...before]);
    } else if (publish !== undefined && before.length > (publish.qos === 1 ? (publish.sends ?? 1) : 1)) {
      const sentence = `${times} without DUP, though it was published ${publish.sends ?? 1} times`;
      findings.add('duplicate without DUP', 'P5', sentence, [publish, ...before]);
    }
  }
}

/** First deliveries against the order in which their publisher published. */
function checkOrder(findings: Findings, subscriber: Subscriber, published: Publications): void {
  const seen = new Set<string>();
  const newest = new Map<string, readonly [PublishOperation, DeliverOperation]>();
  for (const delivery of subscriber.deliveries) {
    if (!delivery.first || seen.has(delivery.value)) continue;
    seen.add(delivery.value);
    const publish = published.get(delivery.value);
    // What began before the SUBACK may have been sent twice, with the subscription in between.
    if (publish?.outcome !== 'ok' || claimOf(subscriber, publish) === undefined) continue;
    const stream = `${publish.client} ${publish.qos} ${publish.topic}`;
    const before = newest.get(stream);
    if (before === undefined || before[0].beginMs < publish.beginMs) {
      newest.set(stream, [publish, delivery]);
    } else {
      const sentence =
        `${subscriber.client} received ${before[0].value} before ${publish.value}, though ${publish.client} ` +
        `published them the other way round`;
      findings.add('reordered', 'P5', sentence, [publish, before[0], before[1], delivery]);
    }
  }
}

/** Acknowledged, and never handed to somebody who was subscribed before. */
function checkLost(findings: Findings, subscriber: Subscriber, published: Publications): void {
  const got = new Set<string>();
  for (const delivery of subscriber.deliveries) if (delivery.first) got.add(delivery.value);
  for (const publish of published.values()) {
    if (publish.outcome !== 'ok' || got.has(publish.value)) continue;
    const suback = claimOf(subscriber, publish);
    if (suback === undefined) continue;
    const sentence =
      `${publish.value} of ${publish.client} was acknowledged by ${publish.node} at ${at(publish.endMs)} and never ` +
      `reached ${subscriber.client}, whose SUBACK came at ${at(suback.endMs)}`;
    findings.add('lost', publish.qos === 2 ? 'P4' : 'P1', sentence, [suback, publish]);
  }
}

/**
 * Messages to subscribers that keep their sessions: everything that was acknowledged after their SUBACK arrives by the end
 * of the history, in the order of its publisher, QoS 2 exactly once, and nothing else does.
 */
export const checkDelivery: Checker = ({ operations }) => {
  const findings = new Findings('delivery');
  const published = publicationsOf(operations);
  for (const publish of published.values()) findings.figure(`publications ${publish.outcome}`, 1);
  for (const list of byClient(operations).values()) {
    const { subscriber, lost } = follow(list);
    reportLost(findings, lost);
    findings.figure('deliveries', subscriber.deliveries.length);
    if (subscriber.since.size > 0) findings.figure('subscribers', 1);
    checkPhantoms(findings, subscriber, published);
    checkDuplicates(findings, subscriber, published);
    checkOrder(findings, subscriber, published);
    checkLost(findings, subscriber, published);
  }
  return findings.result();
};
