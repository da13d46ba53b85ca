import { configHelp, configMarkdown, KEYS, nearest } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('config: reference');

test('every key is described once in help and documentation', () => {
  const help = configHelp(80);
  for (const { path, key } of KEYS) {
    const heads = help.split('\n').filter((line) => new RegExp(`^ {2}${path.replaceAll('.', '\\.')}[, ]`).test(line));
    assert.is(heads.length, 1, path);
    assert.match(key.doc, /^[A-Z].*\.$/, path);
    assert.ok(configMarkdown().includes(`| \`${path}\``), path);
  }
  assert.ok(help.split('\n').every((line) => line.length <= 100));
});

test('environment names are unique and follow the path', () => {
  assert.is(new Set(KEYS.map((entry) => entry.env)).size, KEYS.length);
  assert.is(KEYS.find((entry) => entry.path === 'raft.maxInflightBytes')?.env, 'QUORATE_RAFT__MAX_INFLIGHT_BYTES');
});

test('defaults are values that the key itself accepts', () => {
  for (const { path, key } of KEYS) {
    if (key.default === undefined || typeof key.default === 'object') continue;
    assert.is(key.read(key.default), key.default, path);
    assert.is(key.parse(String(key.default)), key.default, path);
  }
});

test('suggests near names only', () => {
  assert.is(nearest('stauts', ['start', 'status', 'dev']), 'status');
  assert.is(nearest('max-connections', ['maxConnections', 'maxTopicLevels']), 'maxConnections');
  assert.is(nearest('banana', ['start', 'status', 'dev']), undefined);
});

test.run();
