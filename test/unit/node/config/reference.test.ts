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
    const value = key.default;
    if (typeof value !== 'number' && typeof value !== 'boolean' && typeof value !== 'string') continue;
    assert.is(key.read(value), value, path);
    assert.is(key.parse(String(value)), value, path);
  }
});

test('suggests near names only', () => {
  assert.is(nearest('stauts', ['start', 'status', 'dev']), 'status');
  assert.is(nearest('max-connections', ['maxConnections', 'maxTopicLevels']), 'maxConnections');
  assert.is(nearest('banana', ['start', 'status', 'dev']), undefined);
});

test.run();
