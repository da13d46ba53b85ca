import type { ByteReader, ByteWriter } from './bytes.ts';
import { CommandType, command } from './command-frame.ts';
import { NewerVersionError } from './invariant.ts';

/** A member as the cluster wants it: where it is dialled, and what it is to become. */
export interface MemberRecord {
  readonly nodeId: string;
  /** `HOST:PORT` of its node port. */
  readonly peer: string;
  /** It is to vote as soon as it has caught up; false for one that only learns. */
  readonly voter: boolean;
  /** The member that leaves in the same change that makes this one a voter, or null. */
  readonly replaces: string | null;
}

/**
 * A member to go by from now on, or, with `member` null, one to forget. The leader of `term` says so, by what it knows of the
 * members; void in an entry of any other term, where a later leader may have been told otherwise by an operator.
 */
export interface MemberCommand {
  readonly nodeId: string;
  readonly member: MemberRecord | null;
  /** Null: written by a version that did not say it; holds in any term. */
  readonly term: number | null;
}

/** What a member command does. Stored: never reuse a value. */
const MemberAction = { put: 1, remove: 2 } as const;

/** @param term see {@link MemberCommand} */
export function writeMember(writer: ByteWriter, value: MemberRecord, term: number): void {
  command(writer, CommandType.member, () => {
    writer.u8(MemberAction.put);
    writer.string(value.nodeId);
    writer.string(value.peer);
    writer.u8(value.voter ? 1 : 0);
    writer.string(value.replaces ?? '');
    writer.integer(term);
  });
}

/** @param term see {@link MemberCommand} */
export function writeMemberRemoved(writer: ByteWriter, nodeId: string, term: number): void {
  command(writer, CommandType.member, () => {
    writer.u8(MemberAction.remove);
    writer.string(nodeId);
    writer.integer(term);
  });
}

/** @throws NewerVersionError for an action that a later version added: skipping it would make this node differ */
export function readMember(reader: ByteReader): MemberCommand {
  const action = reader.u8();
  const nodeId = reader.string();
  const term = (): number | null => (reader.at < reader.end ? reader.integer() : null);
  if (action === MemberAction.remove) return { nodeId, member: null, term: term() };
  if (action !== MemberAction.put) {
    throw new NewerVersionError(`member action ${action}`);
  }
  const peer = reader.string();
  const voter = reader.u8() === 1;
  const replaces = reader.string();
  return { nodeId, member: { nodeId, peer, voter, replaces: replaces === '' ? null : replaces }, term: term() };
}
