import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LogMarks } from '../../../jepsen-style-tests/src/cluster/log-marks.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('partition tests: logs by the time of the run');

let folder: string;
let marks: LogMarks;
test.before.each(() => {
  folder = mkdtempSync(join(tmpdir(), 'quorate-log-marks-'));
  marks = new LogMarks();
});
test.after.each(() => rmSync(folder, { recursive: true, force: true }));

const nodeOf = (id: string): { id: string; logFile: string } => ({ id, logFile: join(folder, id) });

/** One line a second, and a mark each half second. */
function write(id: string, seconds: number): void {
  for (let at = 0; at < seconds; at++) {
    marks.mark(at * 1_000, [nodeOf(id)]);
    // Its own clock is wrong: that must not matter.
    appendFileSync(join(folder, id), `{"time":"1999-01-01","line":${String(at)}}\n`);
    marks.mark(at * 1_000 + 500, [nodeOf(id)]);
  }
}

function linesOf(found: ReadonlyMap<string, readonly string[]>, id: string): string {
  return (found.get(id) ?? []).map((line) => /"line":(\d+)/.exec(line)?.[1] ?? '#').join(' ');
}

test('the lines of a stretch of time, whatever time stands in them; stretches that overlap are one', () => {
  write('n1', 20);
  const one = marks.around([{ fromMs: 3_200, toMs: 5_400 }], 100);
  assert.is(linesOf(one, 'n1'), '# 3 4 5');
  assert.match(one.get('n1')?.[0] ?? '', /about 3\.2 s to 5\.4 s/);
  const spans = [
    { fromMs: 9_600, toMs: 10_600 },
    { fromMs: 1_600, toMs: 2_600 },
    { fromMs: 10_000, toMs: 12_500 },
  ];
  assert.is(linesOf(marks.around(spans, 100), 'n1'), '# 2 # 10 11 12');
});

test('where there is no room for all, the latest stay, and it is said that others are missing', () => {
  write('n1', 20);
  const spans = [
    { fromMs: 600, toMs: 2_500 },
    { fromMs: 10_600, toMs: 14_500 },
  ];
  const found = marks.around(spans, 3);
  assert.is(linesOf(found, 'n1'), '# 12 13 14');
  assert.match(found.get('n1')?.[0] ?? '', /1 lines before these are left out/);
});

test('a node that wrote nothing then is not there; one whose file does not exist is no error', () => {
  write('n1', 3);
  marks.mark(0, [nodeOf('n2')]);
  assert.equal([...marks.around([{ fromMs: 0, toMs: 2_000 }], 10).keys()], ['n1']);
  assert.equal([...marks.around([{ fromMs: 8_000, toMs: 9_000 }], 10).keys()], []);
  assert.is(linesOf(marks.ends(2), 'n1'), '1 2');
  assert.is(marks.ends(2).has('n2'), false);
});

test('what a node wrote before the run is not of its beginning', () => {
  appendFileSync(join(folder, 'n1'), '{"line":99}\n');
  write('n1', 3);
  assert.is(linesOf(marks.around([{ fromMs: 100, toMs: 1_500 }], 10), 'n1'), '# 0 1');
});

test.run();
