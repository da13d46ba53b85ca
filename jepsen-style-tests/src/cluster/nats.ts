import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FixedBroker, FixedCluster, type FixedOptions, type FixedPlace } from './fixed.ts';
import { field, getJson } from './http.ts';

const PORTS = { mqtt: 1_883, clients: 4_222, http: 8_222, routes: 6_222 };
/** The stream that QoS 1 messages are kept in. */
const MESSAGES = '$MQTT_msgs';

function config({ id, address, dataDir }: FixedPlace, all: readonly FixedPlace[]): string {
  const replicas =
    all.length > 1 ? `, stream_replicas: ${String(all.length)}, consumer_replicas: ${String(all.length)}` : '';
  const routes = all.map((each) => `"nats-route://${each.address}:${String(PORTS.routes)}"`).join(', ');
  return [
    `server_name: ${id}`,
    `listen: ${address}:${String(PORTS.clients)}`,
    `http: ${address}:${String(PORTS.http)}`,
    `jetstream { store_dir: ${JSON.stringify(dataDir)} }`,
    `mqtt { listen: ${address}:${String(PORTS.mqtt)}, max_ack_pending: 1000${replicas} }`,
    ...(all.length > 1
      ? [`cluster { name: partitions, listen: ${address}:${String(PORTS.routes)}, routes: [${routes}] }`]
      : []),
    '',
  ].join('\n');
}

/** The leader of the stream of messages, or while there is none that of JetStream. */
function leaderIn(body: unknown): string | null {
  for (const account of listIn(body, 'account_details')) {
    for (const stream of listIn(account, 'stream_detail')) {
      const leader = field(field(stream, 'cluster'), 'leader');
      if (field(stream, 'name') === MESSAGES && typeof leader === 'string' && leader !== '') return leader;
    }
  }
  const leader = field(field(body, 'meta_cluster'), 'leader');
  return typeof leader === 'string' && leader !== '' ? leader : null;
}

function listIn(value: unknown, name: string): readonly unknown[] {
  const list = field(value, name);
  return Array.isArray(list) ? (list as unknown[]) : [];
}

const BROKER: FixedBroker = {
  description: 'NATS with JetStream and MQTT, streams and consumers on all nodes',
  features: {
    qos2: false,
    retained: true,
    sessionsOnAnyNode: true,
    sharedSubscriptions: false,
    wills: true,
    messageExpiry: false,
    membership: false,
    leadershipTransfer: false,
  },
  mqttPort: PORTS.mqtt,
  oneByOneMs: 0,
  configure: (place, all) => {
    const file = join(place.folder, 'nats.conf');
    writeFileSync(file, config(place, all));
    return { command: ['nats-server', '-c', file] };
  },
  leader: async (all) => {
    const asked = all.map((each) =>
      getJson(`http://${each.address}:${String(PORTS.http)}/jsz?accounts=true&streams=true`),
    );
    const votes = new Map<string, number>();
    for (const answer of await Promise.all(asked)) {
      const leader = answer === null ? null : leaderIn(answer.body);
      if (leader !== null) votes.set(leader, (votes.get(leader) ?? 0) + 1);
    }
    // NATS does not tell its term.
    for (const [id, count] of votes) if (count * 2 > all.length) return { id, term: 0 };
    return null;
  },
};

/** A cluster of NATS servers. */
export function nats(options: FixedOptions): FixedCluster {
  return new FixedCluster(BROKER, options);
}
