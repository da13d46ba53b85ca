import { insideOf } from './inside.ts';
import { NamespaceNetwork } from './namespaces.ts';
import type { Network } from './network.ts';
import { ProxyNetwork } from './proxies.ts';

/**
 * The best network that this process can have: of namespaces inside of `runInside`, else of proxies.
 *
 * @param nodes names of hosts of nodes, spare ones too
 * @param clients names of hosts of clients
 * @param seed decides the fate of packets where the relay shapes them
 */
export async function openNetwork(nodes: readonly string[], clients: readonly string[], seed = 1): Promise<Network> {
  return insideOf() === null ? new ProxyNetwork([...nodes, ...clients]) : NamespaceNetwork.open(nodes, clients, seed);
}
