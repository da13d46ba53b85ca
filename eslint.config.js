import js from '@eslint/js';
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/*
 * Formatting is Biome's; these rules are about meaning. The ones that need types come first in importance: a promise
 * that nobody awaits is an unordered or unnoticed write.
 */

/** Anything that could differ between two nodes that apply the same log. */
const impureGlobals = [
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
  'global',
  'globalThis',
  'window',
  'self',
];

const pureMessage = 'the pure parts have the same outputs for the same inputs on every node';

/** Rules for code that must be deterministic and free of I/O. */
const pureRules = (extraGlobals, allowedImports, importMessage) => ({
  'no-restricted-globals': [
    'error',
    ...[...impureGlobals, ...extraGlobals].map((name) => ({ name, message: pureMessage })),
  ],
  'no-restricted-properties': ['error', { object: 'Math', property: 'random', message: pureMessage }],
  'no-restricted-syntax': [
    'error',
    { selector: ':function[async=true]', message: `${pureMessage}: nothing waits` },
    { selector: 'AwaitExpression', message: `${pureMessage}: nothing waits` },
    { selector: 'ForOfStatement[await=true]', message: `${pureMessage}: nothing waits` },
    { selector: 'ImportExpression', message: `${pureMessage}: nothing waits` },
    { selector: "TSTypeReference[typeName.name='Promise']", message: `${pureMessage}: nothing waits` },
    { selector: 'ForInStatement', message: 'plain objects list integer-like keys first; use a Map' },
    {
      selector: 'MemberExpression[property.name=/^(localeCompare|toLocale\\w*)$/]',
      message: 'locales differ between nodes; compare code units or bytes',
    },
  ],
  'no-restricted-imports': ['error', { patterns: [{ regex: allowedImports, message: importMessage }] }],
  '@typescript-eslint/require-array-sort-compare': ['error', { ignoreStringArrays: true }],
});

export default defineConfig(
  globalIgnores([
    '**/dist/',
    '**/node_modules/',
    '**/generated/',
    '**/coverage/',
    '.quorate/',
    '.tmp/',
    'packages/dashboard/public/',
  ]),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'error',
      // MQTT has its own rules on control characters.
      'no-control-regex': 'off',
      'no-constant-condition': ['error', { checkLoops: false }],
      '@typescript-eslint/await-thenable': 'error',
      '@typescript-eslint/ban-ts-comment': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      // With verbatimModuleSyntax, `import { type A } from 'x'` still loads x.
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      // An async method that only throws or returns still keeps its interface's promise.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['packages/consensus/src/**/*.ts'],
    rules: pureRules(['Buffer'], '^(?!\\.\\.?/)', 'consensus imports nothing but itself'),
  },
  {
    files: ['packages/broker/src/state/**/*.ts'],
    rules: pureRules(
      [],
      '^(?!\\.\\.?/|@quorate/protocol$)|/connection/',
      'broker/state imports only itself, @quorate/protocol and node:buffer',
    ),
  },
  {
    // Programs and tests write to the terminal.
    files: ['packages/{cli,bench}/**', 'test/**', 'jepsen-style-tests/**', 'scripts/**'],
    rules: { 'no-console': 'off' },
  },
  {
    // Tests feed wrong types on purpose and pass methods around.
    files: ['test/**/*.ts', 'jepsen-style-tests/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs'],
    languageOptions: { globals: { console: 'readonly', process: 'readonly', URL: 'readonly' } },
  },
);
