import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, suite } from '../../support/suite.ts';

/* The table of docs/pitfalls.md names tests: each must be there. */

const test = suite('pitfalls: the table');
const ROOT = join(import.meta.dirname, '../../..');
const CITATION = /^`([^`]+)`(?:: (.+))?$/;

interface Row {
  readonly pitfall: string;
  readonly tests: readonly string[];
}

function rows(): Row[] {
  const lines = readFileSync(join(ROOT, 'docs/pitfalls.md'), 'utf8').split('\n');
  return lines
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) => {
      const [pitfall = '', , , tests = ''] = line
        .slice(1, -1)
        .split('|')
        .map((cell) => cell.trim());
      return { pitfall, tests: tests.split('<br>').map((each) => each.trim()) };
    });
}

/** What is wrong with one citation, or null. */
function faultOf(citation: string): string | null {
  if (/^can not /.test(citation)) return null;
  const [, file, title = ''] = CITATION.exec(citation) ?? [];
  if (file === undefined) return `neither a test nor a reason: ${citation}`;
  const path = join(ROOT, 'test', file);
  if (!existsSync(path)) return `no such file: ${file}`;
  const source = readFileSync(path, 'utf8').replaceAll("\\'", "'");
  return source.includes(title) ? null : `no such title in ${file}: ${title}`;
}

test('every row names a test that exists, or says why there is none', () => {
  const found = rows();
  assert.ok(found.length >= 60, `${found.length} rows`);
  assert.is(new Set(found.map(({ pitfall }) => pitfall)).size, found.length, 'each once');
  const faults = found.flatMap(({ pitfall, tests }) =>
    tests
      .map(faultOf)
      .filter((fault) => fault !== null)
      .map((fault) => `${pitfall}: ${fault}`),
  );
  assert.equal(faults, []);
});

test.run();
