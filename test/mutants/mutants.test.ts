import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assert, suite } from '../support/suite.ts';
import { CONFORMANCE } from './conformance/list.ts';
import { conformanceTests, testsOf } from './conformance/tests.ts';
import { MUTANTS } from './list.ts';
import { applyEdit, mutatedFiles } from './mutant.ts';

/*
 * Whether the mutants still fit the source. That the simulator finds them is shown by `make mutants`, that the conformance
 * tests find theirs by `make conformance-mutants`.
 */

const test = suite('mutants');
const ROOT = new URL('../../', import.meta.url);

for (const mutant of [...MUTANTS, ...CONFORMANCE]) {
  test(`${mutant.name} still applies`, () => {
    const files = mutatedFiles(mutant, (file) => readFileSync(new URL(file, ROOT), 'utf8'));
    for (const [file, text] of files) assert.not.equal(text, readFileSync(new URL(file, ROOT), 'utf8'), file);
  });
}

test('the tests that mutants name are there', () => {
  const named = MUTANTS.flatMap(({ name, test: file }) => (file === undefined ? [] : [{ name, file }]));
  assert.ok(named.length > 0);
  assert.equal(
    named.filter(({ file }) => !/^test\/(unit|integration\/storage)\//.test(file) || !existsSync(new URL(file, ROOT))),
    [],
  );
});

test('names are unique', () => {
  for (const mutants of [MUTANTS, CONFORMANCE]) {
    assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  }
});

test('every conformance test is named by a mutant that it has to find, and every mutant names tests', () => {
  const declared = conformanceTests(fileURLToPath(ROOT));
  const named = CONFORMANCE.flatMap(({ name, fails }) =>
    Object.entries(fails).flatMap(([file, parts]) => parts.map((part) => ({ mutant: name, file, part }))),
  );
  const found = named.map((each) => ({
    ...each,
    tests: declared.filter(({ file, name }) => file === each.file && name.includes(each.part)),
  }));
  assert.equal(
    found.filter(({ tests }) => tests.length === 0).map(({ mutant, file, part }) => `${mutant}: ${file}: ${part}`),
    [],
  );
  const caught = new Set(found.flatMap(({ tests }) => tests));
  assert.equal(
    declared.filter((each) => !caught.has(each)).map(({ file, name }) => `${file}: ${name}`),
    [],
  );
});

test('the tests of a file are found by their names', () => {
  const text =
    "test('one', f); shows(test, { 'v3.1.1': '1', 'v5.0': '2' }, `two`, f); test(`a ${b} c`, f); other('x');";
  assert.equal(
    testsOf('some', text).map(({ name }) => name),
    ['one', 'two (3.1.1)', 'two (5.0)', 'a * c'],
  );
});

test('an edit whose text is not there, or there twice, is refused', () => {
  const edit = { file: 'f', search: 'aa', replace: 'b' };
  assert.equal(applyEdit('x aa y', edit), 'x b y');
  assert.throws(() => applyEdit('x y', edit), /f holds 0 times/);
  assert.throws(() => applyEdit('aa aa', edit), /f holds 2 times/);
});

test.run();
