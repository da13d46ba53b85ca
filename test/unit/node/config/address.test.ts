import { formatAddress, isLoopback, isWildcard, parseAddress } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('config: addresses');

test('reads names, IPv4 and bracketed IPv6, and writes them back', () => {
  for (const text of ['localhost:1', 'node-1.example.com:65535', '127.0.0.1:1883', '[::1]:80', '[fe80::1]:7001']) {
    const address = parseAddress(text);
    assert.ok(address, text);
    assert.is(address === undefined ? '' : formatAddress(address), text);
  }
});

test('refuses everything else', () => {
  const bad = [
    '',
    ':1',
    'a',
    'a:',
    'a:0',
    'a:65536',
    'a:1x',
    'a:-1',
    '::1:80',
    '[::1]',
    '[a]:1',
    '1.2.3:1',
    '1.2.3.256:1',
    'a b:1',
    '-a:1',
    'a..b:1',
    'mqtt://a:1',
    `${'a'.repeat(64)}:1`,
  ];
  for (const text of bad) assert.is(parseAddress(text), undefined, text);
});

test('tells loopback and wildcard addresses', () => {
  for (const host of ['localhost', '127.0.0.1', '127.9.9.9', '::1']) assert.ok(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'localhost.example', '128.0.0.1', '::2'])
    assert.not(isLoopback(host), host);
  for (const host of ['0.0.0.0', '::', '0:0:0:0:0:0:0:0']) assert.ok(isWildcard(host), host);
  for (const host of ['127.0.0.1', '::1', 'a']) assert.not(isWildcard(host), host);
});

test.run();
