import { totalmem } from 'node:os';
import { availableMemoryBytes, type MemorySources, memoryShareOf } from '../../../packages/node/src/memory.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('memory');

const GIB = 1024 ** 3;

function sources(residentBytes: number, usedBytes: number): MemorySources {
  return {
    residentBytes: () => residentBytes,
    heap: () => ({ usedBytes, limitBytes: 2 * GIB }),
    availableBytes: () => 8 * GIB,
  };
}

test('three quarters of what there is, unless another mark is set', () => {
  assert.is(memoryShareOf(undefined, sources(3 * GIB, 0))(), 0.5);
  assert.is(memoryShareOf(4 * GIB, sources(3 * GIB, 0))(), 0.75);
  assert.is(memoryShareOf(0, sources(100 * GIB, 100 * GIB))(), 0);
});

test('the heap ends sooner than the memory', () => {
  assert.ok(Math.abs(memoryShareOf(undefined, sources(3 * GIB, 1.8 * GIB))() - 1) < 1e-9);
});

test('of this process', () => {
  assert.ok(availableMemoryBytes() > 0 && availableMemoryBytes() <= totalmem());
  const share = memoryShareOf(undefined)();
  assert.ok(share > 0 && share < 1, `${String(share)}`);
});

test.run();
