import {
  decodeSnapshotMessage,
  encodeSnapshotMessage,
  MAX_SNAPSHOT_CHUNK_BYTES,
  MAX_SNAPSHOT_CONFIGURATION_BYTES,
  PeerProtocolError,
  type SnapshotMessage,
} from '@quorate/protocol';
import fc from 'fast-check';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import { natural } from './arbitraries.ts';

const test = suite('peer protocol: snapshot messages');

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PeerProtocolError && error.code === code;
}

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const bytes = fc.uint8Array({ maxLength: 300 });
const offset = fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 32, 2 ** 52));

const anyMessage: fc.Arbitrary<SnapshotMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('offer' as const),
    term: natural,
    id,
    index: natural,
    snapshotTerm: natural,
    stampMs: natural,
    configuration: bytes,
    clusterId: fc.string({ maxLength: 64 }),
    machineVersion: fc.nat(0xffffffff),
    sizeBytes: natural,
  }),
  fc.record({ kind: fc.constant('progress' as const), id, offset: natural }),
  fc.record({ kind: fc.constant('chunk' as const), id, term: natural, offset, data: bytes }),
  fc.record({
    kind: fc.constant('result' as const),
    id,
    ok: fc.boolean(),
    code: fc.constantFrom('', 'SNAPSHOT_BROKEN'),
    reason: fc.string({ maxLength: 200 }),
  }),
);

/** Views become plain arrays, so that a Buffer equals a Uint8Array. */
function plain(message: SnapshotMessage): unknown {
  if (message.kind === 'offer') return { ...message, configuration: [...message.configuration] };
  return message.kind === 'chunk' ? { ...message, data: [...message.data] } : { ...message };
}

const chunk = {
  kind: 'chunk',
  id: 'ab'.repeat(16),
  term: 3,
  offset: 100,
  data: Uint8Array.of(1, 2, 3),
} as const satisfies SnapshotMessage;

const offer = {
  kind: 'offer',
  term: 3,
  id: 'ab'.repeat(16),
  index: 9,
  snapshotTerm: 2,
  stampMs: 5,
  configuration: Uint8Array.of(7),
  clusterId: 'c',
  machineVersion: 1,
  sizeBytes: 1000,
} as const satisfies SnapshotMessage;

const result = { kind: 'result', id: 'ab'.repeat(16), ok: false, code: 'FULL', reason: '' } as const;

test('every message survives the wire', () => {
  fc.assert(
    fc.property(anyMessage, (sent) => {
      const payload = Buffer.concat(encodeSnapshotMessage(sent));
      assert.equal(plain(decodeSnapshotMessage(payload)), plain(sent));
      // As a view somewhere in a larger buffer, and not as a Buffer.
      const shifted = new Uint8Array(payload.length + 5);
      shifted.set(payload, 3);
      assert.equal(plain(decodeSnapshotMessage(shifted.subarray(3, 3 + payload.length))), plain(sent));
    }),
    { seed: seedFor('snapshot round trip'), numRuns: 500 },
  );
});

test('the data of a chunk are copied by neither side', () => {
  const pieces = encodeSnapshotMessage(chunk);
  assert.is(pieces.at(-1), chunk.data);
  const payload = Buffer.concat(pieces);
  const got = decodeSnapshotMessage(payload);
  assert.is(got.kind === 'chunk' && got.data.buffer, payload.buffer);
});

test('mutated and cut payloads throw a PeerProtocolError or decode, nothing else', () => {
  const change = fc.tuple(fc.nat(), fc.nat(255));
  fc.assert(
    fc.property(anyMessage, fc.array(change, { maxLength: 5 }), fc.nat(), (sent, changes, cut) => {
      const payload = Buffer.concat(encodeSnapshotMessage(sent));
      for (const [at, value] of changes) payload[at % payload.length] = value;
      for (const input of [payload, payload.subarray(0, cut % payload.length)]) {
        try {
          decodeSnapshotMessage(input);
        } catch (error) {
          if (!(error instanceof PeerProtocolError)) throw error;
        }
      }
    }),
    { seed: seedFor('snapshot mutation'), numRuns: 3000 },
  );
});

test('what is too large or out of range is the fault of the sender', () => {
  const big = new Uint8Array(MAX_SNAPSHOT_CHUNK_BYTES + 1);
  const wide = new Uint8Array(MAX_SNAPSHOT_CONFIGURATION_BYTES + 1);
  const faults: SnapshotMessage[] = [
    { ...chunk, data: big },
    { ...chunk, offset: Number.MAX_SAFE_INTEGER - 1 },
    { ...chunk, id: 'AB'.repeat(16) },
    { ...chunk, term: -1 },
    { ...offer, configuration: wide },
    { ...offer, stampMs: 1.5 },
    { ...offer, machineVersion: 2 ** 32 },
    { ...offer, clusterId: 'c'.repeat(257) },
    { ...result, code: 'C'.repeat(65) },
  ];
  for (const [at, fault] of faults.entries()) {
    assert.throws(
      () => encodeSnapshotMessage(fault),
      (error: unknown) => error instanceof RangeError,
      String(at),
    );
  }
  assert.is(
    decodeSnapshotMessage(Buffer.concat(encodeSnapshotMessage({ ...chunk, data: big.subarray(1) }))).kind,
    'chunk',
  );
  const largest = decodeSnapshotMessage(
    Buffer.concat(encodeSnapshotMessage({ ...offer, configuration: wide.subarray(1) })),
  );
  assert.is(largest.kind, 'offer');
  const long = decodeSnapshotMessage(Buffer.concat(encodeSnapshotMessage({ ...result, reason: 'r'.repeat(2000) })));
  assert.is(long.kind === 'result' && long.reason.length, 1024, 'a long sentence is cut, its answer not lost');
});

test('what is too large or out of range is refused by the receiver', () => {
  const join = (pieces: readonly Uint8Array[], more: Uint8Array): Buffer => Buffer.concat([...pieces, more]);
  const filler = new Uint8Array(MAX_SNAPSHOT_CHUNK_BYTES - 2);
  assert.throws(() => decodeSnapshotMessage(join(encodeSnapshotMessage(chunk), filler)), isCode('ATTACHMENT'));
  const tail = Uint8Array.of(1);
  assert.throws(() => decodeSnapshotMessage(join(encodeSnapshotMessage(offer), tail)), isCode('ATTACHMENT'));
  const last = encodeSnapshotMessage({ ...chunk, offset: Number.MAX_SAFE_INTEGER - 3 });
  assert.throws(() => decodeSnapshotMessage(join(last, tail)), isCode('HEADER'));
  assert.throws(() => decodeSnapshotMessage(Buffer.alloc(3)), isCode('HEADER'));
  assert.throws(() => decodeSnapshotMessage(Buffer.alloc(4)), isCode('HEADER'));
  assert.throws(() => decodeSnapshotMessage(Buffer.from([0, 0, 0, 1])), /header length 1 in 4 bytes/);
  const wide = Buffer.alloc(4 + 1024 * 1024 + 1);
  wide.writeUInt32BE(wide.length - 4, 0);
  assert.throws(() => decodeSnapshotMessage(wide), /header length 1048577 in 1048581 bytes/);
  const named = Buffer.concat(encodeSnapshotMessage(chunk));
  named[named.indexOf('ab')] = 'x'.charCodeAt(0);
  assert.throws(() => decodeSnapshotMessage(named), isCode('HEADER'));
  const shouting = Buffer.concat(encodeSnapshotMessage({ ...result, code: 'C'.repeat(64) }));
  shouting.writeUInt32BE(shouting.readUInt32BE(0) + 1, 0);
  // One more character in the code: the lengths of the result and of the code grow by one.
  const at = shouting.indexOf(Buffer.from([0x1a, 64]));
  shouting[5] = (shouting[5] ?? 0) + 1;
  shouting[at + 1] = 65;
  const longer = Buffer.concat([shouting.subarray(0, at + 2), Buffer.from('C'), shouting.subarray(at + 2)]);
  assert.throws(() => decodeSnapshotMessage(longer), /code of 65 characters/);
});

test.run();
