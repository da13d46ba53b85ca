import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError, type ConfigSources, configWarnings, formatAddress, loadConfig } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('config: load');

const CLUSTER = 'n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003';
const FLAGS = { 'node-id': 'n1', 'data-dir': 'data', cluster: CLUSTER };

let directory = '';
test.before(() => {
  directory = mkdtempSync(join(tmpdir(), 'quorate-config-'));
});
test.after(() => {
  rmSync(directory, { recursive: true });
});

function file(content: string): string {
  const path = join(directory, 'quorate.yaml');
  writeFileSync(path, content);
  return path;
}

function refusal(sources: ConfigSources): ConfigError {
  try {
    loadConfig(sources);
  } catch (error) {
    assert.instance(error, ConfigError);
    return error as ConfigError;
  }
  throw new Error('the configuration was accepted');
}

function refused(sources: ConfigSources, code: string, key: string, message: string): void {
  const error = refusal(sources);
  assert.is(error.message, message);
  assert.is(error.code, code);
  assert.is(error.key, key);
}

test('fills in defaults and derives the peer and advertised addresses', () => {
  const config = loadConfig({ flags: FLAGS });
  assert.is(config.nodeId, 'n1');
  assert.is(config.dataDir, resolve('data'));
  assert.equal(config.peer, { host: '127.0.0.1', port: 7001 });
  assert.equal(config.advertise, { mqtt: config.mqtt, http: config.http, peer: config.peer });
  assert.is(config.raft.electionTimeoutMs, 600);
  assert.is(config.limits.maxPacketSizeBytes, 1_048_576);
  assert.is(config.log.pretty, 'auto');
  assert.equal([...config.cluster.keys()], ['n1', 'n2', 'n3']);
});

test('flags beat environment beats file beats defaults', () => {
  const path = file('mqtt: 127.0.0.1:1\nhttp: 127.0.0.1:2\nlimits:\n  maxConnections: 3\n  maxTopicLevels: 7\n');
  const env = { QUORATE_HTTP: '127.0.0.1:12', QUORATE_MQTT: '127.0.0.1:11', QUORATE_LIMITS__MAX_CONNECTIONS: '13' };
  const config = loadConfig({ flags: { ...FLAGS, mqtt: '127.0.0.1:21' }, env, file: path });
  assert.is(config.mqtt.port, 21);
  assert.is(config.http.port, 12);
  assert.is(config.limits.maxConnections, 13);
  assert.is(config.limits.maxTopicLevels, 7);
  assert.is(config.limits.receiveMaximum, 1_024);
});

test('reads everything from a file, named by the environment', () => {
  const path = file(
    `nodeId: "2"\ndataDir: ${directory}\ncluster:\n  "1": "[::1]:1"\n  "2": "[::1]:2"\n  "3": "[::1]:3"\nlog:\n  pretty: true\nlimits:\n`,
  );
  const config = loadConfig({ env: { QUORATE_CONFIG: path, PATH: '/bin' } });
  assert.is(config.nodeId, '2');
  assert.is(formatAddress(config.peer), '[::1]:2');
  assert.is(config.log.pretty, true);
});

test('ignores what Kubernetes and the tests set below the prefix', () => {
  const env = {
    QUORATE_SERVICE_HOST: '10.0.0.1',
    QUORATE_SERVICE_PORT_MQTT: '1883',
    QUORATE_PORT: 'tcp://10.0.0.1:1883',
    QUORATE_HTTP_PORT_18083_TCP_ADDR: '10.0.0.1',
    QUORATE_TEST_SEED: '1',
  };
  assert.is(loadConfig({ flags: FLAGS, env }).mqtt.port, 1883);
});

test('refuses unknown keys and says which one was probably meant', () => {
  refused(
    { flags: { ...FLAGS, 'nod-id': 'x' } },
    'UNKNOWN_KEY',
    'nod-id',
    'unknown key nod-id (flag) with value "x": did you mean node-id?',
  );
  refused(
    { flags: FLAGS, env: { QUORATE_LIMITS_MAX_CONNECTIONS: '1' } },
    'UNKNOWN_KEY',
    'QUORATE_LIMITS_MAX_CONNECTIONS',
    'unknown key QUORATE_LIMITS_MAX_CONNECTIONS (environment) with value "1": did you mean QUORATE_LIMITS__MAX_CONNECTIONS?',
  );
  const path = file('limits:\n  maxConections: 5\n');
  refused(
    { flags: FLAGS, file: path },
    'UNKNOWN_KEY',
    'limits.maxConections',
    `unknown key limits.maxConections (${path}) with value 5: did you mean limits.maxConnections?`,
  );
  refused(
    { flags: FLAGS, values: { log: { colour: true } } },
    'UNKNOWN_KEY',
    'log.colour',
    'unknown key log.colour (values) with value true: expected one of log.level, log.pretty',
  );
  const inherited = refusal({ flags: FLAGS, values: { toString: 1 } });
  assert.is(inherited.code, 'UNKNOWN_KEY');
  assert.match(inherited.message, /^unknown key toString \(values\) with value 1: expected one of nodeId, dataDir, /);
});

test('refuses bad values with key, value, origin and what is expected', () => {
  refused(
    { flags: { ...FLAGS, mqtt: '1883' } },
    'BAD_VALUE',
    'mqtt',
    'mqtt is "1883" (flag --mqtt): expected HOST:PORT, for example 127.0.0.1:1883 or [::1]:1883',
  );
  refused(
    { flags: FLAGS, env: { QUORATE_LIMITS__MAX_PACKET_SIZE_BYTES: '1e9' } },
    'BAD_VALUE',
    'limits.maxPacketSizeBytes',
    'limits.maxPacketSizeBytes is "1e9" (environment QUORATE_LIMITS__MAX_PACKET_SIZE_BYTES): expected an integer from 1024 to 33554432',
  );
  const cases: readonly (readonly [unknown, string, string])[] = [
    [
      { raft: { electionTimeoutMs: 99 } },
      'raft.electionTimeoutMs',
      'is 99 (values): expected an integer from 100 to 60000',
    ],
    [
      { raft: { electionTimeoutMs: '600' } },
      'raft.electionTimeoutMs',
      'is "600" (values): expected an integer from 100 to 60000',
    ],
    [{ raft: { slowWriteMs: 1.5 } }, 'raft.slowWriteMs', 'is 1.5 (values): expected an integer from 1 to 60000'],
    [{ allowAnonymous: 'yes' }, 'allowAnonymous', 'is "yes" (values): expected true or false'],
    [
      { log: { level: 'loud' } },
      'log.level',
      'is "loud" (values): expected one of trace, debug, info, warn, error, fatal',
    ],
    [{ sysIntervalSec: null }, 'sysIntervalSec', 'is empty (values): expected an integer from 0 to 86400'],
    [{ limits: 5 }, 'limits', 'is 5 (values): expected a map of maxPacketSizeBytes, maxConnections'],
  ];
  for (const [values, key, message] of cases) {
    const error = refusal({ flags: FLAGS, values });
    assert.is(error.code, 'BAD_VALUE');
    assert.is(error.key, key);
    assert.ok(error.message.startsWith(`${key} ${message}`), error.message);
  }
});

test('refuses bad cluster maps', () => {
  for (const cluster of [
    '',
    'n1',
    'n1=a',
    'n1=a:1,n1=b:1',
    'n1=a:1,',
    '=a:1',
    'n 1=a:1',
    'n1=a:0',
    'n1=a:65536',
    'n1=1.2.3.256:1',
  ]) {
    assert.is(refusal({ flags: { ...FLAGS, cluster } }).code, 'BAD_VALUE', cluster);
  }
  assert.is(refusal({ flags: { 'node-id': 'n1', 'data-dir': 'd' }, values: { cluster: ['n1'] } }).code, 'BAD_VALUE');
});

test('names missing keys and where they can be given', () => {
  const error = refusal({ flags: { 'node-id': 'n1', cluster: CLUSTER } });
  assert.is(error.code, 'MISSING_KEY');
  assert.is(
    error.message,
    'dataDir is missing: expected the path of a directory (flag --data-dir, environment QUORATE_DATA_DIR or the config file)',
  );
});

test('refuses a file that is not there, not YAML, or not a map', () => {
  const missing = join(directory, 'nowhere.yaml');
  refused(
    { flags: FLAGS, file: missing },
    'FILE_UNREADABLE',
    missing,
    `configuration file ${missing} cannot be read (ENOENT): expected a YAML file`,
  );
  const path = file('mqtt: [1\n');
  assert.match(
    refusal({ flags: FLAGS, file: path }).message,
    /^configuration file \S+ is not valid YAML: .* at line \d+, column \d+$/,
  );
  assert.is(refusal({ flags: FLAGS, file: file('nodeId: a\nnodeId: b\n') }).code, 'FILE_INVALID');
  assert.is(refusal({ flags: FLAGS, file: file('- a\n') }).code, 'FILE_INVALID');
  assert.is(loadConfig({ flags: FLAGS, file: file('') }).nodeId, 'n1');
});

test('refuses values that do not fit together', () => {
  const cases: readonly (readonly [Record<string, string>, unknown, string])[] = [
    [
      { peer: '127.0.0.1:7002' },
      {},
      'peer is 127.0.0.1:7002, but cluster has n1=127.0.0.1:7001: expected the same (a node that has moved stands there with its new address), a wildcard with that port, or advertise.peer: 127.0.0.1:7001',
    ],
    [
      {},
      { advertise: { peer: '127.0.0.1:1' } },
      'advertise.peer is 127.0.0.1:1, but cluster has n1=127.0.0.1:7001: expected the same',
    ],
    [{ http: '127.0.0.1:1883' }, {}, 'http is 127.0.0.1:1883 and mqtt is 127.0.0.1:1883: expected different ports'],
    [
      {},
      { raft: { heartbeatIntervalMs: 300 } },
      'raft.electionTimeoutMs is 600: expected more than twice raft.heartbeatIntervalMs (600)',
    ],
    [
      {},
      { serving: { leaseMs: 200 } },
      'serving.leaseMs is 200: expected more than twice raft.heartbeatIntervalMs (200)',
    ],
    [
      {},
      { raft: { tickIntervalMs: 101 } },
      'raft.tickIntervalMs is 101: expected at most raft.heartbeatIntervalMs (100)',
    ],
    [
      {},
      { raft: { maxAppendBytes: 33_554_432 } },
      'raft.maxAppendBytes is 33554432: expected at most raft.maxInflightBytes (16777216)',
    ],
    [
      {},
      { limits: { maxPacketSizeBytes: 33_554_432 }, raft: { maxUncommittedBytes: 33_554_432 } },
      'limits.maxPacketSizeBytes is 33554432: expected less than raft.maxUncommittedBytes (33554432)',
    ],
    [
      {},
      { disk: { criticalBytes: 536_870_912 } },
      'disk.criticalBytes is 536870912: expected less than disk.lowBytes (536870912)',
    ],
    [
      { cluster: 'n1=127.0.0.1:1,n2=127.0.0.1:1' },
      {},
      'cluster has 127.0.0.1:1 for both n1 and n2: expected one address each',
    ],
  ];
  for (const [flags, values, message] of cases) {
    const error = refusal({ flags: { ...FLAGS, ...flags }, values });
    assert.is(error.message, message);
    assert.is(error.code, 'CONFLICT');
  }
  const eight = Array.from({ length: 8 }, (_, at) => `n${String(at + 1)}=127.0.0.1:${String(at + 1)}`).join(',');
  assert.is(
    refusal({ flags: { ...FLAGS, cluster: eight } }).message,
    'cluster has 8 members: expected at most 7, best 3 or 5',
  );
});

test('refuses listeners beyond loopback until each is waived by its key', () => {
  const flags = { ...FLAGS, cluster: 'n1=10.0.0.1:7001,n2=10.0.0.2:7001,n3=10.0.0.3:7001' };
  const open = { ...flags, mqtt: '0.0.0.0:1883', http: '[::]:18083', peer: '0.0.0.0:7001' };
  const tail = (waiver: string, meaning: string) =>
    `not a loopback address: expected ${waiver}: true in the config file, which ${meaning}`;
  refused(
    { flags: open },
    'INSECURE',
    'allowAnonymous',
    `mqtt is 0.0.0.0:1883, ${tail(
      'authentication with methods that ask for a proof, or allowAnonymous',
      'lets MQTT clients in without credentials',
    )}`,
  );
  refused(
    { flags: open, values: { allowAnonymous: true } },
    'INSECURE',
    'insecureHttp',
    `http is [::]:18083, ${tail('insecureHttp', 'serves the HTTP API without authentication')}`,
  );
  refused(
    { flags: open, values: { allowAnonymous: true, insecureHttp: true } },
    'INSECURE',
    'insecurePeers',
    `peer is 0.0.0.0:7001, ${tail('insecurePeers', 'talks to peers without TLS or secret')}`,
  );
  const config = loadConfig({ flags: open, values: { allowAnonymous: true, insecureHttp: true, insecurePeers: true } });
  // A wildcard is no address to send anybody to.
  assert.is(formatAddress(config.advertise.mqtt), '10.0.0.1:1883');
  assert.is(formatAddress(config.advertise.http), '10.0.0.1:18083');
  assert.is(formatAddress(config.advertise.peer), '10.0.0.1:7001');
});

test('a listener on an inner address needs advertise.peer to differ from its cluster entry', () => {
  const flags = {
    ...FLAGS,
    cluster: 'n1=node1.example:7001,n2=node2.example:7001,n3=node3.example:7001',
    peer: '127.0.0.1:9001',
  };
  assert.is(refusal({ flags }).key, 'peer');
  const config = loadConfig({ flags, values: { advertise: { peer: 'node1.example:7001' } } });
  assert.is(formatAddress(config.peer), '127.0.0.1:9001');
  assert.is(formatAddress(config.advertise.peer), 'node1.example:7001');
});

test('a node that is not in cluster waits to be joined where --peer says', () => {
  const flags = { ...FLAGS, 'node-id': 'n9', peer: '10.0.0.9:7001' };
  const values = { insecurePeers: true };
  const config = loadConfig({ flags, values });
  assert.is(formatAddress(config.peer), '10.0.0.9:7001');
  assert.is(formatAddress(config.advertise.peer), '10.0.0.9:7001');
  assert.equal([...config.cluster.keys()], ['n1', 'n2', 'n3']);
  assert.equal(configWarnings(config), [
    'nodeId is n9, not in cluster (n1, n2, n3): it founds no cluster; unless it is a member already it waits for `quorate join n9=10.0.0.9:7001`',
  ]);
  // In the place of a dead node, under a name of its own.
  assert.is(loadConfig({ flags: { ...flags, peer: '127.0.0.1:7003' } }).peer.port, 7003);
});

test('a node that is not in cluster says where it is to be dialled', () => {
  const flags = { ...FLAGS, 'node-id': 'n9' };
  refused(
    { flags },
    'MISSING_KEY',
    'peer',
    'peer is missing: nodeId is n9, not in cluster, so it waits to be joined: expected HOST:PORT where it listens for the others (flag --peer), or one of n1, n2, n3 for nodeId',
  );
  const open = { ...flags, peer: '0.0.0.0:7001', mqtt: '0.0.0.0:1883' };
  const waivers = { insecurePeers: true, allowAnonymous: true };
  const expected = 'nodeId n9 is not in cluster: expected advertise.peer with an address that the other nodes can';
  refused({ flags: open, values: waivers }, 'CONFLICT', 'peer', `peer is 0.0.0.0:7001 and ${expected} connect to`);
  const wildcard = { ...waivers, advertise: { peer: '[::]:7001' } };
  refused(
    { flags: open, values: wildcard },
    'CONFLICT',
    'advertise.peer',
    `advertise.peer is [::]:7001 and ${expected} connect to`,
  );
  const config = loadConfig({ flags: open, values: { ...waivers, advertise: { peer: 'node9.example:9' } } });
  assert.is(formatAddress(config.peer), '0.0.0.0:7001');
  assert.is(formatAddress(config.advertise.peer), 'node9.example:9');
  assert.is(formatAddress(config.advertise.mqtt), 'node9.example:1883');
});

test('the keys of the disk and of compaction have their defaults and names', () => {
  const { disk, checkpoint } = loadConfig({ flags: FLAGS, env: { QUORATE_DISK__LOW_BYTES: '1073741824' } });
  assert.equal(disk, {
    lowBytes: 1_073_741_824,
    criticalBytes: 67_108_864,
    ballastBytes: 67_108_864,
    checkIntervalMs: 1_000,
  });
  assert.is(loadConfig({ flags: FLAGS }).disk.lowBytes, 536_870_912);
  assert.is(checkpoint.compactEntries, 4_096);
  assert.is(checkpoint.keepLogBytes, 67_108_864);
});

test('warns of clusters that do not do what they seem to', () => {
  const warningsOf = (cluster: string): string[] => configWarnings(loadConfig({ flags: { ...FLAGS, cluster } }));
  assert.equal(warningsOf(CLUSTER), []);
  assert.match(warningsOf('n1=127.0.0.1:7001')[0] ?? '', /nothing is replicated/);
  assert.match(warningsOf(`${CLUSTER},n4=127.0.0.1:7004`)[0] ?? '', /even number survives no more failures than 3/);
  const slow = loadConfig({ flags: FLAGS, values: { limits: { maxPublishBytesPerSec: 10_000 } } });
  assert.match(configWarnings(slow)[0] ?? '', /after one packet of that size a client is not read for 105 seconds$/);
});

test.run();
