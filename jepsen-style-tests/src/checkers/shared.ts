import type { DeliverOperation, Operation } from '../history/operation.ts';
import { at, type Checker, Findings } from './checker.ts';
import { follow, reportLost } from './subscriptions.ts';
import { byClient, matches, publicationsOf } from './timeline.ts';

interface Group {
  readonly members: Set<string>;
  /** The first SUBACK of a member that keeps its session, by filter: others may be gone when a message comes. */
  readonly since: Map<string, Operation>;
  readonly deliveries: DeliverOperation[];
}

/** `$share/name/...` gives name. */
function groupNameOf(filter: string): string | null {
  const [share, name] = filter.split('/');
  return share === '$share' && name !== undefined ? name : null;
}

function groupsOf(operations: readonly Operation[], findings: Findings): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const [client, list] of byClient(operations)) {
    const { subscriber, lost } = follow(list);
    reportLost(findings, lost);
    for (const [filter, suback] of subscriber.since) {
      const name = groupNameOf(filter);
      if (name === null) continue;
      const group: Group = groups.get(name) ?? { members: new Set(), since: new Map(), deliveries: [] };
      groups.set(name, group);
      const before = group.since.get(filter);
      if (subscriber.keepsSession && (before === undefined || suback.endMs < before.endMs)) {
        group.since.set(filter, suback);
      }
      if (group.members.has(client)) continue;
      group.members.add(client);
      // Not one by one as arguments: a list may be longer than a stack is deep.
      for (const delivery of subscriber.deliveries) group.deliveries.push(delivery);
    }
  }
  return groups;
}

function checkGroup(findings: Findings, name: string, group: Group, operations: readonly Operation[]): void {
  const published = publicationsOf(operations);
  const got = new Map<string, DeliverOperation[]>();
  for (const delivery of group.deliveries) {
    if (!delivery.first) continue;
    findings.figure('deliveries', 1);
    if (!published.has(delivery.value)) {
      findings.add('phantom', 'P1', `${delivery.client} received ${delivery.value}, which nobody published`, [
        delivery,
      ]);
    }
    const list = got.get(delivery.value);
    if (list === undefined) got.set(delivery.value, [delivery]);
    else list.push(delivery);
  }
  for (const publish of published.values()) {
    const deliveries = got.get(publish.value) ?? [];
    const fresh = deliveries.filter(({ qos }) => qos === 2);
    if (publish.qos === 2 && fresh.length > 1) {
      const who = fresh.map(({ client, endMs }) => `${client} at ${at(endMs)}`).join(', ');
      findings.add('delivered twice', 'P4', `the group ${name} was given ${publish.value} more than once: ${who}`, [
        publish,
        ...fresh,
      ]);
    }
    if (publish.outcome !== 'ok' || deliveries.length > 0) continue;
    const suback = [...group.since].find(
      ([filter, { endMs }]) => matches(filter, publish.topic) && endMs < publish.beginMs,
    )?.[1];
    if (suback === undefined) continue;
    const sentence =
      `${publish.value} was acknowledged by ${publish.node} at ${at(publish.endMs)} and reached no member of the group ` +
      `${name}, subscribed since ${at(suback.endMs)}`;
    findings.add('stranded', publish.qos === 2 ? 'P4' : 'P1', sentence, [suback, publish]);
  }
}

/** Each message to a shared subscription reaches a member, and a QoS 2 message exactly one. */
export const checkShared: Checker = ({ operations }) => {
  const findings = new Findings('shared subscriptions');
  for (const [name, group] of groupsOf(operations, findings)) {
    findings.figure('groups', 1);
    checkGroup(findings, name, group, operations);
  }
  return findings.result();
};
