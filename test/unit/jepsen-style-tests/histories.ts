import {
  type CheckResult,
  type CloseOperation,
  type ConnectOperation,
  type DeliverOperation,
  type HistoryEvent,
  historyOf,
  type NemesisEvent,
  type PublishOperation,
  type SubscribeOperation,
} from '@quorate/jepsen-style-tests';
import { assert } from '../../support/suite.ts';

/* Histories by hand: times in milliseconds, the rest as usual unless it is said otherwise. */

type Without<T, K extends keyof T> = Partial<Omit<T, K>>;

export function connect(
  client: string,
  beginMs: number,
  endMs: number,
  more: Without<ConnectOperation, 'kind'> = {},
): ConnectOperation {
  return {
    ...{ kind: 'connect', client, clientId: client, node: 'n1', beginMs, endMs, outcome: 'ok', sessionPresent: false },
    ...{ reasonCode: 0, cleanStart: false, sessionExpirySec: 3_600, keepAliveSec: 0, ...more },
  };
}

export function publish(
  client: string,
  value: string,
  beginMs: number,
  endMs: number,
  more: Without<PublishOperation, 'kind'> = {},
): PublishOperation {
  return {
    ...{ kind: 'publish', client, node: 'n1', beginMs, endMs, topic: 't', value, qos: 1, retain: false, outcome: 'ok' },
    ...more,
  };
}

export function subscribe(
  client: string,
  beginMs: number,
  endMs: number,
  more: Without<SubscribeOperation, 'kind'> = {},
): SubscribeOperation {
  return { kind: 'subscribe', client, node: 'n2', beginMs, endMs, filter: 't', qos: 2, outcome: 'ok', ...more };
}

export function deliver(
  client: string,
  value: string,
  atMs: number,
  more: Without<DeliverOperation, 'kind'> = {},
): DeliverOperation {
  return {
    ...{ kind: 'deliver', client, clientId: client, node: 'n2', beginMs: atMs, endMs: atMs, topic: 't', value, qos: 1 },
    ...{ retain: false, dup: false, packetId: 1, first: true, ...more },
  };
}

export function close(
  client: string,
  beginMs: number,
  endMs: number,
  more: Without<CloseOperation, 'kind'> = {},
): CloseOperation {
  return { kind: 'close', client, clientId: client, node: 'n1', beginMs, endMs, how: 'cut', reasonCode: -1, ...more };
}

export function fault(
  number: number,
  name: string,
  beginMs: number,
  endMs: number | null,
  nodes: readonly string[],
): NemesisEvent[] {
  const common = { kind: 'nemesis', fault: number, name, detail: nodes.join(', '), nodes } as const;
  const begin = { ...common, atMs: beginMs, phase: 'begin' } as const;
  return endMs === null ? [begin] : [begin, { ...common, atMs: endMs, phase: 'end' }];
}

type Check = (history: ReturnType<typeof historyOf>) => CheckResult;

/** The kinds of what a checker finds, each once, in order. */
export function kindsOf(check: Check, events: readonly HistoryEvent[]): string[] {
  return [...new Set(check(historyOf(events)).anomalies.map(({ kind }) => kind))].sort();
}

/** Demands these kinds of anomalies and no others, each with operations of the history that prove it. */
export function finds(check: Check, events: readonly HistoryEvent[], ...kinds: string[]): void {
  const { anomalies, verdict } = check(historyOf(events));
  const told = anomalies.map(({ kind, sentence }) => `${kind}: ${sentence}`).join('\n');
  assert.equal([...new Set(anomalies.map(({ kind }) => kind))].sort(), [...kinds].sort(), told);
  assert.is(verdict, kinds.length === 0 ? 'ok' : 'anomalies');
  for (const { proof, kind } of anomalies) {
    if (kind === 'majority does not serve') continue;
    assert.ok(proof.length > 0, `${kind} has no proof`);
    for (const operation of proof) assert.ok(events.includes(operation), `${kind}: its proof is not of the history`);
  }
}
