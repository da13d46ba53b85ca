/** Steps that every scenario is made of. Each is bounded in time. */
import type { Connection } from '../client.ts';
import { BenchError, formatHost } from '../hosts.ts';
import type { Run } from '../run.ts';

/** Handshakes in progress at once. */
export const CONNECT_CONCURRENCY = 64;
const CONNECT_TIMEOUT_MS = 30_000;
const DISCONNECT_TIMEOUT_MS = 3000;

/**
 * Opens connections, 64 at a time, until all are ready or the time is up.
 * @returns how many became ready
 */
export async function connectSome(run: Run, connections: readonly Connection[], timeoutMs: number): Promise<number> {
  let next = 0;
  let ready = 0;
  let open = true;
  const openNext = (): void => {
    const connection = open ? connections[next++] : undefined;
    connection?.open();
  };
  for (const connection of connections) {
    connection.onReady = () => {
      ready++;
      openNext();
    };
  }
  for (let i = 0; i < CONNECT_CONCURRENCY; i++) openNext();
  await run.loop.until(() => ready === connections.length, { timeoutMs });
  open = false;
  return ready;
}

/** Opens all connections. @throws BenchError when one does not become ready in time */
export async function connectAll(run: Run, connections: readonly Connection[]): Promise<void> {
  const ready = await connectSome(run, connections, CONNECT_TIMEOUT_MS);
  if (ready === connections.length) return;
  const late = connections.find((connection) => !connection.ready) as Connection;
  throw new BenchError(
    `Only ${ready} of ${connections.length} clients were connected and subscribed after ${CONNECT_TIMEOUT_MS / 1000} s; ` +
      `${formatHost(late.options.host)} does not answer.`,
  );
}

/** Closes all connections, in order if the broker takes part, by reset if it does not. */
export async function closeAll(run: Run, connections: readonly Connection[]): Promise<void> {
  run.closing = true;
  for (const connection of connections) connection.close();
  const outcome = await run.loop
    .until(() => connections.every((connection) => connection.closed), { timeoutMs: DISCONNECT_TIMEOUT_MS })
    .catch(() => 'failed');
  if (outcome !== 'met') for (const connection of connections) connection.destroy();
}
