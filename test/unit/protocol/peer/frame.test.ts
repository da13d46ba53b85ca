import { encodeNodeMessage, encodePing, FRAME_PREFIX_BYTES, FrameReader, PeerProtocolError } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { bytesOf, readAll } from './support.ts';

const test = suite('peer protocol: frames');

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PeerProtocolError && error.code === code;
}

const payload = new Uint8Array(300).map((_, at) => at);

test('frames come out the same for every way to cut the stream', () => {
  const bytes = Buffer.concat([encodePing(), encodeNodeMessage(3, payload), encodePing()].map(bytesOf));
  const whole = readAll(bytes);
  assert.is(whole.length, 3);
  assert.is(bytesOf(encodePing()).length, FRAME_PREFIX_BYTES);
  for (let piece = 1; piece <= bytes.length; piece++) {
    const frames = readAll(bytes, piece);
    assert.equal(
      frames.map((frame) => frame.kind),
      whole.map((frame) => frame.kind),
    );
    assert.equal([...(frames[1]?.attachment ?? [])], [...payload]);
  }
});

test('a frame beyond the cap is refused as soon as its length is known', () => {
  const length = Buffer.from([0x7f, 0xff, 0xff, 0xff]);
  assert.throws(() => readAll(length), isCode('FRAME_LENGTH'));
  assert.throws(() => readAll(length, 1), isCode('FRAME_LENGTH'));
  const bytes = bytesOf(encodeNodeMessage(1, payload));
  assert.is(readAll(bytes, bytes.length, bytes.length).length, 1);
  assert.throws(() => readAll(bytes, bytes.length, bytes.length - 1), isCode('FRAME_LENGTH'));
});

test('a frame too short for its prefix is refused', () => {
  for (let length = 0; length < FRAME_PREFIX_BYTES - 4; length++) {
    assert.throws(() => readAll(Buffer.from([0, 0, 0, length])), isCode('FRAME_LENGTH'));
  }
});

test('a changed bit anywhere is noticed', () => {
  const bytes = bytesOf(encodeNodeMessage(1, payload.subarray(0, 20)));
  for (let bit = 32; bit < bytes.length * 8; bit++) {
    const changed = Buffer.from(bytes);
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    const code = bit >> 3 === 4 ? 'FRAME_VERSION' : 'FRAME_CHECKSUM';
    assert.throws(() => readAll(changed), isCode(code), `bit ${String(bit)}`);
  }
});

test('nothing is read after the callback says stop', () => {
  const bytes = Buffer.concat([bytesOf(encodePing()), Buffer.alloc(40, 0xff)]);
  let frames = 0;
  new FrameReader({ maxFrameBytes: 100 }).push(bytes, () => {
    frames++;
    return false;
  });
  assert.is(frames, 1);
  const reader = new FrameReader({ maxFrameBytes: 100 });
  reader.push(bytes.subarray(0, 6), () => true);
  reader.push(bytes.subarray(6), () => {
    frames++;
    return false;
  });
  assert.is(frames, 2);
});

test('an empty payload changes no checksum, also one whose buffer was looked at', () => {
  const empty = new Uint8Array(0);
  assert.is(empty.buffer.byteLength, 0);
  const frames = readAll(bytesOf(encodeNodeMessage(9, empty)));
  assert.is(frames.length, 1);
  assert.is(frames[0]?.attachment.length, 0);
});

test.run();
