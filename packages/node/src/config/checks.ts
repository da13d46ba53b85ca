import { type Address, formatAddress, isLoopback, isWildcard, sameAddress } from './address.ts';
import { checkMethods, completeAuthentication } from './authentication.ts';
import { ConfigError } from './error.ts';
import { checkListenerNames, completeListener, listenerKey } from './listeners.ts';
import type { DraftConfig, NodeConfig } from './schema.ts';

/** Largest cluster: every voter beyond it costs writes and adds no useful fault tolerance. */
const MAX_VOTERS = 7;

function conflict(key: string, value: unknown, message: string): ConfigError {
  return new ConfigError('CONFLICT', key, value, message);
}

/** Fills in what follows from other values, after checking what these rest on. */
export function complete(draft: DraftConfig): NodeConfig {
  const own = draft.cluster.get(draft.nodeId);
  const peers = own === undefined ? peersOfJoiner(draft) : peersOfFounder(draft, own);
  const reachable = (listen: Address): Address =>
    isWildcard(listen.host) ? { host: peers.advertised.host, port: listen.port } : listen;
  return {
    ...draft,
    peer: peers.listen,
    listeners: draft.listeners.map(completeListener),
    authentication: draft.authentication.map(completeAuthentication),
    advertise: {
      mqtt: draft.advertise.mqtt ?? reachable(draft.mqtt),
      http: draft.advertise.http ?? reachable(draft.http),
      peer: peers.advertised,
    },
  };
}

/** Where a node listens for the others, and where they dial it. */
interface PeerAddresses {
  readonly listen: Address;
  readonly advertised: Address;
}

function peersOfFounder(draft: DraftConfig, own: Address): PeerAddresses {
  const listen = draft.peer ?? own;
  checkPeer(draft, listen, own);
  return { listen, advertised: own };
}

/**
 * A node that is not in `cluster` waits to be joined at the address it is joined by, so that address must be known. Its
 * address may be one that `cluster` has for another node: a new node can take the place of a dead one.
 */
function peersOfJoiner(draft: DraftConfig): PeerAddresses {
  const { nodeId, peer } = draft;
  if (peer === undefined) {
    const ids = [...draft.cluster.keys()].join(', ');
    const message =
      `peer is missing: nodeId is ${nodeId}, not in cluster, so it waits to be joined: ` +
      `expected HOST:PORT where it listens for the others (flag --peer), or one of ${ids} for nodeId`;
    throw new ConfigError('MISSING_KEY', 'peer', undefined, message);
  }
  const advertised = draft.advertise.peer ?? peer;
  if (isWildcard(advertised.host)) {
    const key = draft.advertise.peer === undefined ? 'peer' : 'advertise.peer';
    const shown = formatAddress(advertised);
    const expected = 'advertise.peer with an address that the other nodes can connect to';
    throw conflict(key, shown, `${key} is ${shown} and nodeId ${nodeId} is not in cluster: expected ${expected}`);
  }
  return { listen: peer, advertised };
}

/** A node that listens where nobody looks for it would never be in a quorum, and nothing would say why. */
function checkPeer(draft: DraftConfig, peer: Address, own: Address): void {
  const entry = `${draft.nodeId}=${formatAddress(own)}`;
  const advertised = draft.advertise.peer;
  if (advertised !== undefined) {
    if (sameAddress(advertised, own)) return;
    const shown = formatAddress(advertised);
    throw conflict('advertise.peer', shown, `advertise.peer is ${shown}, but cluster has ${entry}: expected the same`);
  }
  if (sameAddress(peer, own) || (isWildcard(peer.host) && peer.port === own.port)) return;
  const shown = formatAddress(peer);
  const ways = `the same (a node that has moved stands there with its new address), a wildcard with that port, or advertise.peer: ${formatAddress(own)}`;
  throw conflict('peer', shown, `peer is ${shown}, but cluster has ${entry}: expected ${ways}`);
}

/** Refuses values that are fine alone but do not fit together. */
export function check(config: NodeConfig): void {
  checkMembers(config);
  checkListeners(config);
  checkTimes(config);
  checkSizes(config);
  checkSecurity(config);
}

function checkMembers(config: NodeConfig): void {
  const { cluster } = config;
  if (cluster.size > MAX_VOTERS) {
    const message = `cluster has ${String(cluster.size)} members: expected at most ${String(MAX_VOTERS)}, best 3 or 5`;
    throw conflict('cluster', cluster.size, message);
  }
  const seen = new Map<string, string>();
  for (const [id, address] of cluster) {
    const shown = formatAddress(address);
    if (isWildcard(address.host)) {
      const message = `cluster has ${id}=${shown}: expected an address that the other nodes can connect to`;
      throw conflict('cluster', shown, message);
    }
    const other = seen.get(shown);
    if (other !== undefined) {
      throw conflict('cluster', shown, `cluster has ${shown} for both ${other} and ${id}: expected one address each`);
    }
    seen.set(shown, id);
  }
}

function checkListeners(config: NodeConfig): void {
  checkListenerNames(config.listeners);
  const listeners: readonly (readonly [string, Address])[] = [
    ['mqtt', config.mqtt],
    ['http', config.http],
    ['peer', config.peer],
    ...config.listeners.map(({ bind }, at) => [listenerKey(at, 'bind'), bind] as const),
  ];
  for (const [at, [key, address]] of listeners.entries()) {
    for (const [otherKey, other] of listeners.slice(0, at)) {
      const sameHost = address.host === other.host || isWildcard(address.host) || isWildcard(other.host);
      if (!sameHost || address.port !== other.port) continue;
      const shown = formatAddress(address);
      const message = `${key} is ${shown} and ${otherKey} is ${formatAddress(other)}: expected different ports`;
      throw conflict(key, shown, message);
    }
  }
}

/** Demands `small` <= `large`, or < when strict. */
function ordered(small: readonly [string, number], large: readonly [string, number], strict: boolean): void {
  if (strict ? small[1] < large[1] : small[1] <= large[1]) return;
  const relation = strict ? 'less than' : 'at most';
  const message = `${small[0]} is ${String(small[1])}: expected ${relation} ${large[0]} (${String(large[1])})`;
  throw conflict(small[0], small[1], message);
}

function checkTimes(config: NodeConfig): void {
  const { raft, serving } = config;
  const heartbeat = ['raft.heartbeatIntervalMs', raft.heartbeatIntervalMs] as const;
  ordered(['raft.tickIntervalMs', raft.tickIntervalMs], heartbeat, false);
  // One lost heartbeat must not start an election, nor end the serving lease.
  const twice = ['twice raft.heartbeatIntervalMs', 2 * raft.heartbeatIntervalMs] as const;
  for (const [key, value] of [
    ['raft.electionTimeoutMs', raft.electionTimeoutMs],
    ['serving.leaseMs', serving.leaseMs],
  ] as const) {
    if (value > twice[1]) continue;
    const message = `${key} is ${String(value)}: expected more than ${twice[0]} (${String(twice[1])})`;
    throw conflict(key, value, message);
  }
}

function checkSizes(config: NodeConfig): void {
  const { raft, limits, disk } = config;
  const inflight = ['raft.maxInflightBytes', raft.maxInflightBytes] as const;
  ordered(['raft.maxAppendBytes', raft.maxAppendBytes], inflight, false);
  // A packet beyond it could never be proposed.
  const uncommitted = ['raft.maxUncommittedBytes', raft.maxUncommittedBytes] as const;
  ordered(['limits.maxPacketSizeBytes', limits.maxPacketSizeBytes], uncommitted, true);
  // Low comes before full, so that writes are refused while there is still room to recover.
  ordered(['disk.criticalBytes', disk.criticalBytes], ['disk.lowBytes', disk.lowBytes], true);
}

function checkSecurity(config: NodeConfig): void {
  checkMethods(config.authentication);
  const anonymous = ['allowAnonymous', 'lets MQTT clients in without credentials'] as const;
  // Methods that all ask for a proof are as good as a waiver.
  const proves =
    config.authentication.length > 0 && config.authentication.every(({ method }) => method !== 'anonymous');
  const listeners = [
    ...(proves ? [] : [['mqtt', config.mqtt, ...anonymous] as const]),
    ['http', config.http, 'insecureHttp', 'serves the HTTP API without authentication'],
    ['peer', config.peer, 'insecurePeers', 'talks to peers without TLS or secret'],
    // A verified certificate is a credential.
    ...config.listeners.flatMap(({ bind, tls }, at) =>
      proves || tls?.clientCertificates === 'require' ? [] : [[listenerKey(at, 'bind'), bind, ...anonymous] as const],
    ),
  ] as const;
  for (const [key, address, waiver, meaning] of listeners) {
    if (isLoopback(address.host) || config[waiver]) continue;
    const shown = formatAddress(address);
    const methods = waiver === 'allowAnonymous' ? 'authentication with methods that ask for a proof, or ' : '';
    const expected = `${methods}${waiver}: true in the config file, which ${meaning}`;
    const message = `${key} is ${shown}, not a loopback address: expected ${expected}`;
    throw new ConfigError('INSECURE', waiver, config[waiver], message);
  }
}

/** Sentences about what works but is probably not meant; to be logged at start. */
export function configWarnings(config: NodeConfig): string[] {
  const warnings: string[] = [];
  const { cluster, nodeId } = config;
  const size = cluster.size;
  if (!cluster.has(nodeId)) {
    const entry = `${nodeId}=${formatAddress(config.advertise.peer)}`;
    const ids = [...cluster.keys()].join(', ');
    warnings.push(
      `nodeId is ${nodeId}, not in cluster (${ids}): it founds no cluster; ` +
        `unless it is a member already it waits for \`quorate join ${entry}\``,
    );
  }
  if (size === 1) warnings.push('cluster has one member: nothing is replicated');
  if (size % 2 === 0) {
    const same = size === 2 ? 'no failure' : `no more failures than ${String(size - 1)}`;
    warnings.push(`cluster has ${String(size)} members: an even number survives ${same}, best are 3 or 5`);
  }
  const { maxPacketSizeBytes, maxPublishBytesPerSec } = config.limits;
  if (maxPublishBytesPerSec > 0 && maxPublishBytesPerSec < maxPacketSizeBytes) {
    const seconds = String(Math.ceil(maxPacketSizeBytes / maxPublishBytesPerSec));
    warnings.push(
      `limits.maxPublishBytesPerSec is less than limits.maxPacketSizeBytes: after one packet of that size a client is not ` +
        `read for ${seconds} seconds`,
    );
  }
  if (config.serving.leaseMs < config.raft.electionTimeoutMs) {
    warnings.push('serving.leaseMs is less than raft.electionTimeoutMs: every election stops service for a moment');
  }
  return warnings;
}
