import ts from 'typescript';
import type { SourceFile, Violation } from './files.ts';

/*
 * The consensus core and the replicated state machine give the same outputs for the same inputs on every node. This
 * check shares nothing with the lint rules of the same intent, so that a slip in one does not disable both.
 */

const IMPURE = new Set([
  'Date',
  'performance',
  'Intl',
  'crypto',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'Promise',
  'process',
  'console',
  'fetch',
  'globalThis',
  'require',
]);

const PURE_PARTS: readonly { readonly folder: string; readonly alsoImpure: ReadonlySet<string> }[] = [
  { folder: 'packages/consensus/src/', alsoImpure: new Set(['Buffer']) },
  { folder: 'packages/broker/src/state/', alsoImpure: new Set() },
];

/** Whether an identifier is only the name of a property or member, which may be called anything. */
function isMemberName(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent) ||
      ts.isGetAccessorDeclaration(parent)) &&
    parent.name === node
  );
}

function judge(node: ts.Node, alsoImpure: ReadonlySet<string>): string | undefined {
  if (ts.isIdentifier(node) && !isMemberName(node) && (IMPURE.has(node.text) || alsoImpure.has(node.text))) {
    return node.text;
  }
  if (ts.isPropertyAccessExpression(node)) {
    const name = node.name.text;
    if (name === 'random' && node.expression.getText() === 'Math') return 'Math.random';
    if (name === 'localeCompare' || name.startsWith('toLocale')) return name;
  }
  if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'async';
  if (ts.isAwaitExpression(node)) return 'await';
  if (ts.isForInStatement(node)) return 'for ... in (lists integer-like keys first)';
  return undefined;
}

/** Uses of clocks, timers, randomness, I/O, promises and locales in the pure parts. */
export function purity(files: readonly SourceFile[]): Violation[] {
  const found: Violation[] = [];
  for (const file of files) {
    const part = PURE_PARTS.find(({ folder }) => file.path.startsWith(folder));
    if (part === undefined || !file.path.endsWith('.ts')) continue;
    const source = ts.createSourceFile(file.path, file.text, ts.ScriptTarget.Latest, true);
    const visit = (node: ts.Node): void => {
      const what = judge(node, part.alsoImpure);
      if (what !== undefined) {
        const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
        found.push({ where: `${file.path}:${line}`, what: `impure: ${what}` });
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return found;
}
