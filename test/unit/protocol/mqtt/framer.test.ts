import { PacketFramer, ProtocolError } from '@quorate/protocol';
import fc from 'fast-check';
import { assert, suite } from '../../../support/suite.ts';
import { protocolErrorOf } from './support.ts';

const test = suite('mqtt framer');

interface Frame {
  readonly header: number;
  readonly body: Buffer;
}

function lengthBytes(length: number): number[] {
  const out: number[] = [];
  do {
    const digit = length % 128;
    length = Math.floor(length / 128);
    out.push(length > 0 ? digit + 128 : digit);
  } while (length > 0);
  return out;
}

function encode(frames: readonly Frame[]): Buffer {
  return Buffer.concat(
    frames.map(({ header, body }) => Buffer.concat([Buffer.from([header, ...lengthBytes(body.length)]), body])),
  );
}

function drain(framer: PacketFramer): Frame[] {
  const frames: Frame[] = [];
  while (framer.next()) frames.push({ header: framer.header, body: framer.buffer.subarray(framer.start, framer.end) });
  return frames;
}

function body(size: number, seed = 1): Buffer {
  return Buffer.from(Uint8Array.from({ length: size }, (_, i) => (i * 31 + seed) & 0xff));
}

test('every way to cut a stream in three yields the same packets', () => {
  const frames: Frame[] = [
    { header: 0xc0, body: body(0) },
    { header: 0x30, body: body(5) },
    { header: 0x32, body: body(130) },
    { header: 0xe0, body: body(0) },
  ];
  const stream = encode(frames);
  for (let i = 0; i <= stream.length; i++) {
    for (let j = i; j <= stream.length; j++) {
      const framer = new PacketFramer(1000);
      const got: Frame[] = [];
      for (const chunk of [stream.subarray(0, i), stream.subarray(i, j), stream.subarray(j)]) {
        framer.push(chunk);
        got.push(...drain(framer));
      }
      assert.equal(got, frames);
      assert.is(framer.bufferedBytes, 0);
    }
  }
});

test('any packets in any chunks, drained after every chunk or only now and then', () => {
  const anyBody = fc.oneof(
    fc.uint8Array({ maxLength: 20 }).map((b) => Buffer.from(b)),
    fc.integer({ min: 0, max: 20_000 }).map((size) => body(size)),
  );
  const frame = fc.tuple(fc.integer({ min: 0, max: 255 }), anyBody).map(([header, b]) => ({ header, body: b }));
  const cuts = fc.array(fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.boolean()), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 6 }), cuts, (frames, steps) => {
      const stream = encode(frames);
      const framer = new PacketFramer(1_000_000);
      const got: Frame[] = [];
      let taken = 0;
      for (let at = 0, step = 0; at < stream.length; step++) {
        const [size, drainNow] = steps[step % steps.length]!;
        framer.push(stream.subarray(at, at + size));
        at = Math.min(stream.length, at + size);
        if (drainNow) {
          for (const one of drain(framer)) {
            got.push(one);
            taken += 1 + lengthBytes(one.body.length).length + one.body.length;
          }
        }
        assert.is(framer.bufferedBytes, at - taken, 'bufferedBytes');
      }
      got.push(...drain(framer));
      // Compared only now: no packet's bytes may have been overwritten by a later one.
      assert.equal(got, frames);
      assert.is(framer.bufferedBytes, 0);
    }),
    { numRuns: 200 },
  );
});

test('a packet within a chunk is a view of the chunk', () => {
  const chunk = encode([{ header: 0x30, body: body(100) }]);
  const framer = new PacketFramer(1000);
  framer.push(chunk);
  assert.ok(framer.next());
  assert.is(framer.buffer, chunk);
});

test('lets go of the last chunk when there is no packet', () => {
  const chunk = encode([{ header: 0x30, body: body(100) }]);
  const framer = new PacketFramer(1000);
  framer.push(chunk);
  assert.ok(framer.next());
  assert.not(framer.next());
  assert.is.not(framer.buffer, chunk);
});

test('refuses what is too large as soon as its length is known, before any of its body', () => {
  const announced = Buffer.from([0x30, ...lengthBytes(997)]); // 1 + 2 + 997 = 1000
  const exact = new PacketFramer(1000);
  exact.push(announced);
  assert.not(exact.next());
  const small = new PacketFramer(999);
  small.push(announced);
  const error = protocolErrorOf(() => small.next());
  assert.is(error.code, 'PACKET_TOO_LARGE');
  assert.is(error.reasonCode, 0x95);
  small.push(body(10));
  assert.is(small.bufferedBytes, 0, 'takes no more after a failure');
  assert.is(
    protocolErrorOf(() => small.next()),
    error,
  );
});

test('takes 268,435,455 bytes of remaining length and no fifth byte', () => {
  const largest = new PacketFramer(Number.POSITIVE_INFINITY);
  largest.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
  assert.not(largest.next());
  for (const invalid of [
    [0x30, 0xff, 0xff, 0xff, 0xff],
    [0x30, 0x80, 0x80, 0x80, 0x80, 0x01],
    [0x30, 0x80, 0x00],
    [0x30, 0x81, 0x80, 0x00],
    [0x30, 0xff, 0xff, 0xff, 0x00],
  ]) {
    for (let cut = 0; cut < invalid.length; cut++) {
      const framer = new PacketFramer(Number.POSITIVE_INFINITY);
      const error = protocolErrorOf(() => {
        framer.push(Buffer.from(invalid.slice(0, cut)));
        framer.next();
        framer.push(Buffer.from(invalid.slice(cut)));
        framer.next();
      });
      assert.is(error.code, 'INVALID_REMAINING_LENGTH');
      assert.is(error.reasonCode, 0x81);
    }
  }
});

test('packets before a bad one are still delivered', () => {
  const framer = new PacketFramer(100);
  framer.push(Buffer.concat([encode([{ header: 0xc0, body: body(0) }]), Buffer.from([0x30, 0x80, 0x00])]));
  assert.ok(framer.next());
  assert.throws(
    () => framer.next(),
    (error: unknown) => error instanceof ProtocolError,
  );
});

test('the limit can be raised between packets', () => {
  const frames = [
    { header: 0x10, body: body(50) },
    { header: 0x30, body: body(500) },
  ];
  const framer = new PacketFramer(100);
  framer.push(encode(frames));
  assert.ok(framer.next());
  framer.maxPacketSizeBytes = 1000;
  assert.ok(framer.next());
});

/** Bytes copied and allocated while a packet arrives in chunks of a given size. */
function costOf(sizeBytes: number, chunkBytes: number): { allocated: number; largestHeld: number } {
  const original = Buffer.allocUnsafeSlow;
  let allocated = 0;
  let largestHeld = 0;
  Buffer.allocUnsafeSlow = (size: number) => {
    allocated += size;
    largestHeld = Math.max(largestHeld, size);
    return original(size);
  };
  try {
    const stream = encode([{ header: 0x30, body: Buffer.alloc(sizeBytes) }]);
    const framer = new PacketFramer(sizeBytes + 10);
    let found = false;
    for (let at = 0; at < stream.length; at += chunkBytes) {
      framer.push(stream.subarray(at, at + chunkBytes));
      found = framer.next();
    }
    assert.ok(found);
  } finally {
    Buffer.allocUnsafeSlow = original;
  }
  return { allocated, largestHeld };
}

test('a packet in many chunks costs linear memory traffic and holds no more than the packet', () => {
  for (const chunk of [1, 7, 1460]) {
    const { allocated, largestHeld } = costOf(200_000, chunk);
    assert.ok(allocated <= 3 * 200_000, `${allocated} bytes allocated in chunks of ${chunk}`);
    assert.ok(largestHeld <= 200_000);
  }
});

test('what is announced but not sent is not allocated', () => {
  const original = Buffer.allocUnsafeSlow;
  let allocated = 0;
  Buffer.allocUnsafeSlow = (size: number) => {
    allocated += size;
    return original(size);
  };
  try {
    const framer = new PacketFramer(300_000_000);
    framer.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3]));
    assert.not(framer.next());
    assert.is(framer.bufferedBytes, 8);
  } finally {
    Buffer.allocUnsafeSlow = original;
  }
  assert.ok(allocated <= 1024, `${allocated} bytes`);
});

test.run();
