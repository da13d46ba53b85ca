import { type ConnectPacket, isPayloadFormatValid } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';
import { bytes, decodeConnectBody, protocolErrorOf } from './support.ts';

const test = suite('mqtt payload format');

test('only an indicator of 1 asks for UTF-8', () => {
  const binary = Uint8Array.of(0x61, 0xff);
  assert.ok(isPayloadFormatValid(binary, null));
  assert.ok(isPayloadFormatValid(binary, { contentType: 'text' }));
  assert.ok(isPayloadFormatValid(binary, { payloadFormatIndicator: 0 }));
  assert.not.ok(isPayloadFormatValid(binary, { payloadFormatIndicator: 1 }));
  for (const text of ['', 'é €', 'a\u0000b']) {
    assert.ok(isPayloadFormatValid(Buffer.from(text), { payloadFormatIndicator: 1 }), text);
  }
});

test('a will whose payload is not what its indicator says is refused with the reason', () => {
  const connect = (payload: Uint8Array): Buffer =>
    bytes('MQTT', 5, 0x06, 0, 0, 0, 'c', bytes(2, 0x01, 1), 'w', bytes(0, payload.length, payload));
  const error = protocolErrorOf(() => decodeConnectBody(connect(bytes(0xc3, 0x28))));
  assert.equal([error.code, error.reasonCode, error.protocolVersion], ['INVALID_PAYLOAD_FORMAT', 0x99, 5]);
  const packet = decodeConnectBody(connect(bytes(0xc3, 0xa9))) as ConnectPacket;
  assert.is(packet.will?.payload.length, 2);
});

test.run();
