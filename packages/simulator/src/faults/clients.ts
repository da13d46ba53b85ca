import { anyNode, type Faults } from './context.ts';
import { isolate, unblock } from './leaders.ts';

/** How often and how many times the clients of a node ask that is out of contact. */
const ASK_MS = 40;
const ASKS = 50;

/** What happens to clients and their connections. */
export const CLIENT_FAULTS: Faults = {
  'client connections break': {
    weight: 3,
    inject: ({ rng, clients }) => {
      const share = rng.between(0.1, 1);
      for (const client of clients) {
        if (!rng.chance(share)) continue;
        if (rng.chance(0.6)) client.break();
        else client.drop('fault', rng.chance(0.5));
      }
    },
  },
  'client connections stall': {
    weight: 3,
    inject: ({ rng, clients, later }) => {
      for (const { wire } of clients) {
        if (wire === null || !rng.chance(0.3)) continue;
        wire.stall();
        later(20, 6_000, () => wire.unstall());
      }
    },
  },
  // Its clients go on asking, and others come elsewhere with the same ids: it answers until its lease ends, nobody else before.
  'clients of a node out of contact': {
    weight: 2,
    inject: (context) => {
      const { rng, cluster, clients, later } = context;
      const contended = clients.filter(({ plan, live }) => plan.contends && live);
      const { nodeId } = (contended.length > 0 ? rng.pick(contended).wire?.serverEnd : null) ?? {
        nodeId: anyNode(context).id,
      };
      const node = cluster.node(nodeId);
      isolate(context, node);
      later(500, 6_000, () => unblock(context, node));
      const ask = (left: number): void => {
        for (const client of clients) {
          if (client.wire?.serverEnd.nodeId === nodeId) client.ping();
          else if (client.plan.contends && rng.chance(0.1)) client.drop('elsewhere', false);
        }
        if (left > 0) later(ASK_MS, ASK_MS, () => ask(left - 1));
      };
      ask(ASKS);
    },
  },
  // Everybody who shares a client id comes at once.
  'takeover storm': {
    weight: 2,
    inject: ({ rng, clients }) => {
      for (const client of clients) {
        if (client.plan.contends && client.wire !== null) client.drop('storm', rng.chance(0.5));
      }
    },
  },
};
