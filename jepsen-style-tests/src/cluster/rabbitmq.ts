import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type FixedBroker, FixedCluster, type FixedOptions, type FixedPlace } from './fixed.ts';

const PORTS = { mqtt: 1_883, amqp: 5_672, distribution: 25_672 };
/** The command in the path of Debian changes the user; the script behind it does not. */
const SCRIPT = '/usr/lib/rabbitmq/bin/rabbitmq-server';
const BOOT_MS = 120_000;
const COOKIE = 'PARTITIONTESTS';

function nodeName(place: FixedPlace): string {
  return `rabbit@${place.address}`;
}

function settings(place: FixedPlace, all: readonly FixedPlace[]): string {
  return [
    `listeners.tcp.default = ${place.address}:${String(PORTS.amqp)}`,
    `mqtt.listeners.tcp.default = ${place.address}:${String(PORTS.mqtt)}`,
    // Anonymous clients count as its user guest, who is else only let in over loopback.
    'mqtt.allow_anonymous = true',
    'loopback_users.guest = false',
    'mqtt.prefetch = 1000',
    'mqtt.durable_queue_type = quorum',
    'log.file.level = warning',
    // What its documentation advises for clusters that must not diverge.
    'cluster_partition_handling = pause_minority',
    ...(all.length > 1
      ? [
          'cluster_formation.peer_discovery_backend = classic_config',
          ...all.map((each, at) => `cluster_formation.classic_config.nodes.${String(at + 1)} = ${nodeName(each)}`),
        ]
      : []),
    '',
  ].join('\n');
}

function configure(place: FixedPlace, all: readonly FixedPlace[]): ReturnType<FixedBroker['configure']> {
  const { folder, dataDir, address } = place;
  const home = join(folder, 'home');
  const file = (name: string): string => join(folder, name);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, '.erlang.cookie'), COOKIE);
  chmodSync(join(home, '.erlang.cookie'), 0o400);
  writeFileSync(file('rabbitmq.conf'), settings(place, all));
  writeFileSync(file('plugins'), '[rabbitmq_mqtt].\n');
  const interface_ = `{${address.replaceAll('.', ',')}}`;
  const environment = {
    HOME: home,
    LANG: 'C.UTF-8',
    RABBITMQ_NODENAME: nodeName(place),
    // An address is a long name.
    RABBITMQ_USE_LONGNAME: 'true',
    RABBITMQ_NODE_IP_ADDRESS: address,
    RABBITMQ_NODE_PORT: String(PORTS.amqp),
    RABBITMQ_DIST_PORT: String(PORTS.distribution),
    RABBITMQ_MNESIA_BASE: join(dataDir, 'mnesia'),
    RABBITMQ_LOG_BASE: file('logs'),
    RABBITMQ_CONFIG_FILE: file('rabbitmq.conf'),
    RABBITMQ_ENABLED_PLUGINS_FILE: file('plugins'),
    RABBITMQ_PID_FILE: file('pid'),
    RABBITMQ_CONF_ENV_FILE: file('none'),
    RABBITMQ_ADVANCED_CONFIG_FILE: file('none.config'),
    RABBITMQ_FEATURE_FLAGS_FILE: join(dataDir, 'feature_flags'),
    RABBITMQ_PLUGINS_EXPAND_DIR: file('expand'),
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: `+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface ${interface_}`,
  };
  return { command: [existsSync(SCRIPT) ? SCRIPT : 'rabbitmq-server'], environment };
}

const BROKER: FixedBroker = {
  description: 'RabbitMQ with its MQTT plugin, quorum queues, pause_minority',
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
  // Those that boot together can each found a cluster, or leave the client-id group of the MQTT plugin one member short.
  oneByOneMs: BOOT_MS,
  configure,
};

/** A cluster of RabbitMQ nodes. Each queue has a leader of its own, so it has none that a fault could aim at. */
export function rabbitmq(options: FixedOptions): FixedCluster {
  return new FixedCluster(BROKER, options);
}
