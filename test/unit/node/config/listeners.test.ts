import { ConfigError, configHelp, configMarkdown, loadConfig } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';
import { fixture, tlsConfig } from '../listener/harness.ts';

const test = suite('config: listeners');

const CLUSTER = 'n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003';
const FLAGS = { 'node-id': 'n1', 'data-dir': 'data', cluster: CLUSTER };
const TCP = { name: 'a', bind: '127.0.0.1:1884', transport: 'tcp' };
const PAIR = { certFile: fixture('server.pem'), keyFile: fixture('server.key') };
const TLS = { name: 'a', bind: '127.0.0.1:8883', transport: 'tls', tls: PAIR };

const load = (listeners: unknown, more: Readonly<Record<string, unknown>> = {}) =>
  loadConfig({ flags: FLAGS, values: { listeners, ...more } });

function refused(listeners: unknown, code: string, key: string, message: RegExp, more = {}): void {
  let error: unknown;
  try {
    load(listeners, more);
  } catch (thrown) {
    error = thrown;
  }
  assert.instance(error, ConfigError, `accepted: ${JSON.stringify(listeners)}`);
  const { code: got, key: at, message: sentence } = error as ConfigError;
  assert.is(at, key, sentence);
  assert.is(got, code, sentence);
  assert.match(sentence, message);
}

test('none by default, nor for a list whose lines are commented out', () => {
  assert.equal(loadConfig({ flags: FLAGS }).listeners, []);
  assert.equal(load(null).listeners, []);
  assert.equal(load([]).listeners, []);
});

test('each is complete', () => {
  const wss = { ...TLS, name: 'pages', bind: '127.0.0.1:8084', transport: 'wss', origins: ['https://pages.example'] };
  const { listeners } = load([TCP, { ...wss, proxyProtocol: 'required', path: '/x', maxConnections: 5 }]);
  assert.equal(listeners, [
    {
      ...{ name: 'a', bind: { host: '127.0.0.1', port: 1884 }, transport: 'tcp', proxyProtocol: 'off', origins: [] },
      ...{ tls: null, path: '/mqtt', maxConnections: null },
    },
    {
      ...{ name: 'pages', bind: { host: '127.0.0.1', port: 8084 }, transport: 'wss', proxyProtocol: 'required' },
      ...{ origins: ['https://pages.example'], tls: tlsConfig(), path: '/x', maxConnections: 5 },
    },
  ]);
});

test('unknown keys, missing ones and bad values are named by their place', () => {
  refused([{ ...TCP, binds: 1 }], 'UNKNOWN_KEY', 'listeners.0.binds', /value 1: did you mean listeners\.0\.bind\?$/);
  const typo = [TCP, { ...TLS, name: 'b', tls: { ...PAIR, certfile: 'x' } }];
  refused(typo, 'UNKNOWN_KEY', 'listeners.1.tls.certfile', /did you mean listeners\.1\.tls\.certFile\?$/);
  refused([{ ...TCP, bind: undefined }], 'BAD_VALUE', 'listeners.0.bind', /expected HOST:PORT/);
  const { bind: _bind, ...homeless } = TCP;
  refused([homeless], 'MISSING_KEY', 'listeners.0.bind', /missing: expected HOST:PORT.* \(in the config file\)$/);
  refused([{ ...TCP, transport: 'quic' }], 'BAD_VALUE', 'listeners.0.transport', /expected one of tcp, tls, ws, wss$/);
  refused([{ ...TCP, name: 'a b' }], 'BAD_VALUE', 'listeners.0.name', /"a b" \(values\): expected 1 to 32 letters/);
  refused([{ ...TCP, proxyProtocol: true }], 'BAD_VALUE', 'listeners.0.proxyProtocol', /one of off, required$/);
  refused([{ ...TCP, maxConnections: 0 }], 'BAD_VALUE', 'listeners.0.maxConnections', /an integer from 1/);
  refused([{ ...TLS, tls: 'yes' }], 'BAD_VALUE', 'listeners.0.tls', /expected a map of certFile/);
  refused(['127.0.0.1:1884'], 'BAD_VALUE', 'listeners.0', /expected a map of name, bind/);
  refused({ a: TCP }, 'BAD_VALUE', 'listeners', /expected in the config file a list of at most 16 maps/);
  refused(Array(17).fill(TCP), 'BAD_VALUE', 'listeners', /at most 16/);
  const ws = { ...TCP, transport: 'ws' };
  refused([{ ...ws, path: 'mqtt' }], 'BAD_VALUE', 'listeners.0.path', /expected a path like \/mqtt$/);
  refused([{ ...ws, origins: ['pages.example'] }], 'BAD_VALUE', 'listeners.0.origins', /expected a list of origins/);
  assert.throws(
    () => loadConfig({ flags: FLAGS, env: { QUORATE_LISTENERS: '[]' } }),
    /listeners is "\[\]" \(environment QUORATE_LISTENERS\): expected in the config file a list/,
  );
});

test('values that do not fit together', () => {
  refused([{ ...TCP, tls: PAIR }], 'CONFLICT', 'listeners.0.tls.certFile', /for transport tcp: expected transport tls/);
  refused(
    [{ ...TCP, tls: { clientCertificates: 'require' } }],
    'CONFLICT',
    'listeners.0.tls.clientCertificates',
    /tls or/,
  );
  refused([{ ...TLS, tls: {} }], 'MISSING_KEY', 'listeners.0.tls.certFile', /PEM file, since transport is tls$/);
  const asks = { ...TLS, tls: { ...PAIR, clientCertificates: 'request' } };
  refused([asks], 'MISSING_KEY', 'listeners.0.tls.caFile', /since clientCertificates is request$/);
  const idle = { ...TLS, tls: { ...PAIR, caFile: fixture('ca.pem') } };
  refused([idle], 'CONFLICT', 'listeners.0.tls.caFile', /clientCertificates is none: expected request or require$/);
  refused(
    [{ ...TCP, path: '/mqtt' }],
    'CONFLICT',
    'listeners.0.path',
    /for transport tcp: expected transport ws or wss$/,
  );
  refused([{ ...TLS, origins: ['https://a.b'] }], 'CONFLICT', 'listeners.0.origins', /expected transport ws or wss$/);
  refused(
    [TCP, { ...TCP, bind: '127.0.0.1:9' }],
    'CONFLICT',
    'listeners.1.name',
    /a listener before it: expected another/,
  );
  refused(
    [{ ...TCP, name: 'mqtt' }],
    'CONFLICT',
    'listeners.0.name',
    /the name of the key mqtt: expected another name$/,
  );
  refused(
    [{ ...TCP, bind: '127.0.0.1:1883' }],
    'CONFLICT',
    'listeners.0.bind',
    /and mqtt is .*: expected different ports/,
  );
});

test('certificates that cannot be used', () => {
  const withTls = (tls: object): unknown => [{ ...TLS, tls: { ...PAIR, ...tls } }];
  refused(
    withTls({ certFile: '/nowhere/a.pem' }),
    'FILE_UNREADABLE',
    'listeners.0.tls.certFile',
    /"\/nowhere\/a\.pem".*ENOENT/,
  );
  refused(withTls({ certFile: fixture('server.key') }), 'BAD_VALUE', 'listeners.0.tls.certFile', /no certificate/);
  refused(withTls({ keyFile: fixture('server.pem') }), 'BAD_VALUE', 'listeners.0.tls.keyFile', /no private key/);
  refused(
    withTls({ keyFile: fixture('client.key') }),
    'CONFLICT',
    'listeners.0.tls.keyFile',
    /not the key of the cert/,
  );
  const noAuthority = { caFile: fixture('server.key'), clientCertificates: 'require' };
  refused(withTls(noAuthority), 'BAD_VALUE', 'listeners.0.tls.caFile', /holds no certificate/);
});

test('beyond loopback each needs the waiver, unless its clients have to show certificates', () => {
  const open = { ...TCP, bind: '0.0.0.0:1884' };
  refused([open], 'INSECURE', 'allowAnonymous', /^listeners\.0\.bind is 0\.0\.0\.0:1884, not a loopback address/);
  refused([{ ...TLS, bind: '0.0.0.0:8883' }], 'INSECURE', 'allowAnonymous', /^listeners\.0\.bind/);
  const asks = { ...PAIR, caFile: fixture('ca.pem'), clientCertificates: 'request' };
  refused([{ ...TLS, bind: '0.0.0.0:8883', tls: asks }], 'INSECURE', 'allowAnonymous', /^listeners\.0\.bind/);
  assert.is(load([open], { allowAnonymous: true }).listeners.length, 1);
  const closed = { ...TLS, bind: '0.0.0.0:8883', tls: { ...asks, clientCertificates: 'require' } };
  assert.is(load([closed]).listeners.length, 1);
});

test('help and documentation have the keys of each', () => {
  for (const text of [configHelp(100), configMarkdown()]) {
    for (const key of ['listeners[].bind', 'listeners[].tls.clientCertificates', 'listeners[].origins']) {
      assert.ok(text.includes(key), key);
    }
  }
});

test.run();
