import { quorate } from '#generated';
import { PeerProtocolError } from './errors.ts';
import {
  assertNatural,
  assertNodeId,
  assertText,
  decodeHeader,
  MAX_CODE_LENGTH,
  MAX_REASON_LENGTH,
  natural,
  nodeIdField,
  shortened,
  textField,
} from './fields.ts';

/*
 * What an operator asks of the cluster, on its way from the node that was asked to the leader, and the answer; both
 * travel as payloads of node messages.
 */

const wire = quorate.peer;

/** Cap on an address, in UTF-16 code units. */
export const MAX_ADDRESS_LENGTH = 512;

/** Take a node in. */
export interface AdminJoin {
  /** Made by the node that asks, to know its answer by. */
  readonly id: number;
  readonly kind: 'join';
  readonly nodeId: string;
  /** HOST:PORT of its peer listener; here only its length is checked. */
  readonly peer: string;
  /** Whether it is to have a vote once it has caught up. */
  readonly voter: boolean;
  /** The member that leaves when it gets its vote, or null. */
  readonly replaces: string | null;
}

/** Let a member go. */
export interface AdminRemove {
  readonly id: number;
  readonly kind: 'remove';
  readonly nodeId: string;
}

/** Hand leadership over. */
export interface AdminTransfer {
  readonly id: number;
  readonly kind: 'transfer';
  /** Null for whoever is most up to date. */
  readonly to: string | null;
}

export type AdminRequest = AdminJoin | AdminRemove | AdminTransfer;

export interface AdminResponse {
  /** Of the request. */
  readonly id: number;
  readonly ok: boolean;
  /** Stable; empty when ok. */
  readonly code: string;
  /** A sentence, cut to 1024 characters. */
  readonly reason: string;
}

/** @throws RangeError for what no receiver would take */
export function encodeAdminRequest(request: AdminRequest): Uint8Array {
  const { id } = request;
  assertNatural(id, 'id');
  switch (request.kind) {
    case 'join': {
      const { nodeId, peer, voter, replaces } = request;
      assertNodeId(nodeId, 'nodeId');
      if (replaces !== null) assertNodeId(replaces, 'replaces');
      if (peer === '') throw new RangeError('a join without an address');
      assertText(peer, 'peer', MAX_ADDRESS_LENGTH);
      return wire.AdminRequest.encode({ id, join: { nodeId, peer, voter, replaces: replaces ?? '' } }).finish();
    }
    case 'remove':
      assertNodeId(request.nodeId, 'nodeId');
      return wire.AdminRequest.encode({ id, remove: { nodeId: request.nodeId } }).finish();
    case 'transfer':
      if (request.to !== null) assertNodeId(request.to, 'to');
      return wire.AdminRequest.encode({ id, transfer: { to: request.to ?? '' } }).finish();
  }
}

/** @throws PeerProtocolError for anything that is not one */
export function decodeAdminRequest(bytes: Uint8Array): AdminRequest {
  const got = decodeHeader('admin request', bytes, (header) => wire.AdminRequest.decode(header));
  const id = natural(got.id, 'id');
  const { join, remove, transfer } = got;
  if (join) {
    const peer = textField(join.peer, 'peer', MAX_ADDRESS_LENGTH);
    if (peer === '') throw new PeerProtocolError('HEADER', 'a join without an address');
    return {
      id,
      kind: 'join',
      nodeId: nodeIdField(join.nodeId, 'nodeId'),
      peer,
      voter: join.voter ?? false,
      replaces: nodeIdOrNull(join.replaces, 'replaces'),
    };
  }
  if (remove) return { id, kind: 'remove', nodeId: nodeIdField(remove.nodeId, 'nodeId') };
  if (transfer) return { id, kind: 'transfer', to: nodeIdOrNull(transfer.to, 'to') };
  throw new PeerProtocolError('HEADER', 'admin request of an unknown kind');
}

/** @throws RangeError for what no receiver would take */
export function encodeAdminResponse(response: AdminResponse): Uint8Array {
  const { id, ok, code, reason } = response;
  assertNatural(id, 'id');
  assertText(code, 'code', MAX_CODE_LENGTH);
  return wire.AdminResponse.encode({ id, ok, code, reason: shortened(reason) }).finish();
}

/** @throws PeerProtocolError for anything that is not one */
export function decodeAdminResponse(bytes: Uint8Array): AdminResponse {
  const got = decodeHeader('admin response', bytes, (header) => wire.AdminResponse.decode(header));
  return {
    id: natural(got.id, 'id'),
    ok: got.ok,
    code: textField(got.code, 'code', MAX_CODE_LENGTH),
    reason: textField(got.reason, 'reason', MAX_REASON_LENGTH),
  };
}

/** A node id is never empty, so the empty text is free to mean none. */
function nodeIdOrNull(value: string | null | undefined, field: string): string | null {
  return value === null || value === undefined || value === '' ? null : nodeIdField(value, field);
}
