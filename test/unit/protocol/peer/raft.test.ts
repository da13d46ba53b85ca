import { crc32 } from 'node:zlib';
import type { Entry, Message } from '@quorate/consensus';
import {
  decodeHello,
  decodeHelloReply,
  decodeNodeMessage,
  decodeRaft,
  encodeHello,
  encodeHelloReply,
  encodeNodeMessage,
  encodePing,
  encodeRaft,
  type Frame,
  isRaftFrame,
  PeerProtocolError,
} from '@quorate/protocol';
import fc from 'fast-check';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import { message } from './arbitraries.ts';
import { bytesOf, hello, onlyFrame, readAll } from './support.ts';

const test = suite('peer protocol: messages');

/** Views become plain arrays, so that a Buffer equals a Uint8Array. */
function plain(value: Message): unknown {
  if (value.kind !== 'appendRequest') return { ...value };
  return { ...value, entries: value.entries.map((entry) => ({ ...entry, data: [...entry.data] })) };
}

function resum(bytes: Buffer): void {
  bytes.writeUInt32BE(crc32(bytes.subarray(10), (bytes.readUInt8(4) << 8) | bytes.readUInt8(5)), 6);
}

/** Everything a receiver may try on a frame. */
function decodeAny(frame: Frame): void {
  for (const decode of [decodeRaft, decodeHello, decodeHelloReply, decodeNodeMessage]) {
    try {
      decode(frame);
    } catch (error) {
      if (!(error instanceof PeerProtocolError)) throw error;
    }
  }
}

test('every Raft message survives the wire, however the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 6 }),
      fc.nat(0xffffffff),
      fc.integer({ min: 1, max: 700 }),
      (sent, group, piece) => {
        const bytes = Buffer.concat(sent.map((each) => bytesOf(encodeRaft(each, group))));
        const frames = readAll(bytes, piece);
        assert.equal(
          frames.map((frame) => frame.group),
          sent.map(() => group),
        );
        assert.ok(frames.every(isRaftFrame));
        assert.equal(
          frames.map((frame) => plain(decodeRaft(frame))),
          sent.map(plain),
        );
      },
    ),
    { seed: seedFor('round trip'), numRuns: 300 },
  );
});

test('mutated frames throw a PeerProtocolError or decode, nothing else', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(message, fc.array(change, { minLength: 1, maxLength: 6 }), fc.boolean(), (sent, changes, sumFits) => {
      const bytes = bytesOf(encodeRaft(sent));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      // With a checksum that fits, the mutation reaches the decoders behind it.
      if (sumFits) {
        bytes.writeUInt32BE(bytes.length - 4, 0);
        resum(bytes);
      }
      try {
        for (const frame of readAll(bytes)) decodeAny(frame);
      } catch (error) {
        if (!(error instanceof PeerProtocolError)) throw error;
      }
    }),
    { seed: seedFor('mutation'), numRuns: 3000 },
  );
});

test('random headers throw a PeerProtocolError or decode, nothing else', () => {
  const bytes = fc.uint8Array({ maxLength: 60 });
  fc.assert(
    fc.property(fc.nat(255), bytes, bytes, (kind, header, attachment) => {
      decodeAny({ kind, group: 0, header, attachment });
    }),
    { seed: seedFor('random headers'), numRuns: 3000 },
  );
});

test('64-bit fields are plain numbers, up to 2^53 - 1 and no further', () => {
  const sent: Message = { kind: 'timeoutNow', term: Number.MAX_SAFE_INTEGER };
  assert.is(decodeRaft(onlyFrame(encodeRaft(sent))).term, Number.MAX_SAFE_INTEGER);
  assert.throws(() => encodeRaft({ kind: 'timeoutNow', term: 2 ** 53 }), /term is 9007199254740992/);
  assert.throws(() => encodeRaft({ kind: 'timeoutNow', term: 1.5 }), /term is 1.5/);
  // Field 1 as the varint of 2^53.
  const header = Uint8Array.of(8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10);
  const { kind, group, attachment } = onlyFrame(encodeRaft(sent));
  assert.throws(() => decodeRaft({ kind, group, header, attachment }), isCode('HEADER'));
});

test('entry data is neither copied by the sender nor by the receiver', () => {
  const data = Uint8Array.of(1, 2, 3, 4);
  const entry = { index: 8, term: 2, type: 1, stampMs: 5, data } as const;
  const encoded = encodeRaft({
    kind: 'appendRequest',
    term: 2,
    prevIndex: 7,
    prevTerm: 1,
    commitIndex: 6,
    round: 0,
    entries: [entry],
  });
  assert.is(encoded.attachments[0], data);
  const frame = onlyFrame(encoded);
  const got = decodeRaft(frame);
  assert.is(got.kind === 'appendRequest' && got.entries[0]?.data.buffer, frame.attachment.buffer);
});

test('an attachment that does not fit the entries is refused', () => {
  const entry = { index: 1, term: 1, type: 1, stampMs: 0, data: Uint8Array.of(1, 2, 3) } as const;
  const frame = onlyFrame(
    encodeRaft({
      kind: 'appendRequest',
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      commitIndex: 0,
      round: 0,
      entries: [entry],
    }),
  );
  assert.throws(() => decodeRaft({ ...frame, attachment: Uint8Array.of(1, 2) }), isCode('ATTACHMENT'));
  assert.throws(() => decodeRaft({ ...frame, attachment: Uint8Array.of(1, 2, 3, 4) }), isCode('ATTACHMENT'));
  const vote = onlyFrame(encodeRaft({ kind: 'timeoutNow', term: 1 }));
  assert.throws(() => decodeRaft({ ...vote, attachment: Uint8Array.of(1) }), isCode('ATTACHMENT'));
});

test('an entry of a type that this version does not know is refused', () => {
  const entry = { index: 1, term: 1, type: 3, stampMs: 0, data: Uint8Array.of(1) } as unknown as Entry;
  const base = { kind: 'appendRequest', term: 1, prevIndex: 0, prevTerm: 0, commitIndex: 0, round: 0 } as const;
  const frame = onlyFrame(encodeRaft({ ...base, entries: [entry] }));
  assert.throws(() => decodeRaft(frame), isCode('HEADER'));
});

test('an append request with a hole is a fault of the sender', () => {
  const entry = { index: 9, term: 1, type: 1, stampMs: 0, data: Uint8Array.of(1) } as const;
  assert.throws(
    () =>
      encodeRaft({
        kind: 'appendRequest',
        term: 1,
        prevIndex: 7,
        prevTerm: 1,
        commitIndex: 0,
        round: 0,
        entries: [entry],
      }),
    /entry 9 where 8 belongs/,
  );
});

test('handshake and node messages survive the wire', () => {
  assert.equal(decodeHello(onlyFrame(encodeHello(hello))), hello);
  const accepted = { rejection: null, hello };
  assert.equal(decodeHelloReply(onlyFrame(encodeHelloReply(accepted))), accepted);
  const rejected = { rejection: { code: 'WRONG_CLUSTER', reason: 'other cluster' }, hello };
  assert.equal(decodeHelloReply(onlyFrame(encodeHelloReply(rejected))), rejected);
  const sent = encodeNodeMessage(7, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
  const got = decodeNodeMessage(onlyFrame(sent));
  assert.is(got.channel, 7);
  assert.equal([...got.payload], [1, 2, 3]);
});

test('a handshake with a field beyond its bound is refused', () => {
  assert.throws(() => decodeHello(onlyFrame(encodeHello({ ...hello, nodeId: '' }))), isCode('HEADER'));
  assert.throws(() => decodeHello(onlyFrame(encodeHello({ ...hello, clusterId: 'x'.repeat(5000) }))), isCode('HEADER'));
  assert.throws(() => decodeHello(onlyFrame(encodePing())), isCode('FRAME_KIND'));
  const faults = [
    { incarnation: '' },
    { incarnation: '-1' },
    { incarnation: '01' },
    { incarnation: '1e3' },
    { incarnation: '9007199254740992' },
    { directoryId: 'abc' },
    { directoryId: 'A'.repeat(32) },
    { purpose: 2 as 0 },
    { nodeId: 'n 1' },
    { nodeId: 'n'.repeat(64) },
  ];
  for (const fault of faults) {
    const frame = onlyFrame(encodeHello({ ...hello, ...fault }));
    assert.throws(() => decodeHello(frame), isCode('HEADER'), JSON.stringify(fault));
  }
  const largest = { ...hello, incarnation: '9007199254740991', directoryId: '', purpose: 1, founded: false } as const;
  assert.equal(decodeHello(onlyFrame(encodeHello(largest))), largest);
});

test('a hello of another version is read, so that it can be told so', () => {
  const other = { ...hello, protocolVersion: 2, incarnation: 'seven', directoryId: 'mine' };
  assert.equal(decodeHello(onlyFrame(encodeHello(other))), other);
});

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PeerProtocolError && error.code === code;
}

test.run();
