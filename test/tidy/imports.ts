import { posix } from 'node:path';
import ts from 'typescript';
import type { SourceFile, Violation } from './files.ts';

/*
 * Imports run one way: cli -> node -> broker -> protocol; node -> consensus, storage; simulator -> the pure parts
 * and the runtime of a node, which takes its clock, network and disk.
 * A `types` entry may be imported as types only, so that it leaves nothing in the compiled code.
 */
interface Allowed {
  readonly values: readonly string[];
  readonly types: readonly string[];
}

const ALLOWED: Readonly<Record<string, Allowed>> = {
  consensus: { values: [], types: [] },
  storage: { values: [], types: ['consensus'] },
  protocol: { values: [], types: ['consensus'] },
  broker: { values: ['protocol'], types: [] },
  node: { values: ['broker', 'protocol', 'consensus', 'storage', 'dashboard'], types: [] },
  cli: { values: ['node'], types: [] },
  bench: { values: [], types: [] },
  dashboard: { values: [], types: [] },
  simulator: { values: ['consensus', 'storage', 'protocol', 'broker', 'node/runtime'], types: [] },
};

const SCOPE = '@quorate/';
const STATE = 'packages/broker/src/state/';
const CONSENSUS = 'packages/consensus/src/';

interface Import {
  readonly from: string;
  readonly typeOnly: boolean;
  readonly line: number;
}

/** Only the whole-statement form counts: `import { type A } from 'x'` still loads x when compiled. */
function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  return node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
}

function importsOf(file: SourceFile): Import[] {
  const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
  const found: Import[] = [];
  const add = (node: ts.Node, specifier: ts.Node, typeOnly: boolean): void => {
    if (!ts.isStringLiteralLike(specifier)) return;
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    found.push({ from: specifier.text, typeOnly, line });
  };
  const visit = (node: ts.Node): void => {
    if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
      add(node, node.moduleSpecifier, isTypeOnly(node));
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [specifier] = node.arguments;
      if (specifier !== undefined) add(node, specifier, false);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** What is wrong with one import, if anything. */
function judge(file: SourceFile, item: Import): string | undefined {
  const owner = file.path.split('/')[1] ?? '';
  const inState = file.path.startsWith(STATE);
  if (item.from.startsWith('.')) {
    const target = posix.join(posix.dirname(file.path), item.from);
    if (!target.startsWith(`packages/${owner}/`)) return `${item.from} reaches into another package`;
    if (inState && !target.startsWith(STATE)) return `broker/state must not import ${target}`;
    return undefined;
  }
  if (file.path.startsWith(CONSENSUS)) return `consensus imports nothing, but here ${item.from}`;
  if (inState && item.from !== `${SCOPE}protocol` && item.from !== 'node:buffer') {
    return `broker/state must not import ${item.from}`;
  }
  if (!item.from.startsWith(SCOPE)) return undefined;
  const target = item.from.slice(SCOPE.length);
  const allowed = ALLOWED[owner];
  if (allowed === undefined) return `package ${owner} has no import rule`;
  if (allowed.values.includes(target) || target === owner) return undefined;
  if (allowed.types.includes(target)) {
    return item.typeOnly ? undefined : `${owner} may import only types of ${target}`;
  }
  return `${owner} must not import ${target}`;
}

/** Imports that run the wrong way, and pure parts that import anything impure. */
export function importDirection(files: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  for (const file of files) {
    if (!/^packages\/[^/]+\/src\/.*\.ts$/.test(file.path)) continue;
    for (const item of importsOf(file)) {
      const what = judge(file, item);
      if (what !== undefined) found.push({ where: `${file.path}:${item.line}`, what });
    }
  }
  return found;
}

/** Dependencies between the packages' manifests that run the wrong way. */
export function dependencyDirection(files: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  for (const file of files) {
    const owner = /^packages\/([^/]+)\/package\.json$/.exec(file.path)?.[1];
    if (owner === undefined) continue;
    const { dependencies = {} } = JSON.parse(file.text) as { dependencies?: Record<string, string> };
    for (const name of Object.keys(dependencies)) {
      const rule = ALLOWED[owner];
      const target = name.startsWith(SCOPE) ? name.slice(SCOPE.length) : undefined;
      const mayImport = (name: string): boolean => name === target || name.startsWith(`${target}/`);
      if (target === undefined || rule?.values.some(mayImport) || rule?.types.some(mayImport)) continue;
      found.push({ where: file.path, what: `${owner} must not depend on ${target}` });
    }
  }
  return found;
}
