import { connackReturnCode, PROTOCOL_ERRORS, ProtocolError, ReasonCode, reasonName } from '@quorate/protocol';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('mqtt reason codes');

test('every code of the specification is there', () => {
  const codes = new Set<number>(Object.values(ReasonCode));
  const expected = [0x00, 0x01, 0x02, 0x04, 0x10, 0x11, 0x18, 0x19];
  for (let code = 0x80; code <= 0xa2; code++) expected.push(code);
  assert.equal(
    [...codes].sort((a, b) => a - b),
    expected,
  );
});

test('names', () => {
  assert.is(reasonName(0x00), 'success');
  assert.is(reasonName(0x02), 'granted QoS 2');
  assert.is(reasonName(0x87), 'not authorized');
  assert.is(reasonName(0x9b), 'QoS not supported');
  assert.is(reasonName(0x8d), 'keep alive timeout');
  assert.is(reasonName(0x7b), 'reason code 0x7b');
});

test('3.x return codes', () => {
  const expected: readonly [reasonCode: number, returnCode: number][] = [
    [ReasonCode.success, 0],
    [ReasonCode.unsupportedProtocolVersion, 1],
    [ReasonCode.clientIdentifierNotValid, 2],
    [ReasonCode.serverUnavailable, 3],
    [ReasonCode.serverBusy, 3],
    [ReasonCode.useAnotherServer, 3],
    [ReasonCode.connectionRateExceeded, 3],
    [ReasonCode.unspecifiedError, 3],
    [ReasonCode.badUserNameOrPassword, 4],
    [ReasonCode.badAuthenticationMethod, 4],
    [ReasonCode.notAuthorized, 5],
    [ReasonCode.banned, 5],
  ];
  for (const [reasonCode, returnCode] of expected)
    assert.is(connackReturnCode(reasonCode), returnCode, reasonName(reasonCode));
  for (let code = 0x80; code <= 0xff; code++) {
    assert.ok(connackReturnCode(code) >= 1 && connackReturnCode(code) <= 5, 'a refusal stays a refusal');
  }
});

test('errors carry their code, reason code and detail', () => {
  const error = new ProtocolError('PACKET_TOO_LARGE', '5 of at most 4 bytes');
  assert.is(error.code, 'PACKET_TOO_LARGE');
  assert.is(error.reasonCode, ReasonCode.packetTooLarge);
  assert.is(error.protocolVersion, null);
  assert.is(error.name, 'ProtocolError');
  assert.match(error.message, 'larger than the maximum packet size: 5 of at most 4 bytes');
  for (const [code, [reasonCode]] of Object.entries(PROTOCOL_ERRORS)) {
    assert.match(code, /^[A-Z][A-Z0-9_]*$/);
    assert.ok(reasonCode >= 0x80);
  }
});

test.run();
