import { topicMatches } from '@quorate/protocol';
import type { Client } from './connection/client.ts';
import type { Deliverers } from './deliverers.ts';
import { Message } from './state/index.ts';

/** The widely known `$SYS` topics of mosquitto, for this node, and a few for the cluster. */
export class SysTopics {
  readonly #broker: Deliverers;
  readonly #version: string;

  constructor(broker: Deliverers, version: string) {
    this.#broker = broker;
    this.#version = version;
  }

  #values(): [topic: string, value: string | number][] {
    const { counters, connectionCount, machine, nodeId, uptimeMs, leader } = this.#broker;
    const { state } = machine;
    const total = (byQoS: readonly number[]): number => byQoS.reduce((sum, count) => sum + count, 0);
    return [
      ['$SYS/broker/version', `quorate ${this.#version}`],
      ['$SYS/broker/uptime', `${Math.floor(uptimeMs / 1000)} seconds`],
      ['$SYS/broker/node', nodeId],
      ['$SYS/broker/clients/connected', connectionCount],
      ['$SYS/broker/clients/total', state.sessions.size],
      ['$SYS/broker/messages/received', total(counters.received)],
      ['$SYS/broker/messages/sent', total(counters.sent)],
      ['$SYS/broker/retained messages/count', state.retained.size],
      ['$SYS/broker/subscriptions/count', state.subscriptions.size],
      ['$SYS/cluster/id', state.clusterId ?? ''],
      ['$SYS/cluster/leader', leader ?? ''],
      ['$SYS/cluster/nodes', [...state.nodes.keys()].sort().join(',')],
    ];
  }

  /** A client has just subscribed: it gets what stands, as with retained messages. */
  subscribed(client: Client, filters: readonly string[]): void {
    const wanted = filters.filter((filter) => filter.startsWith('$SYS/'));
    if (wanted.length === 0) return;
    for (const [topic, value] of this.#values()) {
      if (!wanted.some((filter) => topicMatches(filter, topic))) continue;
      client.outgoing?.deliver(messageOf(topic, value), 0, true, null);
    }
  }

  /** To the clients of this node that subscribed. */
  publish(): void {
    const { machine, nodeId, connections } = this.#broker;
    for (const [topic, value] of this.#values()) {
      const message = messageOf(topic, value);
      for (const target of machine.state.subscriptions.match(topic)) {
        if (target.session.owner !== nodeId) continue;
        connections.get(target.session.epoch)?.outgoing?.deliver(message, 0, false, target.subscriptionIdentifiers);
      }
    }
  }
}

function messageOf(topic: string, value: string | number): Message {
  return new Message(0, topic, 0, false, null, Number.POSITIVE_INFINITY, Buffer.from(String(value)));
}
