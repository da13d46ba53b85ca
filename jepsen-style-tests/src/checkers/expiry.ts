import type { DeliverOperation, Operation, PublishOperation } from '../history/operation.ts';
import { at, type Checker, Findings } from './checker.ts';
import { follow, reportLost } from './subscriptions.ts';
import { byClient, type Connection, connectionsOf, FaultTime, publicationsOf } from './timeline.ts';

/** Time may be counted in steps of a second, and be this much late, in milliseconds. Faults may stop it as long as they last. */
const TOLERANCE_MS = 2_000;

/**
 * A message that comes on a connection was sent after that connection began; when it was read proves nothing, since the network may
 * have been slow.
 */
function checkMessage(
  findings: Findings,
  publish: PublishOperation,
  { connect }: Connection,
  delivery: DeliverOperation,
  faults: FaultTime,
): void {
  if (publish.expirySec === undefined || publish.outcome !== 'ok') return;
  const leastAgeMs = connect.beginMs - publish.endMs - faults.within(publish.beginMs, connect.beginMs) - TOLERANCE_MS;
  const mostAgeMs = delivery.endMs - publish.beginMs + TOLERANCE_MS;
  const limitMs = publish.expirySec * 1_000;
  const who = `${publish.value}, published at ${at(publish.beginMs)} to expire after ${publish.expirySec} s, was sent to ${delivery.client}`;
  const proof = [publish, connect, delivery];
  findings.figure('deliveries that could expire', 1);
  if (leastAgeMs > limitMs) {
    const sentence = `${who} on a connection that began at ${at(connect.beginMs)}`;
    findings.add('delivered after expiry', 'P3', sentence, proof);
    return;
  }
  const leftSec = delivery.expirySec;
  if (leftSec === undefined || leftSec > publish.expirySec) {
    findings.add('expiry not counted down', 'P3', `${who} with ${leftSec ?? 'no'} seconds left`, proof);
  } else if (leftSec * 1_000 > limitMs - leastAgeMs || leftSec * 1_000 < limitMs - mostAgeMs) {
    const sentence = `${who} with ${leftSec} s left, when it was ${at(Math.max(0, leastAgeMs))} to ${at(mostAgeMs)} old`;
    findings.add('expiry not counted down', 'P3', sentence, proof);
  }
}

/** A session that outlived its time. Those that did not live as long as they had to are found by `follow`. */
function checkSessions(findings: Findings, connections: readonly Connection[], faults: FaultTime): void {
  for (const [place, { connect }] of connections.entries()) {
    const before = connections[place - 1];
    const expirySec = before?.connect.sessionExpirySec;
    if (before?.close == null || expirySec === undefined || connect.cleanStart) continue;
    const { close } = before;
    // The server may have noticed its end as late as keep alive tells it.
    const keepAliveMs =
      close.how === 'disconnect' && close.confirmed === true ? 0 : (before.connect.keepAliveSec ?? 0) * 1_500;
    const lateMs = faults.within(close.beginMs, connect.endMs);
    const latestMs = close.endMs + expirySec * 1_000 + keepAliveMs + lateMs + TOLERANCE_MS;
    if (connect.beginMs > latestMs) findings.figure('sessions that had expired', 1);
    else findings.figure('sessions resumed', connect.sessionPresent ? 1 : 0);
    if (connect.beginMs <= latestMs || !connect.sessionPresent) continue;
    const sentence =
      `the session of ${connect.client} was there at ${at(connect.endMs)}, though its connection had ended at ` +
      `${at(close.endMs)} and it was to last ${expirySec} s`;
    findings.add('session outlived its expiry', 'P2', sentence, [before.connect, close, connect]);
  }
}

/** A CONNECT without a known end makes the time in which nobody was connected unknown too. */
function hasUnknownConnect(list: readonly Operation[], afterMs: number, beforeMs: number): boolean {
  return list.some(
    (operation) =>
      operation.kind === 'connect' &&
      operation.outcome === 'unknown' &&
      operation.beginMs > afterMs &&
      operation.beginMs < beforeMs,
  );
}

/** Messages are not delivered after their expiry and come with what is left of it; sessions last as long as they are to. */
export const checkExpiry: Checker = (history) => {
  const { operations } = history;
  const findings = new Findings('expiry');
  const faultTime = new FaultTime(history);
  const published = publicationsOf(operations);
  for (const list of byClient(operations).values()) {
    reportLost(findings, follow(list).lost);
    const connections = connectionsOf(list);
    const clear = connections.filter((connection, place) => {
      const before = connections[place - 1];
      return !hasUnknownConnect(list, before?.close?.beginMs ?? Number.POSITIVE_INFINITY, connection.connect.beginMs);
    });
    if (clear.length === connections.length) checkSessions(findings, connections, faultTime);
    else findings.figure('clients with unknown connections', 1);
    for (const connection of connections) {
      for (const operation of connection.operations) {
        if (operation.kind !== 'deliver' || operation.dup || !operation.first) continue;
        const publish = published.get(operation.value);
        if (publish !== undefined) checkMessage(findings, publish, connection, operation, faultTime);
      }
    }
  }
  return findings.result();
};
