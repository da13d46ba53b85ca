import type { LogMarks, Span } from '../../../jepsen-style-tests/src/cluster/log-marks.ts';
import type { NemesisEvent, PublishOperation } from '../../../jepsen-style-tests/src/history/operation.ts';
import { junitOf } from '../../../jepsen-style-tests/src/report/junit.ts';
import { pageOf } from '../../../jepsen-style-tests/src/report/page.ts';
import { reportOf } from '../../../jepsen-style-tests/src/report/report-of.ts';
import { type ReportedCheck, Tally, verdictOf } from '../../../jepsen-style-tests/src/report/run-report.ts';
import { timeline } from '../../../jepsen-style-tests/src/report/timeline.ts';
import type { RunResult } from '../../../jepsen-style-tests/src/run/run.ts';
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

test('an anomaly is shown with what nodes wrote around it, and what has no operations with the ends of the logs', () => {
  const logged = BROKEN.anomalies.map((anomaly) => ({ ...anomaly, logs: { n2: ['# about 1.0 s', ODD] } }));
  const page = pageOf({ ...sampleReport([{ ...BROKEN, anomalies: logged }]), logs: new Map() });
  assert.match(page, /Logs of the nodes around it.*n2.*# about 1\.0 s\n&lt;b&gt;/s);
  assert.not.match(page, /ends of the logs/);
  assert.match(page, /<b>P1<\/b> what is acknowledged is durable/);
  const ends = pageOf({ ...sampleReport([BROKEN]), logs: new Map([['n3', ['last words']]]) });
  assert.match(ends, /ends of the logs.*n3.*last words/s);
  assert.not.match(ends, /Logs of the nodes around it/);
});

/** A run in which one message was lost at 2 s, and what its nodes wrote. */
function runWithALoss(): { result: RunResult; logs: Pick<LogMarks, 'around' | 'ends'>; asked: (readonly Span[])[] } {
  const asked: (readonly Span[])[] = [];
  const lost = {
    kind: 'lost',
    promise: 'P1',
    sentence: 'v is nowhere',
    proof: [publication({ beginMs: 2_000, endMs: 2_010 })],
  };
  const check = { checker: 'delivery', figures: {}, notes: [] };
  const none = { verdict: 'ok', anomalies: [], anomalyCount: 0, kinds: {} };
  const result = {
    workloads: [
      {
        ...{ workload: 'queue', description: '', operations: 1 },
        checks: [
          { ...check, verdict: 'anomalies', anomalies: Array(5).fill(lost), anomalyCount: 5, kinds: { lost: 5 } },
        ],
      },
    ],
    availability: { ...check, ...none, checker: 'availability', faults: [], summaries: [] },
    ...{ verdict: 'anomalies', drain: { settled: true, tookMs: 1, waitingFor: [] }, historyFiles: [] },
  } as unknown as RunResult;
  const logs = {
    around: (spans: readonly Span[]) => {
      asked.push(spans);
      return new Map([['n1', ['around']]]);
    },
    ends: () => new Map([['n1', ['the end']]]),
  };
  return { result, logs, asked };
}

const CONTEXT = { title: '', facts: [], command: '', events: [], skipped: [], unexplainedEnds: [], unready: null };

test('the first anomalies of a check come with the logs of a second before and after each operation', () => {
  const { result, logs, asked } = runWithALoss();
  const { checks, logs: ends } = reportOf(result, 60_000, { ...CONTEXT, logs });
  assert.equal(
    checks[0]?.anomalies.map((anomaly) => anomaly.logs),
    [{ n1: ['around'] }, { n1: ['around'] }, { n1: ['around'] }, undefined, undefined],
  );
  assert.equal(asked[0], [{ fromMs: 1_000, toMs: 3_010 }]);
  assert.is(ends.size, 0, 'operations prove them: the ends of the logs tell nothing');
});

test('a cluster that is not ready again is a finding, with the ends of the logs', () => {
  const { result, logs } = runWithALoss();
  const good = { ...result, workloads: [] };
  assert.not(verdictOf({ ...reportOf(good, 60_000, CONTEXT), totals: sampleReport([]).totals }).failed);
  const report = reportOf(good, 60_000, { ...CONTEXT, logs, unready: 'not ready are n2' });
  const { failed, sentence } = verdictOf(report);
  assert.ok(failed);
  assert.is(sentence, 'one anomaly: service');
  assert.equal([...report.logs], [['n1', ['the end']]]);
});

test('a peak when all that waited comes at once does not make the rest of the picture flat', () => {
  const quiet = sampleReport([]);
  const burst = {
    ...quiet,
    intervals: quiet.intervals.map((each, at) => (at === 100 ? { ...each, delivered: 9_000 } : each)),
  };
  const heightsOf = (page: string): number[] =>
    [...(/<polygon points="([^"]+)"/.exec(page)?.[1] ?? '').matchAll(/,([\d.]+)/g)].map(([, y]) => Number(y));
  const [flat, high] = [heightsOf(pageOf(burst)), heightsOf(pageOf(quiet))];
  assert.ok(flat.length > 100);
  assert.ok(Math.min(...flat) <= Math.min(...high) + 20, 'the blue area is as high as it was');
  assert.match(pageOf(burst), /▲<title>36000 per second/);
  assert.not.match(pageOf(quiet), /▲/);
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

test('the names of faults do not cover each other, in front of their bands neither', () => {
  const fault = (number: number, beginMs: number) => ({
    ...{ fault: number, name: 'isolate leader from the clients too', detail: 'n1', beginMs, endMs: beginMs + 1_000 },
    ...{ gapMs: null, recoveryMs: null, majority: true },
  });
  // The second one's name stands in front of it, where that of the first one is.
  const faults = [fault(1, 400_000), fault(2, 590_000), fault(3, 10_000)];
  const picture = timeline({ durationMs: 600_000, faults, reigns: [], intervals: [], intervalMs: 1_000 });
  const found = [...picture.matchAll(/<title>isolate leader[^<]*<\/title><rect x="[^"]*" y="(\d+)"/g)];
  const rows = found.map(([, y]) => y);
  assert.equal([rows.length, new Set(rows).size], [3, 2]);
});

test.run();
