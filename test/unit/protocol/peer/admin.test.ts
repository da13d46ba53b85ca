import {
  type AdminRequest,
  decodeAdminRequest,
  decodeAdminResponse,
  encodeAdminRequest,
  encodeAdminResponse,
  PeerProtocolError,
} from '@quorate/protocol';
import fc from 'fast-check';
import { seedFor } from '../../../support/seed.ts';
import { assert, suite } from '../../../support/suite.ts';
import { natural } from './arbitraries.ts';

const test = suite('peer protocol: admin messages');

function isRange(error: unknown): boolean {
  return error instanceof RangeError;
}

const nodeId = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/);
const peer = fc.string({ minLength: 1, maxLength: 200 });

const request: fc.Arbitrary<AdminRequest> = fc.oneof(
  fc.record({
    id: natural,
    kind: fc.constant('join' as const),
    nodeId,
    peer,
    voter: fc.boolean(),
    replaces: fc.option(nodeId),
  }),
  fc.record({ id: natural, kind: fc.constant('remove' as const), nodeId }),
  fc.record({ id: natural, kind: fc.constant('transfer' as const), to: fc.option(nodeId) }),
);

const join = { id: 1, kind: 'join', nodeId: 'n4', peer: 'n4:7000', voter: true, replaces: null } as const;

test('every request survives the wire', () => {
  fc.assert(
    fc.property(request, (sent) => {
      assert.equal(decodeAdminRequest(encodeAdminRequest(sent)), { ...sent });
    }),
    { seed: seedFor('admin request'), numRuns: 500 },
  );
});

test('every response survives the wire', () => {
  const response = fc.record({
    id: natural,
    ok: fc.boolean(),
    code: fc.constantFrom('', 'NOT_LEADER'),
    reason: fc.string({ maxLength: 300 }),
  });
  fc.assert(
    fc.property(response, (sent) => {
      assert.equal(decodeAdminResponse(encodeAdminResponse(sent)), { ...sent });
    }),
    { seed: seedFor('admin response'), numRuns: 300 },
  );
  const long = encodeAdminResponse({ id: 1, ok: false, code: 'X', reason: 'r'.repeat(5000) });
  assert.is(decodeAdminResponse(long).reason.length, 1024);
});

test('random and mutated bytes throw a PeerProtocolError or decode, nothing else', () => {
  const mutated = fc
    .tuple(request, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }))
    .map(([sent, changes]) => {
      const bytes = Buffer.from(encodeAdminRequest(sent));
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), mutated), (bytes) => {
      for (const decode of [decodeAdminRequest, decodeAdminResponse]) {
        try {
          decode(bytes);
        } catch (error) {
          if (!(error instanceof PeerProtocolError)) throw error;
        }
      }
    }),
    { seed: seedFor('admin mutation'), numRuns: 3000 },
  );
});

test('what no receiver would take is the fault of the sender', () => {
  const faults: AdminRequest[] = [
    { ...join, nodeId: '' },
    { ...join, nodeId: 'n'.repeat(64) },
    { ...join, nodeId: '-n' },
    { ...join, replaces: '' },
    { ...join, peer: '' },
    { ...join, peer: 'p'.repeat(513) },
    { ...join, id: 2 ** 53 },
    { id: 1, kind: 'remove', nodeId: 'a b' },
    { id: 1, kind: 'transfer', to: '' },
  ];
  for (const [at, fault] of faults.entries()) {
    assert.throws(() => encodeAdminRequest(fault), isRange, String(at));
  }
  assert.throws(() => encodeAdminResponse({ id: 1, ok: true, code: 'C'.repeat(65), reason: '' }), isRange);
  assert.is(decodeAdminRequest(encodeAdminRequest({ ...join, peer: 'p'.repeat(512) })).kind, 'join');
});

test('names and addresses out of bounds are refused by the receiver', () => {
  const field = (tag: number, text: string): Buffer =>
    Buffer.concat([Buffer.from([(tag << 3) | 2]), length(text.length), Buffer.from(text)]);
  const wrapped = (tag: number, body: Buffer): Buffer =>
    Buffer.concat([Buffer.from([8, 1, (tag << 3) | 2]), length(body.length), body]);
  const joinOf = (id: string, at: string, replaces = ''): Buffer =>
    wrapped(2, Buffer.concat([field(1, id), field(2, at), field(4, replaces)]));
  assert.equal(decodeAdminRequest(joinOf('n4', 'n4:7000')), { ...join, voter: false });
  const bad = [
    joinOf('', 'n4:7000'),
    joinOf('n'.repeat(64), 'n4:7000'),
    joinOf('n4', ''),
    joinOf('n4', 'p'.repeat(513)),
    joinOf('n4', 'n4:7000', '../n1'),
    wrapped(3, Buffer.alloc(0)),
    wrapped(4, field(1, 'n 1')),
    Buffer.from([8, 1]),
    Buffer.from([8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0x22, 0]),
  ];
  for (const [at, bytes] of bad.entries()) {
    const isHeader = (error: unknown): boolean => error instanceof PeerProtocolError && error.code === 'HEADER';
    assert.throws(() => decodeAdminRequest(bytes), isHeader, String(at));
  }
  assert.throws(() => decodeAdminResponse(field(3, 'C'.repeat(65))), /code of 65 characters/);
  assert.throws(() => decodeAdminResponse(field(4, 'r'.repeat(1025))), /reason of 1025 characters/);
});

/** A length as a varint, below 2^14. */
function length(value: number): Buffer {
  return Buffer.from(value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
}

test.run();
