import { readFileSync } from 'node:fs';
import { assert, suite } from '../support/suite.ts';
import { MUTANTS } from './list.ts';
import { applyEdit, mutatedFiles } from './mutant.ts';

/* Whether the mutants still fit the source; that the simulator finds them is shown by `make mutants`. */

const test = suite('mutants');
const ROOT = new URL('../../', import.meta.url);

for (const mutant of MUTANTS) {
  test(`${mutant.name} still applies`, () => {
    const files = mutatedFiles(mutant, (file) => readFileSync(new URL(file, ROOT), 'utf8'));
    for (const [file, text] of files) assert.not.equal(text, readFileSync(new URL(file, ROOT), 'utf8'), file);
  });
}

test('names are unique', () => {
  assert.equal(new Set(MUTANTS.map(({ name }) => name)).size, MUTANTS.length);
});

test('an edit whose text is not there, or there twice, is refused', () => {
  const edit = { file: 'f', search: 'aa', replace: 'b' };
  assert.equal(applyEdit('x aa y', edit), 'x b y');
  assert.throws(() => applyEdit('x y', edit), /f holds 0 times/);
  assert.throws(() => applyEdit('aa aa', edit), /f holds 2 times/);
});

test.run();
