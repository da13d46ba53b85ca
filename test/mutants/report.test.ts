import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, suite } from '../support/suite.ts';
import { type Outcome, Report, type ReportFacts } from './report.ts';

const test = suite('mutants: report');

const FACTS: ReportFacts = { build: '1234567', seeds: 60, seconds: 60 };
let folder = '';
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-report-'));
});
test.after.each(() => rmSync(folder, { recursive: true }));

function outcome(name: string, found: Partial<Outcome>): Outcome {
  return { name, breaks: `the rule of ${name}`, bySeed: null, seeds: 60, byTest: null, seconds: 3.4, ...found };
}

test('a report is a table that says what found each mutant', () => {
  const file = join(folder, 'report.md');
  const report = new Report(file, FACTS);
  report.add(outcome('one', { bySeed: { seed: 7, invariant: 'P2-one-owner' } }));
  report.add(outcome('two', { byTest: 'test/unit/x.test.ts' }));
  report.add(outcome('three', {}));
  assert.equal(readFileSync(file, 'utf8').split('\n').slice(2), [
    'Build 1234567; up to 60 seeds of 60 s each.',
    '',
    '| mutant | what it breaks | found | seconds |',
    '| --- | --- | --- | --- |',
    '| one | the rule of one | by seed 7 (P2-one-owner) | 3 |',
    '| two | the rule of two | no seed of 60; by test/unit/x.test.ts | 3 |',
    '| three | the rule of three | SURVIVED 60 seeds | 3 |',
    '',
  ]);
  assert.equal(report.survivors(['one', 'two', 'three', 'four']), ['three']);
});

test('a report is gone on with, without a row that was broken off', () => {
  const file = join(folder, 'report.md');
  new Report(file, FACTS).add(outcome('one', { bySeed: { seed: 7, invariant: 'P2-one-owner' } }));
  new Report(file, FACTS).add(outcome('two', {}));
  appendFileSync(file, '| three | the rule of three | by se');
  const report = new Report(file, FACTS);
  assert.ok(report.has('one') && report.has('two') && !report.has('three'));
  assert.equal(report.survivors(['one', 'two', 'three']), ['two']);
  report.add(outcome('three', { byTest: 'test/unit/x.test.ts' }));
  const rows = readFileSync(file, 'utf8').trim().split('\n').slice(6);
  assert.equal(
    rows.map((row) => row.split(' | ')[0]),
    ['| one', '| two', '| three'],
  );
  assert.ok(rows.every((row) => row.endsWith(' |')));
});

test('a report of another build or of other runs is not gone on with', () => {
  const file = join(folder, 'report.md');
  new Report(file, FACTS).add(outcome('one', {}));
  const before = readFileSync(file, 'utf8');
  assert.throws(() => new Report(file, { ...FACTS, build: '7654321' }), /"Build 1234567; .*use another file/);
  assert.throws(() => new Report(file, { ...FACTS, seeds: 20 }), /use another file/);
  assert.is(readFileSync(file, 'utf8'), before);
});

test.run();
