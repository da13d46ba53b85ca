import { LinkBook, majorityLeader, type Network, type Shape } from '@quorate/jepsen-style-tests';
import { between } from '../../../jepsen-style-tests/src/nemeses/link-book.ts';
import {
  cutLine,
  MAX_NETEM_LINKS,
  netemLines,
  openLine,
  placeOf,
  throughRelayLine,
} from '../../../jepsen-style-tests/src/network/commands.ts';
import { unshareCommand } from '../../../jepsen-style-tests/src/network/possible.ts';
import { assert, suite } from '../../support/suite.ts';

const test = suite('partition tests: links');

const n1 = placeOf('n1', 'node', 0);
const n2 = placeOf('n2', 'node', 1);
const c12 = placeOf('c12', 'client', 11);
const GOOD: Shape = { lossPct: 0, duplicatePct: 0, reorderPct: 0, delayMs: 0, jitterMs: 0 };

test('hosts have addresses and MAC addresses of their own', () => {
  assert.equal(n2, { name: 'n2', address: '10.77.0.2', mac: '02:00:00:77:00:02' });
  assert.equal(c12, { name: 'c12', address: '10.77.1.12', mac: '02:00:00:77:01:0c' });
  assert.throws(() => placeOf('many', 'node', 250), /at most 250/);
});

test('a cut is a neighbour with a MAC address that nobody has, and its end the true one', () => {
  assert.is(cutLine(n2), 'neigh replace 10.77.0.2 lladdr 02:00:00:00:00:99 dev eth0 nud permanent');
  assert.is(openLine(n2), 'neigh replace 10.77.0.2 lladdr 02:00:00:77:00:02 dev eth0 nud permanent');
  assert.is(throughRelayLine(n2, n1), 'route replace 10.77.0.2/32 dev tun0 src 10.77.0.1');
});

test('netem gets a band for each destination; the first band is for all others', () => {
  const shape = { lossPct: 5, duplicatePct: 2, reorderPct: 10, delayMs: 50, jitterMs: 20 };
  assert.equal(netemLines([]), []);
  assert.equal(
    netemLines([
      [n2, shape],
      [c12, { ...GOOD, lossPct: 1.5 }],
    ]),
    [
      'qdisc add dev eth0 root handle 1: prio bands 16 priomap 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0',
      'qdisc add dev eth0 parent 1:2 handle 10: netem limit 10000 delay 60000us 10000us reorder 10% loss 5% duplicate 2%',
      'filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst 10.77.0.2/32 flowid 1:2',
      'qdisc add dev eth0 parent 1:3 handle 11: netem limit 10000 loss 1.5%',
      'filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dst 10.77.1.12/32 flowid 1:3',
    ],
  );
  const many = Array.from({ length: MAX_NETEM_LINKS }, (_none, at) => [placeOf('x', 'node', at), GOOD] as const);
  assert.match(netemLines(many).at(-1) ?? '', /flowid 1:10$/);
  assert.throws(() => netemLines([...many, [n1, GOOD]]), /16 shaped links from one host: at most 15/);
});

test('without root the namespaces are of a user; in both cases they end with the run', () => {
  for (const kind of ['root namespaces', 'user namespaces'] as const) {
    const command = unshareCommand(kind);
    for (const flag of ['--net', '--mount', '--pid', '--kill-child']) assert.ok(command.includes(flag), flag);
    assert.is(command.includes('--user'), kind === 'user namespaces');
  }
});

/** Remembers what it was last told. */
function fakeNetwork(): { network: Network; cuts: () => string; shapes: () => unknown } {
  let [cuts, shapes]: [unknown, unknown] = [[], []];
  const network = {
    setCuts: (given: unknown) => Promise.resolve(void (cuts = given)),
    setShapes: (given: unknown) => Promise.resolve(void (shapes = given)),
  } as unknown as Network;
  return { network, cuts: () => JSON.stringify(cuts), shapes: () => shapes };
}

test('the end of one fault leaves the cuts of another', async () => {
  const { network, cuts } = fakeNetwork();
  const book = new LinkBook(network);
  const [one, other] = [Symbol('one'), Symbol('other')];
  await book.cut(one, [['a', 'b']]);
  await book.cut(other, [
    ['a', 'b'],
    ['c', 'a'],
  ]);
  await book.cut(one, []);
  assert.is(cuts(), '[["a","b"],["c","a"]]');
  await book.clear();
  assert.is(cuts(), '[]');
});

test('of two shapes of a link the worse counts, in each respect', async () => {
  const { network, shapes } = fakeNetwork();
  const book = new LinkBook(network);
  await book.shape(Symbol('one'), [['a', 'b', { ...GOOD, lossPct: 5, delayMs: 10 }]]);
  await book.shape(Symbol('other'), [
    ['a', 'b', { ...GOOD, lossPct: 1, delayMs: 20 }],
    ['b', 'a', { ...GOOD, jitterMs: 3 }],
  ]);
  assert.equal(shapes(), [
    ['a', 'b', { ...GOOD, lossPct: 5, delayMs: 20 }],
    ['b', 'a', { ...GOOD, jitterMs: 3 }],
  ]);
});

test('sides are cut from each other both ways, and whole within', () => {
  assert.equal(between([['a', 'b'], ['c'], []]), [
    ['a', 'c'],
    ['c', 'a'],
    ['b', 'c'],
    ['c', 'b'],
  ]);
});

test('the leader is whom more than half of all nodes hold for it, in one term', () => {
  const a3 = { id: 'a', term: 3 };
  const a4 = { id: 'a', term: 4 };
  assert.equal(majorityLeader([a3, a3, null], 3), a3);
  assert.is(majorityLeader([a3, a4, null], 3), null);
  assert.is(majorityLeader([a3, null, null], 3), null);
  assert.is(majorityLeader([a3, a3, a4, a4], 4), null);
});

test.run();
