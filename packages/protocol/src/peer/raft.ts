import type { AppendRequest, AppendResponse, Entry, EntryType, Message } from '@quorate/consensus';
import { quorate } from '#generated';
import { PeerProtocolError } from './errors.ts';
import { assertNatural, decodeHeader, natural, noAttachment } from './fields.ts';
import { type EncodedFrame, encodeFrame, type Frame, FrameKind } from './frame.ts';

const wire = quorate.peer;

const MAX_ENTRY_TYPE = 2;

/** Encodes a message between Raft cores. The data of entries becomes the attachment and is not copied. */
export function encodeRaft(message: Message, group = 0): EncodedFrame {
  assertNatural(message.term, 'term');
  switch (message.kind) {
    case 'voteRequest':
      assertNatural(message.lastIndex, 'lastIndex');
      assertNatural(message.lastTerm, 'lastTerm');
      return encodeFrame(FrameKind.voteRequest, group, wire.VoteRequest.encode(message).finish());
    case 'voteResponse':
      return encodeFrame(FrameKind.voteResponse, group, wire.VoteResponse.encode(message).finish());
    case 'appendRequest':
      return encodeAppend(message, group);
    case 'appendResponse':
      assertNatural(message.round, 'round');
      assertNatural(message.matchIndex, 'matchIndex');
      assertNatural(message.hintIndex, 'hintIndex');
      assertNatural(message.hintTerm, 'hintTerm');
      return encodeFrame(FrameKind.appendResponse, group, wire.AppendResponse.encode(message).finish());
    case 'heartbeat':
      assertNatural(message.commitIndex, 'commitIndex');
      assertNatural(message.round, 'round');
      return encodeFrame(FrameKind.heartbeat, group, wire.Heartbeat.encode(message).finish());
    case 'heartbeatResponse':
      assertNatural(message.round, 'round');
      return encodeFrame(FrameKind.heartbeatResponse, group, wire.HeartbeatResponse.encode(message).finish());
    case 'readIndexRequest':
      assertNatural(message.id, 'id');
      return encodeFrame(FrameKind.readIndexRequest, group, wire.ReadIndexRequest.encode(message).finish());
    case 'readIndexResponse':
      assertNatural(message.id, 'id');
      assertNatural(message.index, 'index');
      return encodeFrame(FrameKind.readIndexResponse, group, wire.ReadIndexResponse.encode(message).finish());
    case 'timeoutNow':
      return encodeFrame(FrameKind.timeoutNow, group, wire.TimeoutNow.encode(message).finish());
  }
}

function encodeAppend(message: AppendRequest, group: number): EncodedFrame {
  assertNatural(message.prevIndex, 'prevIndex');
  assertNatural(message.prevTerm, 'prevTerm');
  assertNatural(message.commitIndex, 'commitIndex');
  assertNatural(message.round, 'round');
  const entries = new Array<quorate.peer.EntryHeader.$Properties>(message.entries.length);
  const attachments: Uint8Array[] = [];
  let index = message.prevIndex;
  let at = 0;
  for (const entry of message.entries) {
    if (entry.index !== ++index) {
      throw new RangeError(`entry ${String(entry.index)} where ${String(index)} belongs in an append request`);
    }
    assertNatural(entry.term, 'entry term');
    assertNatural(entry.stampMs, 'entry stampMs');
    entries[at++] = { term: entry.term, type: entry.type, stampMs: entry.stampMs, length: entry.data.length };
    if (entry.data.length > 0) attachments.push(entry.data);
  }
  const { term, prevIndex, prevTerm, commitIndex, round } = message;
  const writer = wire.AppendRequest.encode({ term, prevIndex, prevTerm, commitIndex, round, entries });
  return encodeFrame(FrameKind.appendRequest, group, writer.finish(), attachments);
}

/** True for a frame that {@link decodeRaft} takes. */
export function isRaftFrame(frame: Frame): boolean {
  return frame.kind >= FrameKind.voteRequest && frame.kind <= FrameKind.timeoutNow;
}

/**
 * Decodes a message between Raft cores. Entry data are views into the frame's attachment.
 *
 * @throws PeerProtocolError for anything that is not one
 */
export function decodeRaft(frame: Frame): Message {
  if (frame.kind === FrameKind.appendRequest) return decodeAppend(frame);
  noAttachment('a Raft message without entries', frame.attachment);
  switch (frame.kind) {
    case FrameKind.voteRequest: {
      const got = decodeHeader('vote request', frame.header, decoders.voteRequest);
      return {
        kind: 'voteRequest',
        term: natural(got.term, 'term'),
        preVote: got.preVote,
        transfer: got.transfer,
        lastIndex: natural(got.lastIndex, 'lastIndex'),
        lastTerm: natural(got.lastTerm, 'lastTerm'),
      };
    }
    case FrameKind.voteResponse: {
      const got = decodeHeader('vote response', frame.header, decoders.voteResponse);
      return { kind: 'voteResponse', term: natural(got.term, 'term'), preVote: got.preVote, granted: got.granted };
    }
    case FrameKind.appendResponse:
      return decodeAppendResponse(frame.header);
    case FrameKind.heartbeat: {
      const got = decodeHeader('heartbeat', frame.header, decoders.heartbeat);
      return {
        kind: 'heartbeat',
        term: natural(got.term, 'term'),
        commitIndex: natural(got.commitIndex, 'commitIndex'),
        round: natural(got.round, 'round'),
      };
    }
    case FrameKind.heartbeatResponse: {
      const got = decodeHeader('heartbeat response', frame.header, decoders.heartbeatResponse);
      return { kind: 'heartbeatResponse', term: natural(got.term, 'term'), round: natural(got.round, 'round') };
    }
    case FrameKind.readIndexRequest: {
      const got = decodeHeader('read index request', frame.header, decoders.readIndexRequest);
      return { kind: 'readIndexRequest', term: natural(got.term, 'term'), id: natural(got.id, 'id') };
    }
    case FrameKind.readIndexResponse: {
      const got = decodeHeader('read index response', frame.header, decoders.readIndexResponse);
      return {
        kind: 'readIndexResponse',
        term: natural(got.term, 'term'),
        id: natural(got.id, 'id'),
        index: natural(got.index, 'index'),
      };
    }
    case FrameKind.timeoutNow: {
      const got = decodeHeader('timeout now', frame.header, decoders.timeoutNow);
      return { kind: 'timeoutNow', term: natural(got.term, 'term') };
    }
    default:
      throw new PeerProtocolError('FRAME_KIND', `frame kind ${String(frame.kind)} is no Raft message`);
  }
}

/** One function object each, not one per call. */
const decoders = {
  voteRequest: (bytes: Uint8Array) => wire.VoteRequest.decode(bytes),
  voteResponse: (bytes: Uint8Array) => wire.VoteResponse.decode(bytes),
  appendRequest: (bytes: Uint8Array) => wire.AppendRequest.decode(bytes),
  appendResponse: (bytes: Uint8Array) => wire.AppendResponse.decode(bytes),
  heartbeat: (bytes: Uint8Array) => wire.Heartbeat.decode(bytes),
  heartbeatResponse: (bytes: Uint8Array) => wire.HeartbeatResponse.decode(bytes),
  readIndexRequest: (bytes: Uint8Array) => wire.ReadIndexRequest.decode(bytes),
  readIndexResponse: (bytes: Uint8Array) => wire.ReadIndexResponse.decode(bytes),
  timeoutNow: (bytes: Uint8Array) => wire.TimeoutNow.decode(bytes),
};

function decodeAppendResponse(header: Uint8Array): AppendResponse {
  const got = decodeHeader('append response', header, decoders.appendResponse);
  return {
    kind: 'appendResponse',
    term: natural(got.term, 'term'),
    round: natural(got.round, 'round'),
    success: got.success,
    matchIndex: natural(got.matchIndex, 'matchIndex'),
    hintIndex: natural(got.hintIndex, 'hintIndex'),
    hintTerm: natural(got.hintTerm, 'hintTerm'),
  };
}

function decodeAppend(frame: Frame): AppendRequest {
  const got = decodeHeader('append request', frame.header, decoders.appendRequest);
  const { attachment } = frame;
  const prevIndex = natural(got.prevIndex, 'prevIndex');
  natural(prevIndex + got.entries.length, 'index of the last entry');
  const entries = new Array<Entry>(got.entries.length);
  let at = 0;
  let begin = 0;
  for (const entry of got.entries) {
    const end = begin + (entry.length ?? 0);
    if (end > attachment.length) {
      throw new PeerProtocolError('ATTACHMENT', `entries reach beyond ${String(attachment.length)} bytes`);
    }
    entries[at] = {
      index: prevIndex + at + 1,
      term: natural(entry.term ?? 0, 'entry term'),
      type: entryType(entry.type ?? 0),
      stampMs: natural(entry.stampMs ?? 0, 'entry stampMs'),
      data: attachment.subarray(begin, end),
    };
    at++;
    begin = end;
  }
  if (begin !== attachment.length) {
    throw new PeerProtocolError('ATTACHMENT', `${String(attachment.length - begin)} bytes belong to no entry`);
  }
  return {
    kind: 'appendRequest',
    term: natural(got.term, 'term'),
    prevIndex,
    prevTerm: natural(got.prevTerm, 'prevTerm'),
    commitIndex: natural(got.commitIndex, 'commitIndex'),
    round: natural(got.round, 'round'),
    entries,
  };
}

function entryType(value: number): EntryType {
  if (value > MAX_ENTRY_TYPE) throw new PeerProtocolError('HEADER', `entry type ${String(value)} is unknown`);
  return value as EntryType;
}
