import type { QoS } from '@quorate/protocol';
import { type CommandResult, writeUnsubscribe } from '../state/index.ts';
import { type Client, Proposed } from './client.ts';
import { closeReasonOf } from './closing.ts';
import { maySubscribe } from './permissions.ts';
import { goLiveIfReviewed } from './session-start.ts';

/** Filters that leave a session in one command, and their characters. */
const FILTERS_PER_COMMAND = 256;
const CHARACTERS_PER_COMMAND = 64 * 1024;

/** What the steps of a review cost, in filters looked at. */
const CONNECTION_EFFORT = 2;
const CLOSING_EFFORT = 32;

/**
 * Looks at what a client has under its grant: it is closed if something stands against it, and subscriptions that it may
 * not have any more leave its session through the log. Yields the effort of each step, so that others come between.
 */
export function* review(connection: Client): Generator<number> {
  const { grant } = connection;
  if (grant === null || isOver(connection)) return;
  const refusal = grant.revoked();
  yield CONNECTION_EFFORT;
  if (refusal !== null) {
    if (!isOver(connection)) close(connection, closeReasonOf(refusal.reasonCode), refusal.detail);
    yield CLOSING_EFFORT;
    return;
  }
  const { session } = connection;
  // While it is being claimed there is nothing to look at yet; `claimed` asks for another review.
  if (session === null) return;
  let removed: string[] = [];
  let characters = 0;
  for (const [filter, qos] of filtersOf(connection)) {
    if (!maySubscribe(grant, filter, qos)) {
      removed.push(filter);
      characters += filter.length;
      if (removed.length >= FILTERS_PER_COMMAND || characters >= CHARACTERS_PER_COMMAND) {
        restrict(connection, removed);
        removed = [];
        characters = 0;
      }
    }
    yield 1;
    // A client that has another grant by now has another review before it.
    if (isOver(connection) || connection.grant !== grant) return;
  }
  if (removed.length > 0) restrict(connection, removed);
  connection.reviewed = true;
  goLiveIfReviewed(connection);
}

function isOver({ phase }: Client): boolean {
  return phase === 'closed' || phase === 'leaving';
}

function close(connection: Client, reason: ReturnType<typeof closeReasonOf>, detail: string): void {
  if (connection.phase === 'live') connection.fail(reason, detail);
  else connection.refuse(reason, detail);
}

/** Those of the session, and those that are on their way into it: what is proposed here comes behind them in the log. */
function* filtersOf({ session, pendingSubscriptions }: Client): Generator<readonly [filter: string, qos: QoS]> {
  for (const { filter, qos } of session?.subscriptions.values() ?? []) yield [filter, qos];
  for (const { filters, qos } of [...pendingSubscriptions]) {
    for (const [at, filter] of filters.entries()) yield [filter, qos[at] ?? 0];
  }
}

function restrict(connection: Client, filters: readonly string[]): void {
  const { broker, epoch } = connection;
  connection.restrictions.push(filters);
  connection.outgoing?.restricting();
  writeUnsubscribe(broker.proposer.open(), { epoch, filters });
  broker.proposer.added(connection, Proposed.restrict, 0);
}

/** The subscriptions are out of the session. */
export function restrictionApplied(connection: Client, result: CommandResult): void {
  const filters = connection.restrictions.shift();
  if (filters === undefined || result.kind !== 'reasonCodes') return;
  for (const [at, filter] of filters.entries()) {
    if (result.reasonCodes[at] === 0) connection.broker.denials.add(connection, 'subscription_removed', filter);
  }
  connection.outgoing?.restricted(filters, connection.restrictions.length > 0);
  goLiveIfReviewed(connection);
}
