import { encodeConnect, encodePublish, encodeSubscribe, Framer, Packet, ProtocolError } from '@quorate/bench';
import fc from 'fast-check';
import { assert, suite } from '../../support/suite.ts';

const test = suite('bench codec');

interface Seen {
  readonly header: number;
  readonly body: string;
}

/** Feeds `stream` in pieces that end at `cuts`, out of one reused read buffer as sockets do. */
function frame(stream: Buffer, cuts: readonly number[], framer = new Framer()): Seen[] {
  const seen: Seen[] = [];
  const readBuffer = Buffer.alloc(stream.length);
  const sink = {
    packet(header: number, buffer: Buffer, start: number, end: number) {
      seen.push({ header, body: buffer.toString('hex', start, end) });
      return true;
    },
  };
  const ends = [...new Set([...cuts, stream.length])].sort((a, b) => a - b);
  let from = 0;
  for (const end of ends) {
    readBuffer.fill(0xee);
    stream.copy(readBuffer, 0, from, end);
    framer.push(readBuffer, end - from, sink);
    from = end;
  }
  return seen;
}

/** A packet with a body of `size` bytes. */
function packet(header: number, size: number): Buffer {
  const length: number[] = [];
  let rest = size;
  do {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    rest >>>= 7;
  } while (rest > 0);
  return Buffer.concat([Buffer.from([header, ...length]), Buffer.alloc(size, size & 0xff)]);
}

test('hands over the same packets wherever the stream is cut', () => {
  const sizes = fc.array(fc.constantFrom(0, 1, 2, 5, 126, 127, 128, 300, 1022, 1100, 16_383, 16_384), { maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.array(fc.nat(40_000), { maxLength: 12 }), (lengths, cuts) => {
      const stream = Buffer.concat(lengths.map((size, i) => packet(0x30 + (i & 1), size)));
      const seen = frame(
        stream,
        cuts.filter((cut) => cut < stream.length),
      );
      assert.equal(
        seen,
        lengths.map((size, i) => ({
          header: 0x30 + (i & 1),
          body: Buffer.alloc(size, size & 0xff).toString('hex'),
        })),
      );
    }),
    { numRuns: 300 },
  );
});

test('hands over the same packets when every byte comes alone', () => {
  const stream = Buffer.concat([packet(0x40, 2), packet(0x30, 200), packet(0xd0, 0), packet(0x30, 2000)]);
  const cuts = Array.from({ length: stream.length }, (_, i) => i + 1);
  assert.equal(frame(stream, cuts), frame(stream, []));
  assert.is(frame(stream, cuts).length, 4);
});

test('stops when the sink says so', () => {
  let packets = 0;
  const stream = Buffer.concat([packet(0x40, 2), packet(0x40, 2), packet(0x40, 2)]);
  new Framer().push(stream, stream.length, { packet: () => ++packets < 2 });
  assert.is(packets, 2);
});

test('refuses a Remaining Length of five bytes [MQTT-2.2.3], whole or cut', () => {
  const bytes = Buffer.from([0x30, 0xff, 0xff, 0xff, 0xff, 0x01]);
  assert.throws(
    () => frame(bytes, []),
    (error: Error) => error instanceof ProtocolError,
  );
  assert.throws(
    () => frame(bytes, [1, 2, 3, 4, 5]),
    (error: Error) => error instanceof ProtocolError,
  );
});

test('refuses a packet over its limit before it has stored it', () => {
  assert.throws(() => frame(packet(0x30, 200), [3], new Framer(100)), /over the limit of 100/);
});

test('encodes CONNECT as section 3.1 lays it out', () => {
  const clean = '101000044d5154540402003c0004' + Buffer.from('id-1').toString('hex');
  assert.is(encodeConnect('id-1', true, 60).toString('hex'), clean);
  assert.is(encodeConnect('id-1', false, 60)[9], 0);
});

test('encodes SUBSCRIBE as section 3.8 lays it out', () => {
  assert.is(encodeSubscribe(10, 'a/b', 1).toString('hex'), '8208000a0003612f6201');
});

test('encodes PUBLISH with the offsets to patch', () => {
  const payload = Buffer.alloc(300, 7);
  const qos1 = encodePublish('t', 1, payload);
  assert.is(qos1.bytes.toString('hex', 0, 8), '32b1020001740000');
  assert.is(qos1.packetIdOffset, 6);
  assert.is(qos1.payloadOffset, 8);
  assert.is(qos1.bytes.length, 308);
  const qos0 = encodePublish('t', 0, payload);
  assert.is(qos0.packetIdOffset, -1);
  assert.is(qos0.payloadOffset, 6);
  assert.is((qos0.bytes[0] as number) & 0xf0, Packet.publish);
  // What is encoded is also read back.
  assert.is(frame(qos1.bytes, [5])[0]?.body.length, 2 * 305);
});

test.run();
