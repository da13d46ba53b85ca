import type { Random } from '../random.ts';
import { inBackground, pause } from './background.ts';
import { between, type Cut } from './link-book.ts';
import { type Begun, leaderOrAny, minoritySize, type Nemesis, type NemesisContext, runningNodes } from './nemesis.ts';

/* Links that are cut. Members whose process is down are cut as well: they may start meanwhile. */

/**
 * Where clients are in a partition: `outside` they reach every node; `along` those of an isolated node are cut off along with
 * it; `away` none reaches it.
 */
type Clients = 'outside' | 'along' | 'away';

const CLIENTS_IN_WORDS: Readonly<Record<Clients, string>> = {
  outside: '',
  along: ' with its clients',
  away: ' from the clients too',
};

const FLAP_MS = [150, 1_500] as const;

function nodesOf(context: NemesisContext): string[] {
  return context.cluster.nodes.map((node) => node.id);
}

async function begun(
  context: NemesisContext,
  cuts: readonly Cut[],
  detail: string,
  nodes: readonly string[],
  out: readonly string[] = nodes,
): Promise<Begun> {
  const owner = Symbol(detail);
  await context.links.cut(owner, cuts);
  return { detail, nodes, out, end: () => context.links.cut(owner, []) };
}

/** The cuts that leave these nodes on an island. */
function island(context: NemesisContext, inside: readonly string[], clients: Clients): Cut[] {
  const others = nodesOf(context).filter((id) => !inside.includes(id));
  if (clients === 'outside') return between([inside, others]);
  const along = clients === 'away' ? [] : context.clientHosts.filter((each) => inside.includes(context.homeOf(each)));
  const rest = context.clientHosts.filter((each) => !along.includes(each));
  return between([
    [...inside, ...along],
    [...others, ...rest],
  ]);
}

function isolate(whom: 'leader' | 'one', clients: Clients): Nemesis {
  return {
    name: `isolate ${whom}${CLIENTS_IN_WORDS[clients]}`,
    touches: 'links',
    unavailable: ({ nodeCount }) => (nodeCount > 1 ? null : 'there is one node'),
    begin: async (context, random) => {
      const victim = whom === 'leader' ? await leaderOrAny(context, random) : random.pick(nodesOf(context));
      if (victim === null) return null;
      return begun(context, island(context, [victim], clients), `${victim} cut off${CLIENTS_IN_WORDS[clients]}`, [
        victim,
      ]);
    },
  };
}

function halves(clients: 'outside' | 'along'): Nemesis {
  return {
    name: `halves${clients === 'along' ? ' with their clients' : ''}`,
    touches: 'links',
    unavailable: ({ nodeCount }) => (nodeCount > 1 ? null : 'there is one node'),
    begin: async (context, random) => {
      const all = random.shuffled(nodesOf(context));
      const [one, other] = [all.slice(0, Math.floor(all.length / 2)), all.slice(Math.floor(all.length / 2))];
      return begun(context, island(context, one, clients), `${one.join(', ')} | ${other.join(', ')}`, all, one);
    },
  };
}

const majoritiesRing: Nemesis = {
  name: 'majorities ring',
  touches: 'links',
  unavailable: ({ nodeCount }) => (nodeCount >= 5 ? null : 'it takes five nodes for each to see another majority'),
  begin: async (context, random) => {
    const ring = random.shuffled(nodesOf(context));
    const reach = Math.floor(ring.length / 4) || 1;
    const cuts: Cut[] = [];
    for (const [at, from] of ring.entries()) {
      for (const [where, to] of ring.entries()) {
        const apart = Math.min((at - where + ring.length) % ring.length, (where - at + ring.length) % ring.length);
        if (apart > reach) cuts.push([from, to]);
      }
    }
    return begun(context, cuts, `each sees its neighbours in ${ring.join(' - ')}`, ring, []);
  },
};

const bridge: Nemesis = {
  name: 'bridge',
  touches: 'links',
  unavailable: ({ nodeCount }) => (nodeCount >= 3 ? null : 'it takes three nodes'),
  begin: async (context, random) => {
    const [middle, ...rest] = random.shuffled(nodesOf(context));
    if (middle === undefined) return null;
    const [one, other] = [rest.slice(0, Math.floor(rest.length / 2)), rest.slice(Math.floor(rest.length / 2))];
    const detail = `${one.join(', ')} | ${other.join(', ')}, only ${middle} sees both`;
    return begun(context, between([one, other]), detail, [middle, ...rest], []);
  },
};

/** One way only: the other one is whole, so that acknowledgements or what they acknowledge are missing. */
function oneWay(
  name: string,
  whom: 'leader' | 'any',
  cutsOf: (leader: string, others: readonly string[], random: Random) => Cut[],
): Nemesis {
  return {
    name,
    touches: 'links',
    unavailable: ({ nodeCount }) => (nodeCount > 1 ? null : 'there is one node'),
    begin: async (context, random) => {
      const leader = await leaderOrAny(context, random);
      if (leader === null) return null;
      const others = nodesOf(context).filter((id) => id !== leader);
      const cuts = cutsOf(leader, others, random);
      const nodes = [...new Set(cuts.flat())];
      return begun(
        context,
        cuts,
        `cut: ${cuts.map(([from, to]) => `${from} to ${to}`).join(', ')}`,
        nodes,
        whom === 'leader' ? [leader] : nodes,
      );
    },
  };
}

const leaderCannotSend = oneWay('leader cannot send', 'leader', (leader, others) => others.map((to) => [leader, to]));
const leaderCannotReceive = oneWay('leader cannot receive', 'leader', (leader, others) =>
  others.map((from) => [from, leader]),
);
const someCannotSend = oneWay('one-way cuts', 'any', (leader, others, random) => {
  const all = [leader, ...others];
  const links = all.flatMap((from) => all.filter((to) => to !== from).map((to): Cut => [from, to]));
  return random.shuffled(links).slice(0, random.between(1, all.length));
});

const flapping: Nemesis = {
  name: 'flapping links',
  touches: 'links',
  unavailable: ({ nodeCount }) => (nodeCount > 1 ? null : 'there is one node'),
  begin: async (context, random) => {
    const running = runningNodes(context);
    if (running.length === 0) return null;
    const victims = random.shuffled(running).slice(0, Math.max(1, minoritySize(context.nodeCount)));
    const owner = Symbol('flapping');
    const cuts = island(context, victims, 'outside');
    const flaps = inBackground(async (signal) => {
      for (;;) {
        await context.links.cut(owner, cuts);
        await pause(random.between(...FLAP_MS), signal);
        await context.links.cut(owner, []);
        await pause(random.between(...FLAP_MS), signal);
      }
    });
    return {
      detail: `${victims.join(', ')} cut off for ${FLAP_MS.join(' to ')} ms, again and again`,
      nodes: victims,
      end: async () => {
        await flaps.end();
        await context.links.cut(owner, []);
      },
    };
  },
};

const clientsCutOff: Nemesis = {
  name: 'clients cut off',
  touches: 'links',
  unavailable: ({ clientHosts }) => (clientHosts.length > 0 ? null : 'there are no hosts of clients'),
  begin: async (context, random) => {
    const { clientHosts } = context;
    // Never all of several: how the others fare is what there is to see.
    const most = Math.max(1, clientHosts.length - 1);
    const chosen = random.shuffled(clientHosts).slice(0, random.between(1, most));
    return begun(context, between([chosen, nodesOf(context)]), `${chosen.join(', ')} reach no node`, []);
  },
};

/** Faults of links that are cut. */
export const PARTITIONS: readonly Nemesis[] = [
  isolate('leader', 'outside'),
  isolate('leader', 'along'),
  isolate('leader', 'away'),
  isolate('one', 'outside'),
  isolate('one', 'along'),
  isolate('one', 'away'),
  halves('outside'),
  halves('along'),
  majoritiesRing,
  bridge,
  leaderCannotSend,
  leaderCannotReceive,
  someCannotSend,
  flapping,
  clientsCutOff,
];
