import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

/** The packages that a simulation runs. */
export const SIMULATED = ['broker', 'consensus', 'node', 'protocol', 'simulator', 'storage'] as const;

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
};

/** Source files of packages by path from the root. */
export function sourceFiles(root: string, packages: readonly string[]): string[] {
  return packages.flatMap((name) =>
    readdirSync(join(root, 'packages', name, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join('packages', name, 'src', file)),
  );
}

function toJavaScript(text: string): string {
  return ts.transpileModule(text, { compilerOptions: OPTIONS }).outputText;
}

function isSource(file: string): boolean {
  return /^packages\/[^/]+\/src\/.*\.ts$/.test(file);
}

/** Compiled files lie beside the others of the folder: a test may read its own source. */
function compileBeside(path: string, text: string): void {
  if (path.endsWith('.ts')) writeFileSync(path.replace(/\.ts$/, '.js'), toJavaScript(text));
}

function outputOf(file: string): string {
  return file.replace('/src/', '/dist/').replace(/\.ts$/, '.js');
}

/** Compiled copies of the packages in a folder of their own, so that a mutant never touches the checkout. */
export class Copies {
  readonly #folder: string;
  readonly #packages: readonly string[];
  readonly #plain: string;
  #count = 0;

  /**
   * @param root of the checkout that is copied
   * @param folder an empty one, outside of the checkout
   * @param packages whose sources are compiled
   * @param others files and folders by path from the root, copied as they are; see `compile`
   * @param built takes what the checkout has compiled instead of compiling it again
   */
  constructor(
    root: string,
    folder: string,
    packages: readonly string[],
    others: readonly string[] = [],
    built = false,
  ) {
    this.#folder = folder;
    this.#packages = packages;
    this.#plain = join(folder, 'plain');
    // What is not found in a copy is found here.
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const name of packages) {
      const from = join(root, 'packages', name);
      const to = join(this.#plain, 'packages', name);
      mkdirSync(to, { recursive: true });
      cpSync(join(from, 'package.json'), join(to, 'package.json'));
      if (name === 'protocol') cpSync(join(from, 'generated'), join(to, 'generated'), { recursive: true });
    }
    for (const name of built ? packages : []) {
      const dist = join('packages', name, 'dist');
      cpSync(join(root, dist), join(this.#plain, dist), {
        recursive: true,
        filter: (path) => !/\.(?:map|d\.ts)$/.test(path),
      });
    }
    for (const file of built ? [] : sourceFiles(root, packages))
      this.#write(this.#plain, file, readFileSync(join(root, file), 'utf8'));
    for (const path of others) cpSync(join(root, path), join(this.#plain, path), { recursive: true });
    writeFileSync(join(this.#plain, 'package.json'), '{ "type": "module" }\n');
  }

  /** Compiles TypeScript among what was copied as it is. @param paths of files from the root */
  compile(paths: readonly string[]): void {
    for (const path of paths) {
      const file = join(this.#plain, path);
      compileBeside(file, readFileSync(file, 'utf8'));
    }
  }

  /** Adds a program to all copies made from here on. @param text of its source */
  addProgram(name: string, text: string): void {
    writeFileSync(join(this.#plain, name), toJavaScript(text));
  }

  #write(copy: string, file: string, text: string): void {
    const path = join(copy, isSource(file) ? outputOf(file) : file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, isSource(file) ? toJavaScript(text) : text);
    if (!isSource(file)) compileBeside(path, text);
  }

  /** A copy in which some files have another text. @returns its folder */
  create(changed: ReadonlyMap<string, string>): string {
    const copy = join(this.#folder, `copy${++this.#count}`);
    cpSync(this.#plain, copy, { recursive: true });
    mkdirSync(join(copy, 'node_modules', '@quorate'), { recursive: true });
    for (const name of this.#packages) {
      symlinkSync(join(copy, 'packages', name), join(copy, 'node_modules', '@quorate', name));
    }
    for (const [file, text] of changed) this.#write(copy, file, text);
    return copy;
  }
}
