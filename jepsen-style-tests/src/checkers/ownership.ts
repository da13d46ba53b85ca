import type { DeliverOperation, Operation, SubscribeOperation } from '../history/operation.ts';
import { at, type Checker, Findings } from './checker.ts';
import { byClient, type Connection, closedAtMs, connectionsOf, matches, publicationsOf } from './timeline.ts';

/** A connection, and the first CONNACK to a younger one of the same client id. */
interface Owner extends Connection {
  /** Its own operations, by begin; those that ended on it are found by their end. */
  readonly all: readonly Operation[];
  readonly successor: Connection | null;
}

/** All connections of one client id. Younger is what began to connect when the other had its CONNACK. */
function ownersOf(clients: readonly (readonly Operation[])[]): Owner[] {
  const lists = clients.map((all) => connectionsOf(all).map((connection) => ({ ...connection, all })));
  const connections = lists.flat().sort((a, b) => a.connect.beginMs - b.connect.beginMs);
  /** Of this connection and all that began later, the one that was answered first. */
  const firstFrom: Connection[] = [];
  for (let place = connections.length - 1; place >= 0; place--) {
    const here = connections[place] as Connection;
    const later = firstFrom[place + 1];
    firstFrom[place] = later !== undefined && later.connect.endMs < here.connect.endMs ? later : here;
  }
  return connections.map((connection) => {
    const younger = connections.findIndex(({ connect }) => connect.beginMs > connection.connect.endMs);
    return { ...connection, successor: younger < 0 ? null : (firstFrom[younger] as Connection) };
  });
}

/** What a connection was told although a younger one had been accepted before that was even asked. */
function checkSuccession(findings: Findings, owner: Owner, beginOf: ReadonlyMap<string, Operation>): void {
  const { connect, successor } = owner;
  if (successor === null) return;
  const sinceMs = successor.connect.endMs;
  const untilMs = closedAtMs(owner);
  if (untilMs < sinceMs) return;
  findings.figure('connections that outlived their ownership', 1);
  const who = `${connect.client}, connected to ${connect.node} as ${connect.clientId} since ${at(connect.endMs)},`;
  const though = `though ${successor.connect.client} was accepted under this client id by ${successor.connect.node} at ${at(sinceMs)}`;
  for (const operation of owner.all) {
    if (operation.endMs < sinceMs || operation.endMs < connect.endMs || operation.beginMs > untilMs) continue;
    if (operation.kind === 'deliver') {
      const publish = beginOf.get(operation.value);
      if (publish === undefined || publish.beginMs <= sinceMs) continue;
      const sentence = `${who} was delivered ${operation.value}, published at ${at(publish.beginMs)}, ${though}`;
      findings.add('two owners', 'P2', sentence, [connect, successor.connect, publish, operation]);
    } else if ('outcome' in operation && operation.kind !== 'connect') {
      if (operation.outcome !== 'ok' || operation.beginMs <= sinceMs || operation.endMs > untilMs) continue;
      const sentence = `${who} had a ${operation.kind} of ${at(operation.beginMs)} acknowledged, ${though}`;
      findings.add('two owners', 'P2', sentence, [connect, successor.connect, operation]);
    }
  }
}

/** One session: each accepted connection after the first finds it. */
function checkSession(findings: Findings, owners: readonly Owner[]): void {
  let first: Owner | null = null;
  for (const owner of owners) {
    if (first === null || owner.connect.endMs < first.connect.endMs) first = owner;
  }
  for (const { connect } of owners) {
    if (first === null || connect.cleanStart || connect.sessionPresent || connect.beginMs <= first.connect.endMs)
      continue;
    const sentence =
      `${connect.node} gave ${connect.client} a new session for ${connect.clientId} at ${at(connect.endMs)}, ` +
      `though there was one since ${at(first.connect.endMs)}`;
    findings.add('forked session', 'P2', sentence, [first.connect, connect]);
  }
}

/** Two deliveries of a QoS 2 message are one if the second may repeat the first: the same Packet Identifier, and DUP. */
function checkTwice(findings: Findings, deliveries: readonly DeliverOperation[]): void {
  const byValue = new Map<string, DeliverOperation[]>();
  for (const delivery of deliveries) {
    if (delivery.qos !== 2) continue;
    const list = byValue.get(delivery.value);
    if (list === undefined) byValue.set(delivery.value, [delivery]);
    else list.push(delivery);
  }
  for (const [value, list] of byValue) {
    const ids = new Set(list.map(({ packetId }) => packetId));
    if (ids.size === 1 && list.filter(({ dup }) => !dup).length <= 1) continue;
    const why = ids.size > 1 ? `under the Packet Identifiers ${[...ids].join(', ')}` : 'more than once without DUP';
    findings.add(
      'delivered twice',
      'P4',
      `the owners of one session were sent the QoS 2 message ${value} ${why}`,
      list,
    );
  }
}

function checkLost(
  findings: Findings,
  owners: readonly Owner[],
  deliveries: readonly DeliverOperation[],
  all: readonly Operation[],
): void {
  const subacks = owners
    .flatMap(({ operations }) => operations)
    .filter((operation): operation is SubscribeOperation => operation.kind === 'subscribe')
    .filter(({ outcome }) => outcome === 'ok')
    .sort((a, b) => a.endMs - b.endMs);
  const got = new Set(deliveries.map(({ value }) => value));
  for (const publish of all) {
    if (publish.kind !== 'publish' || publish.outcome !== 'ok') continue;
    const suback = subacks.find(({ filter }) => matches(filter, publish.topic));
    if (suback === undefined || publish.beginMs <= suback.endMs) continue;
    findings.figure('messages to contended sessions', 1);
    if (got.has(publish.value)) continue;
    const sentence =
      `${publish.value} was acknowledged by ${publish.node} at ${at(publish.endMs)} and reached none of the owners of ` +
      `a session that was subscribed since ${at(suback.endMs)}`;
    findings.add('lost', 'P2', sentence, [suback, publish]);
  }
}

/** One client id used by many: never two live owners, one session, and each message for it once. */
export const checkOwnership: Checker = ({ operations }) => {
  const findings = new Findings('ownership');
  const published = publicationsOf(operations);
  const groups = new Map<string, (readonly Operation[])[]>();
  for (const list of byClient(operations).values()) {
    const connect = list.find((operation) => operation.kind === 'connect');
    if (connect === undefined) continue;
    groups.set(connect.clientId, [...(groups.get(connect.clientId) ?? []), list]);
  }
  for (const clients of groups.values()) {
    if (clients.length < 2) continue;
    const owners = ownersOf(clients);
    findings.figure('connections', owners.length);
    for (const owner of owners) checkSuccession(findings, owner, published);
    checkSession(findings, owners);
    const deliveries = clients.flat().filter((operation) => operation.kind === 'deliver');
    findings.figure('deliveries', deliveries.length);
    checkTwice(findings, deliveries);
    checkLost(findings, owners, deliveries, operations);
  }
  return findings.result();
};
