import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CLOSE_REASONS, FULL_QUEUE_POLICIES, LIMIT_RANGES, type LimitRange, StateLimits } from '@quorate/broker';
import { createMetrics, KEYS } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

/* docs/limits.md against the code: each limit has a row with its default and range, its metrics and its tests exist. */

const test = suite('config: docs/limits.md');

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const DOCUMENT = readFileSync(`${ROOT}docs/limits.md`, 'utf8');

/** Cells of the rows of all tables whose first cell is a name in backticks. */
const ROWS = DOCUMENT.split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .filter((cells) => /^`\w+`$/.test(cells[1] ?? ''))
  .map((cells) => cells.slice(1, -1));

const named = (name: string): readonly string[][] => ROWS.filter(([first]) => first === `\`${name}\``);

test('every key has one row, with its default and its range', () => {
  const keys = KEYS.filter(({ path }) => path.startsWith('limits.'));
  assert.ok(keys.length >= 24);
  for (const { path, key } of keys) {
    const [row, ...more] = named(path.slice('limits.'.length));
    assert.ok(row !== undefined && more.length === 0, `${path} has one row`);
    assert.is(row?.[1], key.defaultText, path);
    assert.is(row?.[2], key.expected.replace('an integer from ', ''), path);
  }
});

test('every quota of the cluster that a client can meet has its row, its value and its range', () => {
  const inside = ['retainedWalk', 'effortPerTick', 'memberNameLength', 'memberAddressLength'];
  const ranges: Readonly<Record<string, LimitRange>> = LIMIT_RANGES;
  for (const [name, value] of Object.entries(StateLimits)) {
    if (inside.includes(name)) continue;
    const [row, ...more] = named(name);
    assert.ok(row !== undefined && more.length === 0, `${name} has one row`);
    assert.is(row?.[1], String(value), name);
    const range = ranges[name];
    assert.is(row?.[2], range === undefined ? 'fixed' : `${String(range.min)} to ${String(range.max)}`, name);
  }
  for (const policy of FULL_QUEUE_POLICIES.slice(1)) assert.ok(DOCUMENT.includes(`fullQueuePolicy=${policy}`), policy);
});

test('every row names a test, and the tests exist', () => {
  for (const row of ROWS) {
    const files = [...(row.at(-1) ?? '').matchAll(/`([\w/-]+)`/g)].map(([, file]) => file as string);
    assert.ok(files.length > 0, `${String(row[0])} has no test`);
    for (const file of files) assert.ok(existsSync(`${ROOT}test/${file}.test.ts`), `test/${file}.test.ts`);
  }
});

test('the metrics that are named exist, and labels that are close reasons are such', async () => {
  const text = await createMetrics({ processMetrics: false }).expose();
  const reasons = new Set(Object.keys(CLOSE_REASONS).map((each) => each.toLowerCase()));
  // Those that are not told to anybody.
  for (const each of ['pending_connections', 'too_many_connections']) reasons.add(each);
  const cells = [...ROWS.map((row) => row.at(-2) ?? ''), DOCUMENT.replaceAll(/^\|.*$/gm, '')];
  const found = cells.flatMap((cell) => [...cell.matchAll(/`([a-z_0-9]+)(?:\{(\w+)\})?`/g)]);
  let counted = 0;
  for (const [all, name, label] of found) {
    if (name === 'quorate_') continue;
    if (!/_/.test(name as string) && label === undefined && !/^(sessions)$/.test(name as string)) continue;
    assert.ok(text.includes(`# TYPE quorate_${String(name)} `), `${all} is no metric`);
    // An alert on its growth would not see a series that begins with the first drop.
    if (label !== undefined) assert.match(text, new RegExp(`^quorate_${String(name)}\\{\\w+="${label}"\\} 0$`, 'm'));
    if (name === 'connects_refused_total' || name === 'disconnects_total') {
      assert.ok(reasons.has(label ?? ''), `${all} is no reason`);
    }
    counted++;
  }
  assert.ok(counted >= 30, `${String(counted)} metrics`);
});

test.run();
