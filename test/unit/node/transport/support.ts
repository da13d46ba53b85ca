import type { Message, NodeId } from '@quorate/consensus';
import {
  type HostPort,
  newPeerCounters,
  type PeerCounters,
  type PeerHandlers,
  type PeerIdentity,
  type PeerLimits,
  PeerTransport,
} from '@quorate/node';
import type { Hello } from '@quorate/protocol';
import { waitFor } from '../../../support/wait.ts';

export interface TestNode {
  readonly id: NodeId;
  readonly transport: PeerTransport;
  readonly address: HostPort;
  /** What it says of itself from the next handshake on. */
  readonly identity: { -readonly [K in keyof PeerIdentity]: PeerIdentity[K] };
  readonly counters: PeerCounters;
  /** `connected n2`, `disconnected n2`, `rejected n9 CODE`, in order. */
  readonly events: string[];
  readonly reasons: string[];
  readonly raft: { from: NodeId; message: Message }[];
  readonly messages: { from: NodeId; channel: number; payload: Buffer }[];
  readonly logged: string[];
  readonly hellos: Hello[];
  unreachable: number;
}

export interface TestNodeOptions {
  readonly identity?: Partial<PeerIdentity>;
  readonly limits?: Partial<PeerLimits>;
  readonly peers?: Iterable<readonly [NodeId, readonly HostPort[]]>;
  readonly admitsUnknown?: (hello: Hello) => boolean;
  readonly port?: number;
  /** Tells its own address to those whom it meets. */
  readonly announce?: boolean;
  /** Called besides what is written down. */
  readonly handlers?: Partial<PeerHandlers>;
}

const running = new Set<PeerTransport>();
/** Every start is a later one than all before, as of a data directory. */
let starts = 0;

/** The same for every start of a node. */
export function directoryIdOf(id: NodeId): string {
  return Buffer.from(id).toString('hex').padStart(32, '0');
}

/** A transport that listens on loopback and writes down what happens. */
export async function startNode(id: NodeId, options: TestNodeOptions = {}): Promise<TestNode> {
  const events: string[] = [];
  const reasons: string[] = [];
  const raft: TestNode['raft'] = [];
  const messages: TestNode['messages'] = [];
  const logged: string[] = [];
  const hellos: Hello[] = [];
  const counters = newPeerCounters();
  const log = (_fields: object, message: string): void => {
    logged.push(message);
  };
  const identity: TestNode['identity'] = {
    clusterId: '',
    bootstrapMembers: 'n1,n2,n3',
    directoryId: directoryIdOf(id),
    incarnation: String(++starts),
    founded: true,
    peerAddress: '',
    httpAddress: `${id}:80`,
    mqttAddress: `${id}:1883`,
    ...options.identity,
  };
  const transport = new PeerTransport({
    nodeId: id,
    listen: { host: '127.0.0.1', port: options.port ?? 0 },
    peers: new Map(options.peers ?? []),
    identity: () => identity,
    counters,
    ...(options.admitsUnknown === undefined ? {} : { admitsUnknown: options.admitsUnknown }),
    limits: { reconnectMaxMs: 200, ...options.limits },
    logger: { debug: log, info: log, warn: log, error: log },
    handlers: {
      onRaft: (from, message) => {
        raft.push({ from, message });
        options.handlers?.onRaft?.(from, message);
      },
      onNodeMessage: (from, channel, payload) => {
        messages.push({ from, channel, payload: Buffer.from(payload) });
        options.handlers?.onNodeMessage?.(from, channel, payload);
      },
      onConnected: (peer, hello) => {
        events.push(`connected ${peer}`);
        hellos.push(hello);
      },
      onDisconnected: (peer) => {
        events.push(`disconnected ${peer}`);
        options.handlers?.onDisconnected?.(peer);
      },
      onUnreachable: (peer) => {
        node.unreachable++;
        options.handlers?.onUnreachable?.(peer);
      },
      onRejected: (peer, code, reason) => {
        events.push(`rejected ${peer} ${code}`);
        reasons.push(reason);
      },
    },
  });
  running.add(transport);
  const address = await transport.start();
  if (options.announce === true) identity.peerAddress = `${address.host}:${String(address.port)}`;
  const node: TestNode = {
    id,
    transport,
    address,
    identity,
    counters,
    events,
    reasons,
    raft,
    messages,
    logged,
    hellos,
    unreachable: 0,
  };
  return node;
}

export function eventually(what: string, condition: () => boolean): Promise<unknown> {
  return waitFor(condition, { what, intervalMs: 2 });
}

/** Makes every node a peer of every other. */
export function introduce(nodes: readonly TestNode[]): void {
  for (const node of nodes) {
    for (const other of nodes) if (other !== node) node.transport.setPeer(other.id, [other.address]);
  }
}

export async function connected(nodes: readonly TestNode[]): Promise<void> {
  await waitFor(() => nodes.every((node) => node.transport.connectedPeers().length === nodes.length - 1), {
    what: 'all nodes to be connected',
    intervalMs: 2,
  });
}

/** Nodes that are peers of each other and connected. */
export async function startMesh(ids: readonly NodeId[], options: TestNodeOptions = {}): Promise<TestNode[]> {
  const nodes = await Promise.all(ids.map((id) => startNode(id, options)));
  introduce(nodes);
  await connected(nodes);
  return nodes;
}

export async function stopAll(): Promise<void> {
  await Promise.all([...running].map((transport) => transport.stop()));
  running.clear();
}
