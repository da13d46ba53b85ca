import { type Planted, planted } from './planted.ts';

const TABLES = 'docs/conformance.md';
const READING = 'test/conformance/support/document.ts';

/** Of MQTT 3.1.1 and 5.0, whose columns are not equally wide. */
const OLD_ROW =
  '| 3.12.4-1  | PINGREQ is answered by PINGRESP                                                                | kept          | `subscribe`                                            |\n';
const NEW_ROW =
  '| 3.12.4-1  | PINGREQ is answered by PINGRESP                                                                                 | kept          | `subscribe`                     |\n';

/** The same for the row of each version. */
function inBothTables(name: string, breaks: string, test: string, change: (row: string) => string): Planted {
  return planted(
    name,
    breaks,
    { document: [test] },
    [TABLES, OLD_ROW, change(OLD_ROW)],
    [TABLES, NEW_ROW, change(NEW_ROW)],
  );
}

/** Wrong rows in docs/conformance.md, and a wrong reader of it. */
export const DOCUMENT: readonly Planted[] = [
  inBothTables('row-missing', 'every statement has its row', 'every statement has its row', () => ''),
  inBothTables('row-twice', 'every statement has one row', 'every statement has its row', (row) => row + row),
  inBothTables('row-of-no-kind', 'every row is of a kind', 'every row says of what kind it is', (row) =>
    row.replace('kept', 'done'),
  ),
  inBothTables('row-without-test', 'a row that is kept names a test', 'every test that a row names exists', (row) =>
    row.replace('`subscribe`', 'somewhere'),
  ),
  inBothTables('row-with-a-test-that-is-not', 'the test of a row exists', 'every test that a row names exists', (row) =>
    row.replace('`subscribe`', '`subscript`'),
  ),
  inBothTables('row-with-another-test', 'the test of a row shows it', 'every test that a row names exists', (row) =>
    row.replace('`subscribe`', '`session`'),
  ),
  inBothTables(
    'row-without-what-shows-it',
    'a row knows its tests',
    'every statement that a test shows is in a row',
    (row) => row.replace('`subscribe`', '`session`'),
  ),
  planted(
    'claims-of-one-statement',
    'all statements of a test are read',
    { document: ['the reading of tests and table'] },
    [READING, ".split(', ')) found", ".split(', ', 1)) found"],
  ),
];
