import type { State } from './state/index.ts';

/** More than enough for a client to find one that answers. */
const MAX_REFERENCES = 4;

/**
 * Where else a client can go: the MQTT addresses of the other nodes that are up as far as this one knows, in the form of
 * a Server Reference (MQTT 5.0 section 4.11); null when there is none.
 *
 * @param turn whom to name first: it should differ from client to client, or all of them went to the same node
 */
export function serverReference(state: State, nodeId: string, turn: number): string | null {
  const addresses: string[] = [];
  for (const { nodeId: other, up, mqtt } of state.nodes.values()) {
    if (up && other !== nodeId && mqtt !== '') addresses.push(mqtt);
  }
  if (addresses.length === 0) return null;
  const first = turn % addresses.length;
  return [...addresses.slice(first), ...addresses.slice(0, first)].slice(0, MAX_REFERENCES).join(' ');
}
