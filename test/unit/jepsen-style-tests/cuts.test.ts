import { LinkBook, NEMESES, type NemesisContext, type Network, seededRandom } from '@quorate/jepsen-style-tests';
import { assert, suite } from '../../support/suite.ts';

/* The shapes of partitions, also of those that take five nodes, which no three real ones can show. */

const test = suite('partition tests: who sees whom');

type Reach = (from: string, to: string) => boolean;

/** A cluster of so many nodes with a client host for each, and what its network was told. */
function context(count: number): { context: NemesisContext; nodes: string[]; clients: string[]; reaches: Reach } {
  let cuts = new Set<string>();
  const network = {
    setCuts: (given: readonly (readonly [string, string])[]) => {
      cuts = new Set(given.map(([from, to]) => `${from}>${to}`));
      return Promise.resolve();
    },
  } as unknown as Network;
  const nodes = Array.from({ length: count }, (_none, at) => `n${String(at + 1)}`);
  const clients = nodes.map((id) => id.replace('n', 'c'));
  const cluster = {
    nodes: nodes.map((id) => ({ id, running: true })),
    leader: () => Promise.resolve({ id: 'n1', term: 1 }),
  };
  return {
    context: {
      ...{ network, cluster, nodeCount: count, clientHosts: clients },
      links: new LinkBook(network),
      homeOf: (client: string) => client.replace('c', 'n'),
    } as unknown as NemesisContext,
    ...{ nodes, clients },
    reaches: (from, to) => from === to || !cuts.has(`${from}>${to}`),
  };
}

async function begun(name: string, count: number): Promise<ReturnType<typeof context> & { hit: readonly string[] }> {
  const found = context(count);
  const nemesis = NEMESES.find((each) => each.name === name);
  if (nemesis === undefined) throw new Error(`no fault ${name}`);
  assert.is(nemesis.unavailable(found.context), null, name);
  const fault = await nemesis.begin(found.context, seededRandom(7));
  if (fault === null) throw new Error(`${name} did not begin`);
  return { ...found, hit: fault.nodes };
}

test('a ring of majorities: each node sees a majority, and no two see the same one', async () => {
  const { nodes, reaches } = await begun('majorities ring', 5);
  const seen = nodes.map((id) => nodes.filter((other) => reaches(id, other)).join(' '));
  for (const each of seen) assert.is(each.split(' ').length, 3, each);
  assert.is(new Set(seen).size, 5);
  for (const a of nodes) for (const b of nodes) assert.is(reaches(a, b), reaches(b, a), 'both ways alike');
});

for (const count of [3, 5]) {
  test(`a bridge of ${String(count)}: one node sees all, each other one only its side`, async () => {
    const { nodes, reaches } = await begun('bridge', count);
    const seen = nodes.map((id) => nodes.filter((other) => reaches(id, other)).length).sort();
    const side = (count - 1) / 2 + 1;
    assert.equal(seen, [...Array.from({ length: count - 1 }, () => side), count]);
  });

  test(`halves of ${String(count)}: a majority and a minority that do not see each other`, async () => {
    const { nodes, reaches } = await begun('halves', count);
    const seen = nodes.map((id) => nodes.filter((other) => reaches(id, other)).length).sort();
    const minority = (count - 1) / 2;
    const sizes = [...Array.from({ length: minority }, () => minority)];
    assert.equal(seen, [...sizes, ...Array.from({ length: minority + 1 }, () => minority + 1)]);
  });

  test(`one of ${String(count)} is isolated: its clients outside, along with it, or away from it`, async () => {
    for (const [name, fromHome, fromOther] of [
      ['isolate one', true, true],
      ['isolate one with its clients', true, false],
      ['isolate one from the clients too', false, false],
    ] as const) {
      const { nodes, reaches, hit } = await begun(name, count);
      const victim = hit[0] ?? '';
      const home = victim.replace('n', 'c');
      const other = nodes.find((id) => id !== victim) ?? '';
      assert.not(reaches(victim, other) || reaches(other, victim), `${name}: nodes`);
      assert.is(reaches(home, victim), fromHome, `${name}: its clients and it`);
      assert.is(reaches(home, other), name !== 'isolate one with its clients', `${name}: its clients and others`);
      assert.is(reaches(other.replace('n', 'c'), victim), fromOther, `${name}: other clients and it`);
    }
  });
}

test('one way: what the leader sends is lost, or what it is sent, and nothing else', async () => {
  const sends = await begun('leader cannot send', 3);
  assert.not(sends.reaches('n1', 'n2') || sends.reaches('n1', 'n3'));
  assert.ok(sends.reaches('n2', 'n1') && sends.reaches('n2', 'n3'));
  const receives = await begun('leader cannot receive', 3);
  assert.not(receives.reaches('n2', 'n1') || receives.reaches('n3', 'n1'));
  assert.ok(receives.reaches('n1', 'n2') && receives.reaches('n2', 'n3'));
});

test('clients cut off: some reach no node, and some reach all', async () => {
  const { nodes, clients, reaches } = await begun('clients cut off', 3);
  const counts = clients.map((client) => nodes.filter((node) => reaches(client, node)).length);
  assert.ok(
    counts.every((count) => count === 0 || count === 3),
    String(counts),
  );
  assert.ok(counts.includes(0) && counts.includes(3), String(counts));
});

test.run();
