import { StateLimits } from './limits.ts';
import type { MemberCommand, MemberRecord } from './member-commands.ts';
import type { CommandResult, StateSink } from './sink.ts';
import type { State } from './state.ts';

const OK: CommandResult = { kind: 'ok' };
const REFUSED: CommandResult = { kind: 'refused' };
const STALE: CommandResult = { kind: 'stale' };

/**
 * What the cluster is to be, apart from the Raft configuration, which says what it is: the leader works from the one
 * towards the other. A member beyond the limits is refused and changes nothing; so does one that is there already.
 *
 * @param term of the entry
 */
export function applyMember(state: State, sink: StateSink, command: MemberCommand, term: number): CommandResult {
  const { nodeId, member } = command;
  if (command.term !== null && command.term !== term) return STALE;
  if (member === null) {
    if (!state.members.delete(nodeId)) return OK;
  } else {
    const known = state.members.get(nodeId);
    if (known === undefined && state.members.size >= StateLimits.members) return REFUSED;
    if (!isWithinLimits(member)) return REFUSED;
    if (known !== undefined && isSame(known, member)) return OK;
    state.members.set(nodeId, member);
  }
  state.dirty.members.add(nodeId);
  sink.membersChanged?.();
  return OK;
}

function isWithinLimits({ nodeId, peer, replaces }: MemberRecord): boolean {
  const { memberNameLength, memberAddressLength } = StateLimits;
  if (nodeId === '' || nodeId.length > memberNameLength) return false;
  if (peer === '' || peer.length > memberAddressLength) return false;
  return replaces === null || replaces.length <= memberNameLength;
}

function isSame(a: MemberRecord, b: MemberRecord): boolean {
  return a.peer === b.peer && a.voter === b.voter && a.replaces === b.replaces;
}
