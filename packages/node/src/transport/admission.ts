import { type Hello, PEER_PROTOCOL_VERSION, type RejectionCode } from '@quorate/protocol';

/** Why a handshake fails. The sentence starts where "... is refused: " ends. */
export interface Rejection {
  readonly code: RejectionCode;
  readonly reason: string;
}

/**
 * Whether the node that sent `theirs` may be in one cluster with the one that says `own`, whoever it is. Both sides ask
 * this, of each other.
 *
 * A node without a cluster id has not joined yet. Two of these must agree on the bootstrap membership, else they
 * would found different clusters with members in common. One that meets a running cluster may come with any
 * bootstrap list: it gets its membership from the log.
 */
export function checkHello(own: Hello, theirs: Hello): Rejection | null {
  const id = theirs.nodeId;
  if (theirs.protocolVersion !== PEER_PROTOCOL_VERSION) {
    const versions = `version ${String(theirs.protocolVersion)}, this node version ${String(PEER_PROTOCOL_VERSION)}`;
    return { code: 'PROTOCOL_VERSION', reason: `${id} speaks peer protocol ${versions}` };
  }
  if (id === own.nodeId) {
    return { code: 'OWN_NODE_ID', reason: `two nodes call themselves ${id}, or ${id} has its own address as a peer's` };
  }
  if (own.clusterId !== '' && theirs.clusterId !== '' && own.clusterId !== theirs.clusterId) {
    const reason = `${id} belongs to cluster ${theirs.clusterId}, ${own.nodeId} to cluster ${own.clusterId}`;
    return { code: 'WRONG_CLUSTER', reason };
  }
  if (own.clusterId === '' && theirs.clusterId === '' && own.bootstrapMembers !== theirs.bootstrapMembers) {
    const lists = `${theirs.bootstrapMembers}, ${own.nodeId} with ${own.bootstrapMembers}`;
    return { code: 'WRONG_CLUSTER', reason: `${id} wants to found a cluster with ${lists}` };
  }
  return null;
}
