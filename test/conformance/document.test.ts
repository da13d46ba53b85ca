import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert, note, suite } from '../support/suite.ts';
import { type Claim, claimsOf, readTable, type TableRow } from './support/document.ts';

/* docs/conformance.md against the tests: each statement of both specifications has a row, and each row its test. */

const test = suite('conformance: the document');

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const FOLDER = join(ROOT, 'test/conformance');
const DOCUMENT = readFileSync(join(ROOT, 'docs/conformance.md'), 'utf8');

/** Statements by chapter as Appendix B of each specification numbers them. */
const COUNTS: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  '3.1.1': { 1: 3, 2: 9, 3: 95, 4: 26, 6: 4, 7: 4 },
  '5.0': { 1: 5, 2: 7, 3: 175, 4: 60, 6: 4 },
};

const KINDS = new Set(['kept', 'client', 'not concerned', 'open']);

function claims(): Claim[] {
  return readdirSync(FOLDER)
    .filter((name) => name.endsWith('.test.ts') && name !== 'document.test.ts')
    .flatMap((name) => claimsOf(name.replace('.test.ts', ''), readFileSync(join(FOLDER, name), 'utf8')));
}

/** What is wrong, one line each. */
function none(wrong: readonly string[]): void {
  assert.is(wrong.length, 0, wrong.map((each) => `\n      ${each}`).join(''));
}

for (const version of ['3.1.1', '5.0']) {
  const rows = readTable(DOCUMENT, version);
  const named = (row: TableRow): string => `MQTT ${version} ${row.id}`;

  test(`${version}: every statement has its row, once and in order`, () => {
    const perChapter: Record<string, number> = {};
    for (const { id } of rows) {
      const [chapter] = id.split(/[.-]/) as [string];
      perChapter[chapter] = (perChapter[chapter] ?? 0) + 1;
    }
    assert.equal(perChapter, COUNTS[version]);
    assert.is(new Set(rows.map(({ id }) => id)).size, rows.length);
    const parts = (id: string): number[] => id.split(/[.-]/).map(Number);
    // In each section the numbers run from 1, but for those that the specification leaves out itself.
    const gaps: string[] = [];
    for (const [at, { id }] of rows.entries()) {
      const before = rows[at - 1];
      if (before === undefined) continue;
      const [a, b] = [parts(before.id), parts(id)];
      const sameSection = a.slice(0, 3).join() === b.slice(0, 3).join();
      if (sameSection ? b[3] !== (a[3] as number) + 1 : b[3] !== 1 && id !== '2.2.1-2') gaps.push(id);
    }
    none(gaps);
  });

  test(`${version}: every row says of what kind it is, and why or where`, () => {
    none(
      rows
        .filter(({ kind, where, says }) => !KINDS.has(kind) || where === '' || says === '')
        .map((row) => `${named(row)} is '${row.kind}'`),
    );
    const counts = [...KINDS].map((kind) => `${kind} ${String(rows.filter((row) => row.kind === kind).length)}`);
    note(`MQTT ${version}: ${String(rows.length)} statements: ${counts.join(', ')}`);
  });

  test(`${version}: every test that a row names exists, and has the statement in its name`, () => {
    const found = claims().filter((claim) => claim.version === version);
    const wrong: string[] = [];
    for (const row of rows) {
      if (row.kind === 'kept' && row.files.length === 0) wrong.push(`${named(row)} names no test`);
      for (const file of row.files) {
        if (!existsSync(join(FOLDER, `${file}.test.ts`))) wrong.push(`${named(row)}: there is no ${file}.test.ts`);
        else if (!found.some((claim) => claim.file === file && claim.id === row.id)) {
          wrong.push(`${named(row)}: no test in ${file}.test.ts shows it`);
        }
      }
    }
    none(wrong);
  });

  test(`${version}: every statement that a test shows is in a row that names its file`, () => {
    none(
      claims()
        .filter((claim) => claim.version === version)
        .filter(({ id, file }) => !rows.some((row) => row.id === id && row.files.includes(file)))
        .map(({ id, file }) => `${file}.test.ts shows ${id}, of which its row does not know`),
    );
  });
}

test('the reading of tests and table finds what is there', () => {
  const source = [
    "shows(\n  test,\n  { 'v3.1.1': '1.2.3-4, 3-8.3-4', 'v5.0': '5.6.7-8' },\n  'a title',\n",
    "shows(test, { 'v5.0': '9.9.9-1' }, \"it's\", async () => {",
    "shows(test, {\n 'v5.0':\n   '9.9.9-2',\n},\n'x',",
  ].join('\n');
  assert.equal(
    claimsOf('some', source).map(({ version, id }) => `${version} ${id}`),
    ['3.1.1 1.2.3-4', '3.1.1 3-8.3-4', '5.0 5.6.7-8', '5.0 9.9.9-1', '5.0 9.9.9-2'],
  );
  const text = '## MQTT 5.0\n\n| a | b | c | d |\n| - | - | - | - |\n| 1.2.3-4 | says | kept | `one`, `two` |\n';
  assert.equal(readTable(text, '5.0'), [
    { id: '1.2.3-4', says: 'says', kind: 'kept', where: '`one`, `two`', files: ['one', 'two'] },
  ]);
});

test.run();
