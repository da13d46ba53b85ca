import type { DeliverOperation, Operation, PublishOperation, SubscribeOperation } from '../history/operation.ts';
import { at, type Checker, Findings } from './checker.ts';
import { byClient, type Connection, connectionsOf, FaultTime, matches, publicationsOf } from './timeline.ts';

/** A message that was acknowledged this long before the end of a connection has to have arrived on it, in milliseconds. */
const PATIENCE_MS = 10_000;

/** The first publication in a list by end that ended after a time. */
function firstAfter(published: readonly PublishOperation[], ms: number): number {
  let low = 0;
  let high = published.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((published[middle] as PublishOperation).endMs > ms) high = middle;
    else low = middle + 1;
  }
  return low;
}

interface Window {
  readonly connection: Connection;
  readonly suback: SubscribeOperation;
  readonly got: ReadonlyMap<string, DeliverOperation>;
}

function sentenceOf(publish: PublishOperation, { suback }: Window, then: string): string {
  return (
    `${publish.value} was published through ${publish.node} at ${at(publish.beginMs)}, after the SUBACK of ` +
    `${suback.node} to ${suback.client} at ${at(suback.endMs)}, and acknowledged at ${at(publish.endMs)}; ${then}`
  );
}

/** Own messages that came back: whatever was acknowledged before they were published is in front of them. */
function checkFences(
  findings: Findings,
  window: Window,
  ok: readonly PublishOperation[],
  mine: readonly Operation[],
): void {
  const { suback, got } = window;
  let fromMs = suback.endMs;
  for (const fence of mine) {
    if (fence.kind !== 'publish' || fence.beginMs < suback.endMs || !matches(suback.filter, fence.topic)) continue;
    const back = got.get(fence.value);
    if (back === undefined) continue;
    findings.figure('fences', 1);
    for (let at = firstAfter(ok, fromMs); at < ok.length; at++) {
      const publish = ok[at] as PublishOperation;
      if (publish.endMs >= fence.beginMs) break;
      if (publish.beginMs <= suback.endMs || publish.topic !== fence.topic) continue;
      findings.figure('checked deliveries', 1);
      const delivery = got.get(publish.value);
      if (delivery !== undefined && delivery.endMs <= back.endMs) continue;
      const then = `a later message, ${fence.value}, arrived ${delivery === undefined ? 'without it' : 'before it'}`;
      findings.add('not visible', 'P3', sentenceOf(publish, window, then), [suback, publish, fence, back]);
    }
    fromMs = fence.beginMs;
  }
}

/** Without such a message: on a connection that went on for long enough it had to arrive. */
function checkPatience(findings: Findings, window: Window, ok: readonly PublishOperation[], faults: FaultTime): void {
  const { suback, got, connection } = window;
  if (connection.close === null) return;
  const closedMs = connection.close.beginMs;
  for (let place = firstAfter(ok, suback.endMs); place < ok.length; place++) {
    const publish = ok[place] as PublishOperation;
    const leftMs = closedMs - publish.endMs - faults.within(publish.endMs, closedMs);
    if (publish.endMs > closedMs - PATIENCE_MS) break;
    if (publish.beginMs <= suback.endMs || !matches(suback.filter, publish.topic)) continue;
    if (got.has(publish.value) || leftMs < PATIENCE_MS) continue;
    const then = `it had not arrived when the connection ended at ${at(closedMs)}`;
    findings.add('not visible', 'P3', sentenceOf(publish, window, then), [suback, publish]);
  }
}

/** A publication that began after a SUBACK, on any nodes, and was acknowledged is delivered. */
export const checkVisibility: Checker = (history) => {
  const { operations } = history;
  const findings = new Findings('subscribe visibility');
  const faultTime = new FaultTime(history);
  const ok = [...publicationsOf(operations).values()].filter(({ outcome }) => outcome === 'ok');
  ok.sort((a, b) => a.endMs - b.endMs);
  findings.figure('publications ok', ok.length);
  for (const list of byClient(operations).values()) {
    for (const connection of connectionsOf(list)) {
      const got = new Map<string, DeliverOperation>();
      for (const operation of connection.operations) {
        if (operation.kind === 'deliver' && !got.has(operation.value)) got.set(operation.value, operation);
      }
      for (const suback of connection.operations) {
        if (suback.kind !== 'subscribe' || suback.outcome !== 'ok') continue;
        findings.figure('subscriptions', 1);
        const window = { connection, suback, got };
        checkFences(findings, window, ok, connection.operations);
        checkPatience(findings, window, ok, faultTime);
      }
    }
  }
  return findings.result();
};
