import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';

/** The packages that a simulation runs. */
const PACKAGES = ['broker', 'consensus', 'node', 'protocol', 'simulator', 'storage'] as const;

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  verbatimModuleSyntax: true,
  rewriteRelativeImportExtensions: true,
};

/** Source files by path from the root, of the packages that a simulation runs. */
export function sourceFiles(root: string): string[] {
  return PACKAGES.flatMap((name) =>
    readdirSync(join(root, 'packages', name, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join('packages', name, 'src', file)),
  );
}

function toJavaScript(text: string): string {
  return ts.transpileModule(text, { compilerOptions: OPTIONS }).outputText;
}

function outputOf(file: string): string {
  return file.replace('/src/', '/dist/').replace(/\.ts$/, '.js');
}

/** Compiled copies of the packages in a folder of their own, so that a mutant never touches the checkout. */
export class Copies {
  readonly #folder: string;
  readonly #plain: string;
  #count = 0;

  /**
   * @param root of the checkout that is copied
   * @param folder an empty one, outside of the checkout
   */
  constructor(root: string, folder: string) {
    this.#folder = folder;
    this.#plain = join(folder, 'plain');
    // What is not found in a copy is found here.
    symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
    for (const name of PACKAGES) {
      const from = join(root, 'packages', name);
      const to = join(this.#plain, 'packages', name);
      mkdirSync(to, { recursive: true });
      cpSync(join(from, 'package.json'), join(to, 'package.json'));
      if (name === 'protocol') cpSync(join(from, 'generated'), join(to, 'generated'), { recursive: true });
    }
    for (const file of sourceFiles(root)) this.#write(this.#plain, file, readFileSync(join(root, file), 'utf8'));
    const runner = readFileSync(new URL('./seed-runner.ts', import.meta.url), 'utf8');
    writeFileSync(join(this.#plain, 'seed-runner.js'), toJavaScript(runner));
    writeFileSync(join(this.#plain, 'package.json'), '{ "type": "module" }\n');
  }

  #write(copy: string, file: string, text: string): void {
    const path = join(copy, outputOf(file));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, toJavaScript(text));
  }

  /** A copy in which some files have another text. @returns its folder */
  create(changed: ReadonlyMap<string, string>): string {
    const copy = join(this.#folder, `copy${++this.#count}`);
    cpSync(this.#plain, copy, { recursive: true });
    mkdirSync(join(copy, 'node_modules', '@quorate'), { recursive: true });
    for (const name of PACKAGES) {
      symlinkSync(join(copy, 'packages', name), join(copy, 'node_modules', '@quorate', name));
    }
    for (const [file, text] of changed) this.#write(copy, file, text);
    return copy;
  }
}
