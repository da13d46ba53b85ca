/** How transcripts show messages, entries and states. */
import {
  type Configuration,
  decodeConfiguration,
  type Entry,
  EntryType,
  type MembershipResult,
  type Message,
  type NodeId,
  type Status,
  tagOf,
} from '@quorate/consensus';

export function showEntry(entry: Entry): string {
  const at = `${entry.index}/${entry.term}`;
  if (entry.type === EntryType.noop) return `${at} noop`;
  if (entry.type === EntryType.config) return `${at} ${showConfiguration(decodeConfiguration(entry.data))}`;
  return `${at} ${Buffer.from(entry.data).toString() || '-'}`;
}

export function showEntries(entries: readonly Entry[]): string {
  return entries.map(showEntry).join(', ') || 'nothing';
}

export function showConfiguration(configuration: Configuration): string {
  const show = (id: NodeId): string => {
    const tag = tagOf(configuration, id);
    return tag === '' ? id : `${id}=${tag}`;
  };
  const { voters, outgoing, learners } = configuration;
  const halves = [voters, ...(outgoing.length > 0 ? [outgoing] : [])].map((half) => `(${half.map(show).join(' ')})`);
  return halves.join('&') + (learners.length > 0 ? ` learners (${learners.map(show).join(' ')})` : '');
}

export function showMessage(message: Message): string {
  const { term } = message;
  switch (message.kind) {
    case 'voteRequest': {
      const what = message.preVote ? 'pre-vote request' : 'vote request';
      const transfer = message.transfer ? ', by transfer' : '';
      return `${what}, term ${term}, log ends ${message.lastIndex}/${message.lastTerm}${transfer}`;
    }
    case 'voteResponse':
      return `${message.preVote ? 'pre-vote' : 'vote'} ${message.granted ? 'granted' : 'refused'}, term ${term}`;
    case 'appendRequest': {
      const place = `after ${message.prevIndex}/${message.prevTerm}: ${showEntries(message.entries)}`;
      return `append, term ${term}, ${place}; commit ${message.commitIndex}${showRound(message.round)}`;
    }
    case 'appendResponse':
      return message.success
        ? `append accepted, term ${term}, match ${message.matchIndex}${showRound(message.round)}`
        : `append rejected, term ${term}, at ${message.matchIndex}, try ${message.hintIndex}/${message.hintTerm}`;
    case 'heartbeat':
      return `heartbeat, term ${term}, commit ${message.commitIndex}${showRound(message.round)}`;
    case 'heartbeatResponse':
      return `heartbeat answer, term ${term}${showRound(message.round)}`;
    case 'readIndexRequest':
      return `read index wanted, term ${term}, id ${message.id}`;
    case 'readIndexResponse':
      return `read index, term ${term}, id ${message.id}: ${message.index}`;
    case 'timeoutNow':
      return `stand now, term ${term}`;
  }
}

function showRound(round: number): string {
  return round === 0 ? '' : `, round ${round}`;
}

export function showResult({ id, ok, code, reason }: MembershipResult): string {
  return `change ${id} ${ok ? 'ends' : 'fails'}: ${code}${reason === undefined ? '' : ` (${reason})`}`;
}

/** What a status change is about, in one line. */
export function showRole(status: Status): string {
  const of = status.leader === null || status.leader === status.id ? '' : ` of ${status.leader}`;
  const committed = status.configurationCommitted === true ? '' : ', not committed';
  return `${status.role}${of}, term ${status.term}, members ${showConfiguration(status.configuration)}${committed}`;
}

export function showStatus(status: Status): string[] {
  const { followers } = status;
  return [
    `${status.id}: ${showRole(status)}; log to ${status.lastIndex}, commit ${status.commitIndex}`,
    ...followers.map(({ id, mode, matchIndex, nextIndex, caughtUp }) => {
      return `   ${id}: ${mode}, match ${matchIndex}, next ${nextIndex}${caughtUp === true ? ', caught up' : ''}`;
    }),
  ];
}
