import type { Shape } from '../network/network.ts';
import type { Random } from '../random.ts';
import type { Shaped } from './link-book.ts';
import type { Nemesis, NemesisContext } from './nemesis.ts';

/* Links that are bad, but not cut. */

const GOOD: Shape = { lossPct: 0, duplicatePct: 0, reorderPct: 0, delayMs: 0, jitterMs: 0 };

/** Between all nodes, of one node only, or between clients and nodes. */
type Scope = 'all nodes' | 'one node' | 'clients';

function linksOf(
  context: NemesisContext,
  scope: Scope,
  random: Random,
): { links: [string, string][]; nodes: string[] } {
  const nodes = context.cluster.nodes.map((node) => node.id);
  if (scope === 'clients' && context.clientHosts.length > 0) {
    const links = context.clientHosts.flatMap((client) => nodes.map((node): [string, string] => [client, node]));
    return { links: both(links), nodes };
  }
  const victim = scope === 'one node' ? random.pick(nodes) : null;
  const links = nodes.flatMap((a, at) => nodes.slice(at + 1).map((b): [string, string] => [a, b]));
  const chosen = victim === null ? links : links.filter((link) => link.includes(victim));
  return { links: both(chosen), nodes: victim === null ? nodes : [victim] };
}

function both(links: readonly [string, string][]): [string, string][] {
  return links.flatMap(([a, b]): [string, string][] => [
    [a, b],
    [b, a],
  ]);
}

function describe({ lossPct, duplicatePct, reorderPct, delayMs, jitterMs }: Shape): string {
  const parts = [
    lossPct > 0 ? `${String(lossPct)} % lost` : '',
    duplicatePct > 0 ? `${String(duplicatePct)} % twice` : '',
    reorderPct > 0 ? `${String(reorderPct)} % out of order` : '',
    delayMs + jitterMs > 0 ? `${String(delayMs)} to ${String(delayMs + jitterMs)} ms late` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function shaping(name: string, shapeOf: (random: Random) => Partial<Shape>): Nemesis {
  return {
    name,
    touches: 'shapes',
    unavailable: ({ network, nodeCount }) =>
      network.shapingUnavailable ?? (nodeCount > 1 ? null : 'there is one node, without links between nodes'),
    begin: async (context, random) => {
      const scope = random.pick<Scope>(['all nodes', 'one node', 'clients']);
      const shape = { ...GOOD, ...shapeOf(random) };
      const { links, nodes } = linksOf(context, scope, random);
      const owner = Symbol(name);
      await context.links.shape(
        owner,
        links.map(([from, to]): Shaped => [from, to, shape]),
      );
      const where = scope === 'one node' ? `links of ${nodes.join('')}` : `links of ${scope}`;
      return {
        detail: `${where}: ${describe(shape)}`,
        nodes,
        out: scope === 'one node' ? nodes : [],
        end: () => context.links.shape(owner, []),
      };
    },
  };
}

/** Faults of links that are bad. */
export const SHAPES: readonly Nemesis[] = [
  shaping('packet loss', (random) => ({ lossPct: random.between(2, 30) })),
  shaping('delay', (random) => ({ delayMs: random.between(10, 150), jitterMs: random.between(0, 50) })),
  shaping('reorder', (random) => ({ delayMs: random.between(5, 40), reorderPct: random.between(10, 50) })),
  shaping('duplication', (random) => ({ duplicatePct: random.between(5, 50) })),
  shaping('bad links', (random) => ({
    lossPct: random.between(1, 10),
    duplicatePct: random.between(1, 10),
    reorderPct: random.between(1, 10),
    delayMs: random.between(5, 80),
    jitterMs: random.between(5, 40),
  })),
];
