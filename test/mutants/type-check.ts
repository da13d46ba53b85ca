import { join } from 'node:path';
import ts from 'typescript';

/** Unused names: what a rule is taken out of often leaves some behind. */
const ALLOWED = new Set([6133, 6138, 6192, 6196, 6198]);

/**
 * Checks the types of mutated files. A mutant that does not even compile would be found, but for the wrong reason.
 */
export class TypeCheck {
  readonly #root: string;
  readonly #service: ts.LanguageService;
  #changed: ReadonlyMap<string, string> = new Map();
  #version = 0;

  /** @param files by path from the root */
  constructor(root: string, files: readonly string[]) {
    this.#root = root;
    const { config } = ts.readConfigFile(join(root, 'tsconfig.base.json'), (path) => ts.sys.readFile(path)) as {
      config: { compilerOptions: object };
    };
    const json = { ...config.compilerOptions, composite: false, customConditions: ['source'], noEmit: true };
    const { options } = ts.convertCompilerOptionsFromJson(json, root);
    const textOf = (path: string): string | undefined =>
      this.#changed.get(path.slice(root.length + 1)) ?? ts.sys.readFile(path);
    this.#service = ts.createLanguageService({
      getCompilationSettings: () => ({ ...options, allowImportingTsExtensions: true }),
      getScriptFileNames: () => files.map((file) => join(root, file)),
      getScriptVersion: (path) => (this.#changed.has(path.slice(root.length + 1)) ? String(this.#version) : '0'),
      getScriptSnapshot: (path) => {
        const text = textOf(path);
        return text === undefined ? undefined : ts.ScriptSnapshot.fromString(text);
      },
      getCurrentDirectory: () => root,
      getDefaultLibFileName: (compilerOptions) => ts.getDefaultLibFilePath(compilerOptions),
      fileExists: (path) => ts.sys.fileExists(path),
      readFile: (path) => ts.sys.readFile(path),
      readDirectory: (...args) => ts.sys.readDirectory(...args),
      directoryExists: (path) => ts.sys.directoryExists(path),
      getDirectories: (path) => ts.sys.getDirectories(path),
      realpath: (path) => ts.sys.realpath?.(path) ?? path,
    });
  }

  /** What is wrong with the changed files, a line each. */
  errors(changed: ReadonlyMap<string, string>): string[] {
    this.#changed = changed;
    this.#version++;
    return [...changed.keys()].flatMap((file) => {
      const path = join(this.#root, file);
      const found = [...this.#service.getSyntacticDiagnostics(path), ...this.#service.getSemanticDiagnostics(path)];
      return found.filter(({ code }) => !ALLOWED.has(code)).map((each) => this.#describe(file, each));
    });
  }

  #describe(file: string, { messageText, start, file: source }: ts.Diagnostic): string {
    const line = source === undefined || start === undefined ? 0 : source.getLineAndCharacterOfPosition(start).line + 1;
    return `${file}:${line} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
  }
}
