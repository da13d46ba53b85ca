import { NEMESES, WORKLOADS } from '@quorate/jepsen-style-tests';
import { called, partsOf } from '../../../jepsen-style-tests/src/run/choice.ts';
import { plansOf } from '../../../jepsen-style-tests/src/run/run.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('partition tests: what is asked for');

const ALL = ['kill one', 'kill all', 'pause one', 'order', 'reorder'].map((name) => ({ name }));

function namesOf(text: string): string[] {
  return called('fault', ALL, partsOf(text)).map(({ name }) => name);
}

test('whole names, parts of names, with and without space; nothing: all', () => {
  assert.equal(namesOf('pause one, kill'), ['kill one', 'kill all', 'pause one']);
  assert.equal(namesOf('order'), ['order'], 'a whole name is that one alone');
  assert.equal(namesOf('rder'), ['order', 'reorder']);
  assert.equal(
    namesOf(' , '),
    ALL.map(({ name }) => name),
  );
});

test('one name of several that nothing is called is refused, with those that there are', () => {
  assert.throws(() => namesOf('kill one,kil one'), /no fault is called kil one; there are kill one, kill all/);
});

test('every fault and every workload can be named alone', () => {
  for (const each of NEMESES) assert.equal(called('fault', NEMESES, [each.name]), [each]);
  for (const each of WORKLOADS) assert.equal(called('workload', WORKLOADS, [each.name]), [each]);
});

test('clients reach nodes as they are reached from their place', () => {
  const far = [{ id: 'n1', host: '127.0.77.9', port: 4_000 }];
  const near = [{ id: 'n1', host: '127.0.77.1', port: 1_883 }];
  const places = [
    { name: 'c1', commandPrefix: [] },
    { name: 'c2', commandPrefix: [], nodes: far },
  ];
  const plans = plansOf({ workloads: WORKLOADS, nodes: near, places, folder: '', seed: 1 }, 0n);
  assert.equal(
    plans.map(({ nodes }) => nodes),
    [near, far],
  );
});

test.run();
