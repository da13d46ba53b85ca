import { STORAGE_ERROR_CODES, StorageError } from '@quorate/storage';
import { assert, suite } from '../../support/suite.ts';

const test = suite('storage errors');

test('every code has a sentence, and details fill it', () => {
  for (const code of STORAGE_ERROR_CODES) {
    const bare = new StorageError(code, {}).message;
    const names = [...bare.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string);
    assert.ok(names.length > 0, `${code} tells a value`);
    const filled = new StorageError(code, Object.fromEntries(names.map((name) => [name, `<${name}>`]))).message;
    assert.not.match(filled, /[{}]/);
    assert.ok(filled.endsWith('.'), `${code} ends as a sentence`);
  }
});

test('carries code, details and cause', () => {
  const cause = new Error('why');
  const error = new StorageError('DIRECTORY_LOCKED', { path: '/data', holder: 'process 7' }, cause);
  assert.is(error.code, 'DIRECTORY_LOCKED');
  assert.is(error.cause, cause);
  assert.match(error.message, /\/data is in use by process 7/);
});

test.run();
