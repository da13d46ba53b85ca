import type { Leftovers } from '../workloads/workload.ts';
import type { NodeAddress } from './packets.ts';
import { type ClientEnvironment, type ClientIdentity, RecordingClient } from './recording-client.ts';

/** In all, in milliseconds: what is not done by then expires by itself. */
const LIMIT_MS = 5_000;

/** Ends sessions by connecting with a session that ends with its connection, and clears retained messages. Keeps no books. */
export async function cleanUp(
  nodes: readonly NodeAddress[],
  leftovers: readonly Leftovers[],
  environment: ClientEnvironment,
): Promise<void> {
  const identities = new Map<string, ClientIdentity>();
  for (const identity of leftovers.flatMap(({ sessions }) => sessions)) identities.set(identity.clientId, identity);
  const retained = [...new Set(leftovers.flatMap((each) => each.retained))];
  const silent = { ...environment, record: () => undefined };
  const untilMs = performance.now() + LIMIT_MS;
  for (const identity of identities.values()) {
    const client = new RecordingClient({ ...identity, sessionExpirySec: 0, window: 1 }, silent);
    for (const node of nodes) {
      if (performance.now() > untilMs) break;
      if ((await client.connect(node)).outcome !== 'ok') continue;
      // The first one that is connected does it for all.
      for (let topic = retained.pop(); topic !== undefined; topic = retained.pop()) {
        if (client.mayPublish) await client.publish(topic, '', { qos: 1, retain: true });
      }
      await client.disconnect();
      break;
    }
    client.giveUp();
  }
}
