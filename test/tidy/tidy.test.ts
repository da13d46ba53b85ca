import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { assert, suite } from '../support/suite.ts';
import { ROOT, repositoryFiles, type Violation } from './files.ts';
import { dependencyDirection, importDirection } from './imports.ts';
import { purity } from './purity.ts';
import { deadLinks, designPages, fileLength, machineTraces, pinnedVersions, testPlaces, unfinished } from './text.ts';

/* The house rules, checked on the repository itself. That each rule finds its violation: rules.test.ts. */

const files = repositoryFiles();
const test = suite('tidy');

function none(violations: readonly Violation[]): void {
  assert.is(violations.length, 0, violations.map(({ where, what }) => `\n      ${where}  ${what}`).join(''));
}

test('the repository was found', () => {
  assert.ok(files.some((file) => file.path === 'package.json'));
  assert.ok(files.filter((file) => file.path.startsWith('packages/')).length > 20);
});

test('imports run one way', () => none(importDirection(files)));
test('dependencies of packages run one way', () => none(dependencyDirection(files)));
test('the pure parts are pure', () => none(purity(files)));
test('files are short', () => none(fileLength(files)));
test('nothing is marked unfinished', () => none(unfinished(files)));
test('no paths and hosts of a machine', () => none(machineTraces(files)));
test('versions are pinned exactly', () => none(pinnedVersions(files)));
test('links in documents lead to files', () => none(deadLinks(files)));
test('every package has a DESIGN.md', () => none(designPages(files)));
test('tests are where the runner looks', () => none(testPlaces(files)));

test('generated code is fresh', () => {
  const script = join(ROOT, 'packages/protocol/scripts/generate.mjs');
  assert.ok(existsSync(script), `${script} is missing`);
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--check'], { cwd: ROOT, encoding: 'utf8' });
  assert.is(status, 0, `${stdout}${stderr}`);
});

test.run();
