import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

/** A test of test/conformance. */
export interface Declared {
  /** Without `.test.ts`. */
  readonly file: string;
  /** What is computed in a name is `*`. */
  readonly name: string;
}

/** Finds the tests that a file declares by `test` and `shows`, without running it. */
export function testsOf(file: string, text: string): Declared[] {
  const found: Declared[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) {
      for (const name of namesOf(node.expression.text, node.arguments)) found.push({ file, name });
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest));
  return found;
}

function namesOf(callee: string, [first, second, third]: readonly ts.Expression[]): string[] {
  if (callee === 'test' && first !== undefined) return [textOf(first)];
  if (callee !== 'shows' || second === undefined || third === undefined) return [];
  if (!ts.isObjectLiteralExpression(second)) throw new Error('shows() without the statements written out');
  return second.properties.map(({ name }) => {
    if (name === undefined || !ts.isStringLiteral(name)) throw new Error('shows() with a version that is no literal');
    return `${textOf(third)} (${name.text.slice(1)})`;
  });
}

function textOf(name: ts.Expression): string {
  if (ts.isStringLiteralLike(name)) return name.text;
  if (!ts.isTemplateExpression(name)) throw new Error('a test whose name is no literal');
  return name.head.text + name.templateSpans.map(({ literal }) => `*${literal.text}`).join('');
}

/** All tests of test/conformance. */
export function conformanceTests(root: string): Declared[] {
  const folder = join(root, 'test/conformance');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts'))
    .sort()
    .flatMap((name) => testsOf(name.replace('.test.ts', ''), readFileSync(join(folder, name), 'utf8')));
}
