import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { isGenerated, matchingLines, ROOT, type SourceFile, type Violation } from './files.ts';

const MAX_LINES = 500;
const CODE = /\.[cm]?[jt]s$/;
const PROSE_WITHOUT_RULES = new Set(['LICENSE', 'package-lock.json']);

// The patterns are put together so that this file does not match them.
const UNFINISHED = new RegExp(`\\b(?:TO${'DO'}|FIX${'ME'}|XX${'X'}|HA${'CK'})\\b|\\bnot (?:yet )?${'implemented'}\\b`);
const MACHINE_PATH = new RegExp(`(?<![\\w.*])/(?:${['work', 'root', 'home', 'Users'].join('|')})/`);
const REGISTRY = new RegExp(`registry\\.${'npmjs'}|"resolved": "${'http'}`);
const EXACT_VERSION = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

/** Source files longer than one concern needs. */
export function fileLength(files: readonly SourceFile[]): Violation[] {
  return files
    .filter((file) => CODE.test(file.path) && !isGenerated(file))
    .map((file) => ({ where: file.path, lines: file.text.trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > MAX_LINES)
    .map(({ where, lines }) => ({ where, what: `${lines} lines, at most ${MAX_LINES}` }));
}

/** Marks of unfinished work. */
export function unfinished(files: readonly SourceFile[]): Violation[] {
  return files
    .filter((file) => !isGenerated(file) && !PROSE_WITHOUT_RULES.has(file.path))
    .flatMap((file) => matchingLines(file, UNFINISHED, 'unfinished'));
}

/** Paths and hosts of the machine that the work was done on. */
export function machineTraces(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => [
    ...(isGenerated(file) ? [] : matchingLines(file, MACHINE_PATH, 'path of a machine')),
    ...matchingLines(file, REGISTRY, 'registry host'),
  ]);
}

/** Dependencies whose version is not exact. */
export function pinnedVersions(files: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  for (const file of files) {
    if (!/(?:^|\/)package\.json$/.test(file.path)) continue;
    const manifest = JSON.parse(file.text) as Record<string, Record<string, string> | undefined>;
    for (const group of ['dependencies', 'devDependencies', 'optionalDependencies', 'overrides']) {
      for (const [name, version] of Object.entries(manifest[group] ?? {})) {
        if (!EXACT_VERSION.test(version)) found.push({ where: file.path, what: `${group}: ${name} is ${version}` });
      }
    }
  }
  return found;
}

/** Relative links in Markdown whose file does not exist. */
export function deadLinks(files: readonly SourceFile[], exists: (path: string) => boolean = existsSync): Violation[] {
  const found: Violation[] = [];
  for (const file of files) {
    if (!file.path.endsWith('.md')) continue;
    for (const [index, line] of file.text
      .replace(/^```[^]*?^```/gm, blank)
      .split('\n')
      .entries()) {
      for (const [, target = ''] of line.matchAll(/\]\(<?([^)\s>]+)>?[^)]*\)/g)) {
        if (/^[a-z][a-z+.-]*:/i.test(target) || target.startsWith('#')) continue;
        const [path = ''] = decodeURIComponent(target).split('#');
        const full = path.startsWith('/') ? join(ROOT, path) : join(ROOT, dirname(file.path), path);
        if (!exists(full)) found.push({ where: `${file.path}:${index + 1}`, what: `no such file: ${target}` });
      }
    }
  }
  return found;
}

/** Empties a code block but keeps its lines, so that line numbers stay right. */
function blank(block: string): string {
  return block.replace(/[^\n]/g, '');
}

/** Packages without a page on their purpose and shape. */
export function designPages(files: readonly SourceFile[]): Violation[] {
  const paths = new Set(files.map((file) => file.path));
  return [...paths]
    .map((path) => /^packages\/[^/]+(?=\/package\.json$)/.exec(path)?.[0])
    .filter((folder) => folder !== undefined)
    .filter((folder) => !paths.has(`${folder}/DESIGN.md`))
    .map((where) => ({ where, what: 'has no DESIGN.md' }));
}

/** Test files where the runner does not look. */
export function testPlaces(files: readonly SourceFile[]): Violation[] {
  return files
    .filter(({ path }) => /\.test\.[cm]?[jt]s$/.test(path) && !/^(?:test|jepsen-style-tests)\/.*\.test\.ts$/.test(path))
    .map(({ path }) => ({ where: path, what: 'a test that the runner does not find; tests are test/**/*.test.ts' }));
}
