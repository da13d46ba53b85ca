import { assert, suite } from '../support/suite.ts';
import type { SourceFile, Violation } from './files.ts';
import { dependencyDirection, importDirection } from './imports.ts';
import { purity } from './purity.ts';
import { deadLinks, designPages, fileLength, machineTraces, pinnedVersions, testPlaces, unfinished } from './text.ts';

/* Each house rule is shown violations that it must find, and neighbours of them that it must let pass. */

type Rule = (files: readonly SourceFile[]) => Violation[];
type Planted = Readonly<Record<string, string>>;

const test = suite('tidy rules');

function filesOf(planted: Planted): SourceFile[] {
  return Object.entries(planted).map(([path, text]) => ({ path, text }));
}

function finds(title: string, rule: Rule, bad: readonly Planted[], good: readonly Planted[]): void {
  test(title, () => {
    for (const planted of bad) assert.is(rule(filesOf(planted)).length, 1, `not found: ${JSON.stringify(planted)}`);
    for (const planted of good) {
      assert.equal(rule(filesOf(planted)), [], `wrongly found: ${JSON.stringify(planted)}`);
    }
  });
}

const inPackage = (name: string, text: string): Planted => ({ [`packages/${name}/src/a.ts`]: text });
const inState = (text: string): Planted => ({ 'packages/broker/src/state/a.ts': text });

finds(
  'import direction',
  importDirection,
  [
    inPackage('consensus', "import { readFileSync } from 'node:fs';"),
    inPackage('consensus', "import type { A } from '@quorate/protocol';"),
    inPackage('storage', "import { Core } from '@quorate/consensus';"),
    inPackage('storage', "import { type Entry } from '@quorate/consensus';"),
    inPackage('storage', "export * from '@quorate/consensus';"),
    inPackage('protocol', "import type { A } from '@quorate/broker';"),
    inPackage('broker', "import { A } from '@quorate/node';"),
    inPackage('broker', "const a = await import('@quorate/storage');"),
    inPackage('node', "import '@quorate/cli';"),
    inPackage('cli', "import { A } from '@quorate/broker';"),
    inPackage('bench', "import type { A } from '@quorate/protocol';"),
    inPackage('node', "import { A } from '../../broker/src/a.ts';"),
    inState("import { A } from '../connection/a.ts';"),
    inState("import { connect } from 'node:net';"),
    inState("type A = import('@quorate/consensus').A;"),
  ],
  [
    inPackage('consensus', "import { A } from './b.ts';"),
    inPackage('storage', "import type { Entry } from '@quorate/consensus';"),
    inPackage('node', "import { A } from '@quorate/broker';\nimport { B } from '@quorate/storage';"),
    inPackage('cli', "import { A } from '@quorate/node';"),
    inPackage('bench', "// import '@quorate/node';\nimport { connect } from 'node:net';"),
    inState("import { matches } from '@quorate/protocol';\nimport { Buffer } from 'node:buffer';\nimport './b.ts';"),
  ],
);

const depends = (name: string, on: string): Planted => ({
  [`packages/${name}/package.json`]: JSON.stringify({ dependencies: { [on]: '0.1.0' } }),
});
finds(
  'dependency direction',
  dependencyDirection,
  [depends('broker', '@quorate/node'), depends('bench', '@quorate/protocol')],
  [depends('storage', '@quorate/consensus'), depends('node', 'pino')],
);

const impure = [
  'const a = Date.now();',
  'const a = new Date(0);',
  'performance.now();',
  'Math.random();',
  'setTimeout(f, 1);',
  'setInterval(f, 1);',
  'setImmediate(f);',
  'queueMicrotask(f);',
  'process.exit(1);',
  'console.log(1);',
  'async function f(): X { return 1; }',
  'const f = async () => 1;',
  'class A { async f() {} }',
  'await f();',
  'function f(): Promise<void> { return x; }',
  "a.localeCompare('b');",
  'a.toLocaleLowerCase();',
  'new Intl.Collator();',
  'for (const a in b) f(a);',
];
finds(
  'purity',
  purity,
  [
    ...impure.map((text) => inPackage('consensus', text)),
    ...impure.map((text) => inState(text)),
    inPackage('consensus', 'const a = Buffer.alloc(1);'),
  ],
  [
    inPackage('consensus', '// Date.now() is banned\nconst a = { process: 1 }; a.process; // async'),
    inState("const a = Buffer.alloc(1); throw new Error('setTimeout');"),
    inPackage('node', 'setTimeout(f, Date.now());'),
    { 'packages/broker/src/connection/a.ts': 'await f();' },
  ],
);

finds(
  'file length',
  fileLength,
  [{ 'a.ts': 'x;\n'.repeat(501) }],
  [{ 'a.ts': 'x;\n'.repeat(500) }, { 'packages/a/generated/a.js': 'x;\n'.repeat(501) }, { 'a.md': 'x\n'.repeat(501) }],
);

finds(
  'unfinished',
  unfinished,
  [{ 'a.ts': `// ${'TO'}DO: later` }, { 'a.md': `${'FIX'}ME` }, { 'a.ts': `throw new Error('not ${'implemented'}');` }],
  [{ 'a.ts': 'const toDo = 1;' }],
);

finds(
  'machine traces',
  machineTraces,
  [
    { 'a.md': `see ${'/ro'}ot/notes` },
    { 'a.ts': `'${'/ho'}me/somebody/x'` },
    { 'package-lock.json': `"resolved": "${'ht'}tps://somewhere/a.tgz"` },
  ],
  [{ 'a.md': 'test/work/x and ./home/x and /var/lib/quorate' }, { 'package-lock.json': '"resolved": "packages/cli"' }],
);

finds(
  'pinned versions',
  pinnedVersions,
  [
    { 'package.json': '{"devDependencies":{"a":"^1.0.0"}}' },
    { 'packages/a/package.json': '{"dependencies":{"a":"*"}}' },
    { 'package.json': '{"overrides":{"a":"1"}}' },
  ],
  [{ 'package.json': '{"dependencies":{"a":"1.0.0","b":"1.0.0-rc.1"},"peerDependencies":{"c":"^1.0.0"}}' }],
);

finds(
  'dead links',
  (files) => deadLinks(files, (path) => path.endsWith('docs/there.md') || path.endsWith('README.md')),
  [{ 'docs/a.md': '[x](gone.md)' }, { 'docs/a.md': '![x](../there.md "title")' }, { 'README.md': '[x](/gone)' }],
  [
    { 'docs/a.md': '[x](there.md#part) [y](https://example.org/) [z](#here) [r](../README.md)' },
    { 'docs/a.md': '```\n[x](gone.md)\n```' },
  ],
);

finds(
  'design pages',
  designPages,
  [{ 'packages/a/package.json': '{}' }],
  [{ 'packages/a/package.json': '{}', 'packages/a/DESIGN.md': '' }],
);

finds(
  'test places',
  testPlaces,
  [{ 'packages/a/src/a.test.ts': '' }, { 'test/unit/a.test.js': '' }],
  [{ 'test/unit/a/a.test.ts': '' }],
);

test.run();
