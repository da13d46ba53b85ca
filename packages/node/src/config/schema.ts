import type { Address } from './address.ts';
import { AUTHENTICATION, type AuthenticationConfig, MAX_METHODS } from './authentication.ts';
import { address, boolean, derived, type Infer, integer, members, oneOf, text } from './key-types.ts';
import { LIMITS } from './limits.ts';
import { listOf } from './list-key.ts';
import { LISTENER, type ListenerConfig, MAX_LISTENERS } from './listeners.ts';
import { NODE_ID, NODE_ID_EXPECTED } from './node-id.ts';

/*
 * Every key there is. Validation, `quorate start --help`, the reference and the type NodeConfig all come from this
 * table: a key that is not here does not exist.
 */

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

const anyAddress: Address = { host: '127.0.0.1', port: 1 };

export const SCHEMA = {
  nodeId: text({
    doc: 'Name of this node, unique in the cluster and kept for as long as its data directory.',
    flag: 'node-id',
    pattern: NODE_ID,
    expected: `${NODE_ID_EXPECTED}, in quotes where YAML would read a number`,
  }),
  dataDir: text({
    doc: 'Directory of the log and the state; made if missing. One node each.',
    flag: 'data-dir',
    // biome-ignore lint/suspicious/noControlCharactersInRegex: NUL ends a path in every system call.
    pattern: /^[^\u0000]+$/,
    expected: 'the path of a directory',
  }),
  mqtt: address({
    doc: 'Where MQTT clients connect.',
    flag: 'mqtt',
    default: { host: '127.0.0.1', port: 1883 },
  }),
  listeners: listOf({
    doc:
      'More places where MQTT clients connect: over TLS, WebSocket, behind a load balancer. Certificates are read ' +
      'again when they change, and on SIGHUP.',
    expected: `in the config file a list of at most ${String(MAX_LISTENERS)} maps with name, bind, transport and more`,
    items: LISTENER,
    max: MAX_LISTENERS,
  }),
  http: address({
    doc: 'Where the HTTP API, metrics and probes are served.',
    flag: 'http',
    default: { host: '127.0.0.1', port: 18083 },
  }),
  peer: derived(
    address({ doc: 'Where the other nodes connect.', flag: 'peer', default: anyAddress }),
    "this node's address in cluster; required when it has none there",
  ),
  cluster: members({
    doc:
      'Node ids and peer addresses of the first members, the same on every node: three or five. ' +
      'Whoever joins or leaves later is remembered by the cluster, not here. A node that is not in this list never ' +
      'founds a cluster: it waits until `quorate join` has the cluster admit it.',
    flag: 'cluster',
    idPattern: NODE_ID,
  }),
  advertise: {
    mqtt: derived(
      address({ doc: 'MQTT address that clients are told.', default: anyAddress }),
      'mqtt; for a wildcard the host of advertise.peer',
    ),
    http: derived(
      address({ doc: 'HTTP address that is shown for this node.', default: anyAddress }),
      'http; for a wildcard the host of advertise.peer',
    ),
    peer: derived(
      address({
        doc: 'Peer address that the other nodes use; for a node in cluster it equals its entry there.',
        default: anyAddress,
      }),
      "this node's address in cluster, else peer",
    ),
  },
  authentication: listOf({
    doc:
      'How MQTT clients prove who they are, in the order in which it is tried; docs/security.md has examples. ' +
      'With none, everybody is let in as an anonymous client.',
    expected: `in the config file a list of at most ${String(MAX_METHODS)} maps with method and what belongs to it`,
    items: AUTHENTICATION,
    max: MAX_METHODS,
  }),
  authorization: {
    default: oneOf({
      doc: 'What is said of topics that no access rule (`quorate acl`) matches.',
      values: ['allow', 'deny'],
      default: 'allow',
    }),
    denied: oneOf({
      doc: 'What a client gets that publishes or subscribes to what it may not: a reason code, or the end of its connection.',
      values: ['reasonCode', 'disconnect'],
      default: 'reasonCode',
    }),
  },
  loginFailures: {
    perUser: integer({
      doc: 'Failed logins of one user name at this node in a window, beyond which further ones are not looked at.',
      default: 20,
      min: 1,
      max: 1_000_000,
    }),
    perAddress: integer({
      doc: 'The same of one address. Clients behind one load balancer or NAT share it.',
      default: 100,
      min: 1,
      max: 1_000_000,
    }),
    windowSec: integer({ doc: 'How long such a window is.', default: 60, min: 1, max: 86_400 }),
  },
  allowAnonymous: boolean({
    doc:
      'Lets MQTT clients in without credentials also when mqtt, or one of listeners, is not a loopback address. Not ' +
      'needed where authentication has methods other than anonymous only.',
    default: false,
  }),
  insecureHttp: boolean({
    doc: 'Serves the HTTP API, changes of the cluster included, to everybody also when http is not a loopback address.',
    default: false,
  }),
  insecurePeers: boolean({
    doc: 'Talks to peers without TLS or secret also when peer is not a loopback address.',
    default: false,
  }),
  log: {
    level: oneOf({
      doc: 'Least severe level that is logged.',
      values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal'],
      default: 'info',
    }),
    pretty: oneOf({
      doc: 'Logs for people instead of JSON lines; auto does so on a terminal.',
      values: ['auto', true, false],
      default: 'auto',
    }),
  },
  raft: {
    electionTimeoutMs: integer({
      doc: 'A follower that hears nothing for this long, and its turn of half as long again, starts an election.',
      default: 600,
      min: 100,
      max: 60_000,
    }),
    heartbeatIntervalMs: integer({
      doc: 'How often an idle leader shows that it is alive; less than half of the election timeout.',
      default: 100,
      min: 10,
      max: 10_000,
    }),
    tickIntervalMs: integer({
      doc: 'Resolution of the timers of the consensus core; at most the heartbeat interval.',
      default: 10,
      min: 1,
      max: 1_000,
    }),
    maxAppendBytes: integer({
      doc: 'Most bytes of entries in one message to a follower; a single larger entry still goes.',
      default: MIB,
      min: 4 * KIB,
      max: 64 * MIB,
    }),
    maxInflightAppends: integer({
      doc: 'Most unanswered append messages per follower.',
      default: 64,
      min: 1,
      max: 4_096,
    }),
    maxInflightBytes: integer({
      doc: 'Most unanswered bytes of entries per follower; at least raft.maxAppendBytes.',
      default: 16 * MIB,
      min: 4 * KIB,
      max: GIB,
    }),
    recentLogBytes: integer({
      doc: 'Newest part of the log that is kept in memory for followers and deliveries.',
      default: 64 * MIB,
      min: MIB,
      max: 16 * GIB,
    }),
    maxUncommittedBytes: integer({
      doc: 'Most bytes of entries that wait for a majority; beyond that new commands wait. More than one packet.',
      default: 64 * MIB,
      min: MIB,
      max: 4 * GIB,
    }),
    slowWriteMs: integer({
      doc: 'A log write that takes longer is reported in the log.',
      default: 100,
      min: 1,
      max: 60_000,
    }),
  },
  serving: {
    leaseMs: integer({
      doc: 'A node serves its clients only when it has heard of a leader within this time; more than two round trips of any two nodes.',
      default: 1_000,
      min: 50,
      max: 60_000,
    }),
    gracePeriodMs: integer({
      doc: 'How long connected clients are kept without a quorum before they are let go.',
      default: 5_000,
      min: 0,
      max: 600_000,
    }),
  },
  limits: LIMITS,
  checkpoint: {
    intervalMs: integer({
      doc: 'Time between two writes of changed state records.',
      default: 1_000,
      min: 100,
      max: 600_000,
    }),
    maxBytes: integer({
      doc: 'A checkpoint comes earlier when this many bytes of log have gathered.',
      default: 32 * MIB,
      min: MIB,
      max: 4 * GIB,
    }),
    keepLogBytes: integer({
      doc:
        'Log kept for members that are behind it, in bytes of data: a member that was away for longer gets a snapshot ' +
        'instead.',
      default: 64 * MIB,
      min: 0,
      max: 64 * GIB,
    }),
    compactEntries: integer({
      doc: 'The log is shortened once it holds this many entries that nobody needs any more.',
      default: 4_096,
      min: 1,
      max: 10_000_000,
    }),
  },
  disk: {
    lowBytes: integer({
      doc: 'With less free space for the data directory a leader hands leadership over.',
      default: 512 * MIB,
      min: MIB,
      max: 64 * 1024 * GIB,
    }),
    criticalBytes: integer({
      doc:
        'With less free space for the data directory the node stands still until there is room again; less than ' +
        'disk.lowBytes.',
      default: 64 * MIB,
      min: 0,
      max: 64 * 1024 * GIB,
    }),
    ballastBytes: integer({
      doc: 'Space of the disk that is held back, to be given up when it is full so that there is room to recover in.',
      default: 64 * MIB,
      min: 0,
      max: GIB,
    }),
    checkIntervalMs: integer({
      doc: 'How often the free space is looked at.',
      default: 1_000,
      min: 10,
      max: 60_000,
    }),
  },
  responseInformation: derived(
    text({
      doc:
        'Beginning of the topics for answers, told to MQTT 5 clients that ask for Response Information; %c stands for the ' +
        'client id.',
      // biome-ignore lint/suspicious/noControlCharactersInRegex: what no topic may hold.
      pattern: /^[^\u0000+#]{1,1024}$/,
      expected: 'a topic without wildcards, for example answers/%c/',
    }),
    'none',
  ),
  sysIntervalSec: integer({
    doc: 'Seconds between two publishes below $SYS; 0 for none.',
    default: 10,
    min: 0,
    max: 86_400,
  }),
};

/** Values as given or defaulted, before the derived ones are filled in. */
export type DraftConfig = Infer<typeof SCHEMA>;

/** The whole configuration of a node, complete and checked. */
export type NodeConfig = Omit<DraftConfig, 'peer' | 'advertise' | 'listeners' | 'authentication'> & {
  readonly peer: Address;
  /** Besides `mqtt`. */
  readonly listeners: readonly ListenerConfig[];
  /** Empty: everybody is anonymous. */
  readonly authentication: readonly AuthenticationConfig[];
  /** How others reach this node. */
  readonly advertise: { readonly mqtt: Address; readonly http: Address; readonly peer: Address };
};
