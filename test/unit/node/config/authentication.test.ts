import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, configHelp, loadConfig } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('config: authentication');

const CLUSTER = 'n1=127.0.0.1:7001,n2=127.0.0.1:7002,n3=127.0.0.1:7003';
const FLAGS = { 'node-id': 'n1', 'data-dir': 'data', cluster: CLUSTER };

let folder = '';

test.before(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-secret-'));
});
test.after(() => {
  rmSync(folder, { recursive: true, force: true });
});

const load = (authentication: unknown, more: Readonly<Record<string, unknown>> = {}) =>
  loadConfig({ flags: FLAGS, values: { authentication, ...more } });

function refused(authentication: unknown, code: string, key: string, message: RegExp, more = {}): void {
  let error: unknown;
  try {
    load(authentication, more);
  } catch (thrown) {
    error = thrown;
  }
  assert.instance(error, ConfigError, `accepted: ${JSON.stringify(authentication)}`);
  const { code: got, key: at, message: sentence } = error as ConfigError;
  assert.equal([at, got], [key, code], sentence);
  assert.match(sentence, message);
}

function secret(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test('nothing by default: everybody is anonymous, and may do everything', () => {
  const { authentication, authorization } = loadConfig({ flags: FLAGS });
  assert.equal(authentication, []);
  assert.equal(authorization, { default: 'allow', denied: 'reasonCode' });
});

test('each method is complete, in the order given', () => {
  const secretFile = secret('good', `${'s'.repeat(32)}\n`);
  const { authentication } = load([
    { method: 'certificate', certificate: { userName: 'uri' } },
    { method: 'jwt', jwt: { secretFile, issuer: 'me', audience: ['mqtt'] } },
    { method: 'jwt', jwt: { jwksUrl: 'https://issuer.example/keys', aclClaim: 'acl' } },
    { method: 'password' },
    { method: 'http', http: { url: 'http://127.0.0.1:9000/login?x=1' } },
  ]);
  assert.equal(
    authentication.map(({ method }) => method),
    ['certificate', 'jwt', 'jwt', 'password', 'http'],
  );
  assert.equal(authentication[0], {
    method: 'certificate',
    certificate: { userName: 'uri', userNameMustMatch: true },
  });
  const [, shared, open] = authentication;
  assert.equal(shared?.method === 'jwt' && [shared.jwt.keys, shared.jwt.issuer, shared.jwt.userNameClaim], [
    { kind: 'secretFile', path: secretFile },
    'me',
    'sub',
  ]);
  assert.equal(open?.method === 'jwt' && [open.jwt.keys, open.jwt.aclClaim], [
    { kind: 'jwksUrl', url: 'https://issuer.example/keys' },
    'acl',
  ]);
});

test('what can not be meant is refused with its place and what was expected', () => {
  const jwt = (keys: object) => [{ method: 'jwt', jwt: keys }];
  refused([{ method: 'passwords' }], 'BAD_VALUE', 'authentication.0.method', /expected one of password, jwt/);
  refused([{}], 'MISSING_KEY', 'authentication.0.method', /missing/);
  refused(jwt({}), 'CONFLICT', 'authentication.0.jwt', /has no keys: expected one of secretFile, jwksFile and jwksUrl/);
  const two = { jwksFile: 'a', jwksUrl: 'http://b' };
  refused(jwt(two), 'CONFLICT', 'authentication.0.jwt', /has jwksFile and jwksUrl: expected one/);
  refused(jwt({ jwksUrl: 'ftp://b' }), 'BAD_VALUE', 'authentication.0.jwt.jwksUrl', /expected an http or https URL/);
  refused([{ method: 'http' }], 'MISSING_KEY', 'authentication.0.http.url', /missing: expected an http or https URL/);
  refused([{ method: 'password' }, { method: 'password' }], 'CONFLICT', 'authentication.1.method', /each method once/);
  const short = secret('short', 'short');
  refused(jwt({ secretFile: short }), 'FILE_INVALID', 'authentication.0.jwt.secretFile', /holds 5 bytes: expected/);
  const none = join(folder, 'none');
  refused(jwt({ secretFile: none }), 'FILE_UNREADABLE', 'authentication.0.jwt.secretFile', /cannot be read \(ENOENT\)/);
  refused([{ method: 'jwt', jwt: { secret: 'x' } }], 'UNKNOWN_KEY', 'authentication.0.jwt.secret', /did you mean/);
});

test('beyond loopback clients have to prove who they are, or that is waived', () => {
  const mqtt = { mqtt: '10.0.0.1:1883' };
  refused([], 'INSECURE', 'allowAnonymous', /expected authentication with methods that ask for a proof, or/, mqtt);
  refused([{ method: 'anonymous' }], 'INSECURE', 'allowAnonymous', /mqtt is 10\.0\.0\.1:1883/, mqtt);
  const both = [{ method: 'password' }, { method: 'anonymous' }];
  refused(both, 'INSECURE', 'allowAnonymous', /not a loopback address/, mqtt);
  const listeners = [{ name: 'a', bind: '10.0.0.1:1884', transport: 'tcp' }];
  refused(both, 'INSECURE', 'allowAnonymous', /listeners\.0\.bind/, { listeners });
  assert.is(load([{ method: 'password' }], { ...mqtt, listeners }).allowAnonymous, false);
  assert.is(load(both, { ...mqtt, allowAnonymous: true }).authentication.length, 2);
});

test('the keys of a method are in the help', () => {
  const help = configHelp();
  for (const key of ['method', 'jwt.jwksUrl', 'certificate.userName', 'http.timeoutMs']) {
    assert.ok(help.includes(`authentication[].${key}`), key);
  }
});

test.run();
