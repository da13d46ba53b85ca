import type { Faults } from './context.ts';

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
