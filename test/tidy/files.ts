import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The root of the repository. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A text file of the repository; the path is relative to the root, with slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** Where a rule is broken: `path` or `path:line`, and what is wrong. */
export interface Violation {
  readonly where: string;
  readonly what: string;
}

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.git', '.quorate', '.tmp', 'coverage']);
const TEXT_NAMES =
  /\.(?:[cm]?[jt]s|json|md|ya?ml|proto|html|css|svg|sh|service|tpl|txt)$|(?:^|\/)(?:Makefile|run|Dockerfile)$/;

/** Every text file of the repository that people write, in a fixed order. */
export function repositoryFiles(folder = ROOT): SourceFile[] {
  const files: SourceFile[] = [];
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    const path = join(folder, entry.name);
    const name = relative(ROOT, path).split(sep).join('/');
    if (entry.isDirectory()) {
      if (!SKIPPED_FOLDERS.has(entry.name)) files.push(...repositoryFiles(path));
    } else if (entry.isFile() && TEXT_NAMES.test(name)) {
      files.push({ path: name, text: readFileSync(path, 'utf8') });
    }
  }
  return files;
}

/** Whether a program made this file. */
export function isGenerated(file: SourceFile): boolean {
  return file.path.split('/').includes('generated') || file.path === 'package-lock.json';
}

/** The lines of a file that match, as violations. */
export function matchingLines(file: SourceFile, pattern: RegExp, what: string): Violation[] {
  const found: Violation[] = [];
  for (const [index, line] of file.text.split('\n').entries()) {
    const hit = pattern.exec(line);
    if (hit !== null) found.push({ where: `${file.path}:${index + 1}`, what: `${what}: ${hit[0].trim()}` });
  }
  return found;
}
