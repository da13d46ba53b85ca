import type { CloseOperation, ConnectOperation, Operation, PublishOperation } from '../history/operation.ts';
import type { History } from '../history/reader.ts';

/** One connection that was accepted. */
export interface Connection {
  readonly connect: ConnectOperation;
  /** Null when the history ends before it. */
  readonly close: CloseOperation | null;
  /** What the client did and saw on it, by begin, without the two above. A publication is on the connection that it began on. */
  readonly operations: readonly Operation[];
}

/** When a connection was over for certain. */
export function closedAtMs(connection: Connection): number {
  return connection.close?.endMs ?? Number.POSITIVE_INFINITY;
}

/** The operations of each client, by begin. */
export function byClient(operations: readonly Operation[]): Map<string, Operation[]> {
  const clients = new Map<string, Operation[]>();
  for (const operation of operations) {
    const list = clients.get(operation.client);
    if (list === undefined) clients.set(operation.client, [operation]);
    else list.push(operation);
  }
  for (const list of clients.values()) list.sort((a, b) => a.beginMs - b.beginMs);
  return clients;
}

/** The accepted connections of one client, in order. @param operations of that client, by begin */
export function connectionsOf(operations: readonly Operation[]): Connection[] {
  const connections: { connect: ConnectOperation; close: CloseOperation | null; operations: Operation[] }[] = [];
  for (const operation of operations) {
    const last = connections.at(-1);
    if (operation.kind === 'connect') {
      if (operation.outcome === 'ok') connections.push({ connect: operation, close: null, operations: [] });
    } else if (operation.kind === 'close') {
      if (last !== undefined) last.close = operation;
    } else {
      last?.operations.push(operation);
    }
  }
  return connections;
}

/** All publications by value. */
export function publicationsOf(operations: readonly Operation[]): Map<string, PublishOperation> {
  const published = new Map<string, PublishOperation>();
  for (const operation of operations) if (operation.kind === 'publish') published.set(operation.value, operation);
  return published;
}

/** Whether a topic matches a filter (MQTT 5.0 section 4.7); `$share/group/` in front of the filter counts as not there. */
export function matches(filter: string, topic: string): boolean {
  const levels = (filter.startsWith('$share/') ? filter.split('/').slice(2).join('/') : filter).split('/');
  const names = topic.split('/');
  for (const [at, level] of levels.entries()) {
    if (level === '#') return true;
    if (at >= names.length || (level !== '+' && level !== names[at])) return false;
  }
  return levels.length === names.length;
}

/** How long a cluster may take to be itself again after a fault, in milliseconds. */
const SETTLE_MS = 5_000;

/**
 * Time in which faults were at work or had just ended, and for as long as nothing was acknowledged because of them: what is late
 * in it may be late for a reason. A cluster without a leader has no time of its own, so nothing expires in it meanwhile.
 */
export class FaultTime {
  private readonly spans: (readonly [fromMs: number, toMs: number])[] = [];

  constructor({ faults, standstills }: Pick<History, 'faults' | 'standstills'>, settleMs = SETTLE_MS) {
    const ends = new Map(faults.filter(({ phase }) => phase === 'end').map(({ fault, atMs }) => [fault, atMs]));
    const begins = faults.filter(({ phase }) => phase === 'begin').sort((a, b) => a.atMs - b.atMs);
    for (const { fault, atMs } of begins) {
      const settledMs = (ends.get(fault) ?? Number.POSITIVE_INFINITY) + settleMs;
      const lasting = standstills.filter(([fromMs, untilMs]) => fromMs <= settledMs && untilMs > atMs);
      const toMs = Math.max(settledMs, ...lasting.map(([, untilMs]) => untilMs));
      const last = this.spans.at(-1);
      if (last !== undefined && last[1] >= atMs) this.spans[this.spans.length - 1] = [last[0], Math.max(last[1], toMs)];
      else this.spans.push([atMs, toMs]);
    }
  }

  /** How much of the time from `fromMs` to `toMs` it was, in milliseconds. */
  within(fromMs: number, toMs: number): number {
    let sum = 0;
    for (const [from, to] of this.spans) sum += Math.max(0, Math.min(to, toMs) - Math.max(from, fromMs));
    return sum;
  }
}
