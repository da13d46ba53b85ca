import type { Entry, Message } from '@quorate/consensus';
import fc from 'fast-check';

/** Any number that the wire carries, with the corners of varints and of 2^53 among them. */
export const natural = fc.oneof(
  fc.maxSafeNat(),
  fc.nat(),
  fc.constantFrom(0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1, 2 ** 32, Number.MAX_SAFE_INTEGER),
);

const entryBody = fc.record({
  term: natural,
  type: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
  stampMs: natural,
  data: fc.uint8Array({ maxLength: 200 }),
});

const appendRequest = fc
  .record({
    term: natural,
    prevIndex: fc.oneof(fc.nat(), fc.constantFrom(0, 2 ** 32, 2 ** 52)),
    prevTerm: natural,
    commitIndex: natural,
    round: natural,
    bodies: fc.array(entryBody, { maxLength: 12 }),
  })
  .map(({ bodies, ...rest }): Message => {
    const entries = bodies.map((body, at): Entry => ({ index: rest.prevIndex + at + 1, ...body }));
    return { kind: 'appendRequest', ...rest, entries };
  });

/** Any Raft message. */
export const message: fc.Arbitrary<Message> = fc.oneof(
  appendRequest,
  fc.record({
    kind: fc.constant('voteRequest' as const),
    term: natural,
    preVote: fc.boolean(),
    transfer: fc.boolean(),
    lastIndex: natural,
    lastTerm: natural,
  }),
  fc.record({
    kind: fc.constant('voteResponse' as const),
    term: natural,
    preVote: fc.boolean(),
    granted: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('appendResponse' as const),
    term: natural,
    round: natural,
    success: fc.boolean(),
    matchIndex: natural,
    hintIndex: natural,
    hintTerm: natural,
  }),
  fc.record({ kind: fc.constant('heartbeat' as const), term: natural, commitIndex: natural, round: natural }),
  fc.record({ kind: fc.constant('heartbeatResponse' as const), term: natural, round: natural }),
  fc.record({ kind: fc.constant('readIndexRequest' as const), term: natural, id: natural }),
  fc.record({ kind: fc.constant('readIndexResponse' as const), term: natural, id: natural, index: natural }),
  fc.record({ kind: fc.constant('timeoutNow' as const), term: natural }),
);
