import type { NemesisEvent, PublishOperation } from '../../../jepsen-style-tests/src/history/operation.ts';
import { junitOf } from '../../../jepsen-style-tests/src/report/junit.ts';
import { pageOf } from '../../../jepsen-style-tests/src/report/page.ts';
import { type ReportedCheck, Tally, verdictOf } from '../../../jepsen-style-tests/src/report/run-report.ts';
import { assert, suite } from '../../support/suite.ts';
import { GOOD_CHECKS, sampleEvents, sampleReport } from './sample-run.ts';

const test = suite('partition tests: report');

const ODD = `<b>"it's" & \u0001</b>`;

const BROKEN: ReportedCheck = {
  name: 'queue',
  verdict: 'broken',
  detail: ODD,
  anomalyCount: 1,
  kinds: { lost: 1 },
  anomalies: [
    { kind: 'lost', promise: 'P1', sentence: `v1 of ${ODD} is nowhere`, events: sampleEvents().slice(20, 24) },
  ],
};

function publication(changes: Partial<PublishOperation>): PublishOperation {
  return {
    kind: 'publish',
    client: 'p1',
    node: 'n1',
    beginMs: 0,
    endMs: 1,
    topic: 't',
    value: 'v',
    qos: 1,
    retain: false,
    outcome: 'ok',
    ...changes,
  };
}

test('counts what was acknowledged where it was acknowledged, and QoS 0 as no acknowledgement', () => {
  const tally = new Tally(250);
  tally.add(publication({ beginMs: 10, endMs: 260 }));
  tally.add(publication({ endMs: 300, outcome: 'unknown' }));
  tally.add(publication({ endMs: 999, outcome: 'fail' }));
  tally.add(publication({ endMs: 1_000, qos: 0 }));
  assert.equal(
    tally.intervals.map(({ acknowledged, unknown, failed }) => [acknowledged, unknown, failed]),
    [
      [0, 0, 0],
      [1, 1, 0],
      [0, 0, 0],
      [0, 0, 1],
      [0, 0, 0],
    ],
  );
  assert.equal(tally.intervals[1]?.latenciesMs, [250]);
  const { operations, acknowledged, failed, unknown } = tally.totals;
  assert.equal(
    { operations, acknowledged, failed, unknown },
    { operations: 4, acknowledged: 1, failed: 1, unknown: 1 },
  );
  assert.is(tally.durationMs, 1_000);
});

test('a fault lasts until its end, or to the end of the run; each reign until the next', () => {
  const tally = new Tally(250);
  const begin: NemesisEvent = {
    kind: 'nemesis',
    atMs: 100,
    fault: 1,
    name: 'a',
    phase: 'begin',
    detail: '',
    nodes: [],
  };
  tally.add(begin);
  tally.add({ ...begin, fault: 2, name: 'b', atMs: 200 });
  tally.add({ ...begin, phase: 'end', atMs: 300 });
  tally.add({ kind: 'leader', atMs: 0, leader: 'n1', term: 1 });
  tally.add({ kind: 'leader', atMs: 50, leader: 'n1', term: 1 });
  tally.add({ kind: 'leader', atMs: 120, leader: null, term: 1 });
  tally.add({ kind: 'leader', atMs: 180, leader: 'n1', term: 3 });
  tally.add(publication({ endMs: 5_000 }));
  assert.equal(
    tally.faults().map(({ name, beginMs, endMs }) => [name, beginMs, endMs]),
    [
      ['a', 100, 300],
      ['b', 200, 5_000],
    ],
  );
  assert.equal(tally.reigns, [
    { leader: 'n1', term: 1, beginMs: 0, endMs: 120 },
    { leader: 'n1', term: 3, beginMs: 180, endMs: Number.POSITIVE_INFINITY },
  ]);
});

test('the verdict: an anomaly fails a run, and so does a run in which nothing was acknowledged', () => {
  const good = sampleReport(GOOD_CHECKS);
  assert.not(verdictOf(good).failed);
  assert.match(verdictOf(good).sentence, /every promise kept.*undecided: register/);
  const bad = verdictOf(sampleReport([...GOOD_CHECKS, BROKEN]));
  assert.ok(bad.failed);
  assert.is(bad.sentence, 'one anomaly: queue');
  const nothing = verdictOf({ checks: GOOD_CHECKS, totals: new Tally(250).totals });
  assert.ok(nothing.failed);
});

test('the page holds what clients and brokers said as text, whatever it was, and needs nothing from elsewhere', () => {
  const page = pageOf({ ...sampleReport([BROKEN]), title: ODD, logs: new Map([[ODD, [ODD]]]) });
  assert.not(page.includes('<b>"it'));
  assert.not(page.includes('\u0001'));
  assert.match(page, /&lt;b&gt;&quot;it&#39;s&quot; &amp; \ufffd&lt;\/b&gt; is nowhere/);
  assert.not.match(page, /(?:src|href)=/);
  assert.not.match(page, /NaN|Infinity|[^ ]undefined/);
});

test('a run without faults, leaders or operations has a page, too', () => {
  const { reigns, intervals, totals } = new Tally(250);
  const page = pageOf({ ...sampleReport([]), faults: [], reigns, intervals, totals, durationMs: 0 });
  assert.match(page, /nothing was acknowledged/i);
  assert.not.match(page, /NaN|Infinity|[^ ]undefined/);
});

test('JUnit: a case for each checker, failures with their sentences', () => {
  const xml = junitOf(sampleReport([...GOOD_CHECKS, BROKEN]));
  assert.match(xml, /tests="5" failures="1" skipped="2"/);
  assert.match(xml, /<failure message="1 anomalies; again: make jepsen SEED=7 TIME=60">P1 lost: v1 of &lt;b&gt;/);
  assert.match(xml, /name="register"><skipped message="undecided: key r3/);
  // Every element is closed, and nothing stands in the text that XML does not allow.
  const open: string[] = [];
  for (const [, close, name, self] of xml.matchAll(/<(\/?)([a-z]+)[^>]*?(\/?)>/g)) {
    if (close !== '') assert.is(open.pop(), name);
    else if (self === '') open.push(name as string);
  }
  assert.equal(open, []);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  assert.not.match(xml, /[\u0000-\u0008]/);
});

test.run();
