import fc from 'fast-check';
import {
  type ProxyHeader,
  parseProxyHeader,
  V2_MAX_BYTES,
} from '../../../../packages/node/src/listener/proxy-header.ts';
import { assert, suite } from '../../../support/suite.ts';
import { proxyV2 } from './proxy-bytes.ts';

const test = suite('PROXY header');

const parse = (text: string): ProxyHeader => parseProxyHeader(Buffer.from(text, 'latin1'));

function header(bytes: Buffer): { sizeBytes: number; client: string | null } {
  const found = parseProxyHeader(bytes);
  if (found.kind !== 'header') throw new Error(`${found.kind}: ${JSON.stringify(found)}`);
  return { sizeBytes: found.sizeBytes, client: found.client };
}

const clientOf = (text: string): string | null => header(Buffer.from(text, 'latin1')).client;

test('version 1 names the client', () => {
  assert.is(clientOf('PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n'), '192.0.2.7:56324');
  assert.is(clientOf('PROXY TCP6 2001:db8::1 ::1 0 65535\r\n'), '[2001:db8::1]:0');
  assert.is(clientOf('PROXY TCP6 ::ffff:192.0.2.7 ::1 9 1883\r\n'), '192.0.2.7:9');
});

test('version 1 without an address leaves that of the connection', () => {
  assert.is(clientOf('PROXY UNKNOWN\r\n'), null);
  assert.is(clientOf('PROXY UNKNOWN ffff::1 who knows 1 2 3\r\n'), null);
});

test('version 1 that is not as it has to be', () => {
  const lines = [
    'PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 5\r\n',
    'PROXY TCP4 192.0.2.7  198.51.100.1 56324 443\r\n',
    'PROXY TCP4 192.0.2.300 198.51.100.1 56324 443\r\n',
    'PROXY TCP4 2001:db8::1 ::1 56324 443\r\n',
    'PROXY TCP6 192.0.2.7 198.51.100.1 56324 443\r\n',
    'PROXY TCP6 fe80::1%eth0 ::1 56324 443\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 056 443\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 -1 443\r\n',
    'PROXY UDP4 192.0.2.7 198.51.100.1 56324 443\r\n',
    'PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n',
    'PROXY \r\n',
    'PROXY \n',
    `PROXY UNKNOWN ${'x'.repeat(100)}\r\n`,
    'proxy TCP4 192.0.2.7 198.51.100.1 56324 443\r\n',
    'GET / HTTP/1.1\r\n',
    '\x10\x10\x00\x04MQTT',
  ];
  for (const line of lines) assert.is(parse(line).kind, 'invalid', JSON.stringify(line));
});

test('version 1 has 107 bytes at most', () => {
  const longest = `PROXY UNKNOWN ${'x'.repeat(91)}\r\n`;
  assert.is(longest.length, 107);
  assert.is(parse(longest).kind, 'header');
  assert.is(parse(longest.slice(0, 106)).kind, 'incomplete');
  assert.is(parse(`PROXY UNKNOWN ${'x'.repeat(93)}`).kind, 'invalid');
});

test('version 2 names the client by family', () => {
  const ipv4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb]);
  assert.equal(header(proxyV2(0x21, 0x11, ipv4)), { sizeBytes: 28, client: '192.0.2.7:56324' });
  const ipv6 = Buffer.concat([
    Buffer.from('20010db8000000000000000000000001', 'hex'),
    Buffer.alloc(16),
    ipv4.subarray(8),
  ]);
  assert.equal(header(proxyV2(0x21, 0x21, ipv6)), { sizeBytes: 52, client: '[2001:db8::1]:56324' });
  const unix = Buffer.alloc(216);
  unix.write('/run/\x1b[2Jit');
  assert.equal(header(proxyV2(0x21, 0x31, unix)), { sizeBytes: 232, client: 'unix:/run/?[2Jit' });
  assert.equal(header(proxyV2(0x21, 0x00, Buffer.alloc(0))), { sizeBytes: 16, client: null });
});

test('version 2: TLVs are passed over, LOCAL is the connection itself', () => {
  const ipv4 = Buffer.from([192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb]);
  const withTlvs = Buffer.concat([ipv4, Buffer.from('0400020000', 'hex')]);
  assert.equal(header(proxyV2(0x21, 0x11, withTlvs)), { sizeBytes: 33, client: '192.0.2.7:56324' });
  assert.equal(header(proxyV2(0x20, 0x11, ipv4)), { sizeBytes: 28, client: null });
  // A health check of a proxy: its family and what follows must be ignored.
  assert.equal(header(proxyV2(0x20, 0xff, Buffer.from('junk'))), { sizeBytes: 20, client: null });
});

test('version 2 that is not as it has to be', () => {
  const ipv4 = Buffer.alloc(12);
  for (const [versionAndCommand, family, rest] of [
    [0x11, 0x11, ipv4],
    [0x31, 0x11, ipv4],
    [0x22, 0x11, ipv4],
    [0x21, 0x41, ipv4],
    [0x21, 0x13, ipv4],
    [0x21, 0x11, ipv4.subarray(1)],
    [0x21, 0x21, ipv4],
    [0x21, 0x31, ipv4],
    [0x21, 0x11, Buffer.alloc(V2_MAX_BYTES - 15)],
  ] as const) {
    assert.is(parseProxyHeader(proxyV2(versionAndCommand, family, rest)).kind, 'invalid');
  }
  // Refused before its end has come.
  assert.is(parseProxyHeader(proxyV2(0x21, 0x11, Buffer.alloc(V2_MAX_BYTES)).subarray(0, 16)).kind, 'invalid');
  assert.is(parse('\r\n\r\n\0\r\nQUIX\n').kind, 'invalid');
});

const port = fc.integer({ min: 0, max: 65_535 });
const v1 = fc
  .tuple(fc.ipV4(), fc.ipV4(), port, port)
  .map(([from, to, fromPort, toPort]) => Buffer.from(`PROXY TCP4 ${from} ${to} ${fromPort} ${toPort}\r\n`));
const v2 = fc
  .tuple(fc.constantFrom(0x11, 0x12, 0x21, 0x22, 0x31), fc.uint8Array({ maxLength: 300 }))
  .map(([family, tlvs]) => {
    const size = { 1: 12, 2: 36, 3: 216 }[family >> 4] ?? 0;
    return proxyV2(0x21, family, Buffer.concat([Buffer.alloc(size, 0x41), tlvs]));
  });
const anyHeader = fc.oneof(v1, v2);

test('property: a proper header is incomplete until its last byte, and takes nothing of what follows', () => {
  fc.assert(
    fc.property(anyHeader, fc.uint8Array({ maxLength: 64 }), (bytes, rest) => {
      for (let end = 0; end < bytes.length; end++) {
        assert.is(parseProxyHeader(bytes.subarray(0, end)).kind, 'incomplete');
      }
      const whole = header(bytes);
      assert.is(whole.sizeBytes, bytes.length);
      assert.equal(header(Buffer.concat([bytes, rest])), whole);
    }),
    { numRuns: 100 },
  );
});

test('property: garbage never throws, is bounded, and what is invalid stays so', () => {
  const damaged = fc
    .tuple(anyHeader, fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 4 }))
    .map(([bytes, changes]) => {
      const copy = Buffer.from(bytes);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy;
    });
  const garbage = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
  const prefixed = garbage.map((bytes) => Buffer.concat([Buffer.from('PROXY '), bytes]));
  fc.assert(
    fc.property(fc.oneof(damaged, garbage, prefixed), (bytes) => {
      const found = parseProxyHeader(bytes);
      if (found.kind === 'header') assert.ok(found.sizeBytes <= bytes.length);
      if (found.kind === 'invalid') {
        assert.is(parseProxyHeader(Buffer.concat([bytes, Buffer.alloc(9)])).kind, 'invalid');
      }
      assert.not.equal(parseProxyHeader(Buffer.concat([bytes, Buffer.alloc(V2_MAX_BYTES)])).kind, 'incomplete');
    }),
    { numRuns: 1_000 },
  );
});

test.run();
