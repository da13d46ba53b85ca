import type { CloseOperation, ConnectOperation, DeliverOperation, Operation, Will } from '../history/operation.ts';
import { at, type Checker, Findings } from './checker.ts';
import { claimOf, follow, type Subscriber } from './subscriptions.ts';
import { byClient, type Connection, closedAtMs, connectionsOf, FaultTime } from './timeline.ts';

/** Earlier than this is too early, later than that too late, in milliseconds beyond what faults explain. */
const TOLERANCE_MS = 500;
const ALLOWANCE_MS = 10_000;
/** An orderly end so close to a fault may not have been one. */
const NEAR_FAULT_MS = 2_000;

/** A connection with a will, and what became of it. */
interface Testament {
  readonly connection: Connection;
  readonly will: Will;
  readonly close: CloseOperation;
  /** Until when the server certainly had the client: the begin of the last thing that it answered. */
  readonly aliveMs: number;
  /** The next CONNECT that may have reached a server. */
  readonly next: ConnectOperation | null;
}

function aliveUntil({ connect, operations }: Connection, closedMs: number): number {
  let aliveMs = connect.beginMs;
  for (const operation of operations) {
    const answered = 'outcome' in operation && operation.outcome === 'ok' && operation.endMs <= closedMs;
    if (answered) aliveMs = Math.max(aliveMs, operation.beginMs);
  }
  return aliveMs;
}

function testamentsOf(list: readonly Operation[]): Testament[] {
  const connects = list.filter((operation) => operation.kind === 'connect').filter(({ outcome }) => outcome !== 'fail');
  const testaments: Testament[] = [];
  for (const connection of connectionsOf(list)) {
    const { connect, close } = connection;
    if (connect.will === undefined || close === null) continue;
    const next = connects.find(({ beginMs }) => beginMs > connect.beginMs) ?? null;
    testaments.push({ connection, will: connect.will, close, next, aliveMs: aliveUntil(connection, close.endMs) });
  }
  return testaments;
}

/** Who had to be told of a will sent after `fromMs`. */
function watchersOf(watchers: readonly Subscriber[], will: Will, fromMs: number): Subscriber[] {
  const asPublish = { topic: will.topic, beginMs: fromMs };
  return watchers.filter((watcher) => claimOf(watcher, asPublish as Parameters<typeof claimOf>[1]) !== undefined);
}

/** What must become of a will. */
type Fate = 'sent' | 'not sent' | 'either';

function fateOf(testament: Testament, faults: FaultTime): Fate {
  const { close, will, aliveMs, next, connection } = testament;
  if (close.how === 'disconnect') {
    const certain =
      close.confirmed === true && faults.within(close.beginMs - NEAR_FAULT_MS, close.endMs + NEAR_FAULT_MS) === 0;
    return certain ? 'not sent' : 'either';
  }
  if (will.delaySec === 0 || next === null) return 'sent';
  const keepAliveMs = (connection.connect.keepAliveSec ?? 0) * 1_500;
  const latestMs = close.endMs + keepAliveMs + will.delaySec * 1_000;
  const lateMs = faults.within(close.beginMs, next.beginMs);
  if (next.beginMs > latestMs + TOLERANCE_MS + lateMs) return 'sent';
  const inTime =
    next.outcome === 'ok' && !next.cleanStart && next.endMs < aliveMs + will.delaySec * 1_000 - TOLERANCE_MS;
  return inTime ? 'not sent' : 'either';
}

class WillCheck {
  private readonly findings: Findings;
  private readonly faults: FaultTime;
  private readonly deliveries = new Map<string, DeliverOperation[]>();
  private readonly watchers: readonly Subscriber[];
  /** When the last watcher was there; what was due later could not be seen. */
  private readonly watchedUntilMs: number;

  constructor(findings: Findings, faults: FaultTime, clients: ReadonlyMap<string, readonly Operation[]>) {
    this.findings = findings;
    this.faults = faults;
    const followed = [...clients.values()].map((list) => follow(list).subscriber);
    this.watchers = followed.filter(({ since }) => since.size > 0);
    const names = new Set(this.watchers.map(({ client }) => client));
    let untilMs = Number.POSITIVE_INFINITY;
    for (const [client, list] of clients) {
      const last = connectionsOf(list).at(-1);
      if (names.has(client) && last !== undefined) untilMs = Math.min(untilMs, closedAtMs(last));
    }
    this.watchedUntilMs = untilMs;
    for (const delivery of this.watchers.flatMap(({ deliveries }) => deliveries)) {
      const list = this.deliveries.get(delivery.value);
      if (list === undefined) this.deliveries.set(delivery.value, [delivery]);
      else list.push(delivery);
    }
  }

  check(testament: Testament): void {
    const { will, close, connection } = testament;
    const seen = this.deliveries.get(will.value) ?? [];
    const fate = fateOf(testament, this.faults);
    this.findings.figure(`wills that had to be ${fate}`, 1);
    const proof = [connection.connect, close];
    const whose = `the will ${will.value} of ${connection.connect.client}, whose connection to ${close.node} ended by ${close.how} at ${at(close.beginMs)},`;
    const first = seen[0];
    if (first === undefined) {
      if (fate === 'sent') this.missing(testament, whose);
      return;
    }
    if (fate === 'not sent') {
      const why =
        close.how === 'disconnect' ? 'though the client had left in order' : 'though the client had come back in time';
      this.findings.add('will wrongly sent', 'P2', `${whose} was sent, ${why}`, [...proof, ...seen]);
      return;
    }
    this.timing(testament, first, whose);
    for (const { client, deliveries } of this.watchers) {
      const mine = deliveries.filter(
        ({ value, first: fresh, dup, qos }) => value === will.value && fresh && !(qos === 1 && dup),
      );
      if (mine.length < 2) continue;
      this.findings.add('will sent twice', 'P4', `${whose} was sent to ${client} ${mine.length} times`, [
        ...proof,
        ...mine,
      ]);
    }
  }

  private dueMs({ will, close, connection }: Testament): number {
    return close.endMs + (connection.connect.keepAliveSec ?? 0) * 1_500 + will.delaySec * 1_000 + ALLOWANCE_MS;
  }

  private missing(testament: Testament, whose: string): void {
    const { will, close, connection } = testament;
    const dueMs = this.dueMs(testament);
    if (dueMs + this.faults.within(close.beginMs, this.watchedUntilMs) > this.watchedUntilMs) {
      this.findings.figure('wills not due before the end', 1);
      return;
    }
    const watchers = watchersOf(this.watchers, will, connection.connect.beginMs);
    if (watchers.length === 0) return;
    const sentence = `${whose} was not sent to ${watchers.map(({ client }) => client).join(', ')}; it was due by ${at(dueMs)}`;
    this.findings.add('will lost', 'P1', sentence, [connection.connect, close]);
  }

  private timing(testament: Testament, first: DeliverOperation, whose: string): void {
    const { will, close, connection, aliveMs } = testament;
    const proof = [connection.connect, close, first];
    const earliestMs = aliveMs + will.delaySec * 1_000 - TOLERANCE_MS;
    // Another CONNECT may end the session, and the wait for its will with it; here no session is ended so.
    if (first.endMs < earliestMs) {
      const sentence = `${whose} came at ${at(first.endMs)}, before its delay of ${will.delaySec} s was over`;
      this.findings.add('will too early', 'P2', sentence, proof);
    }
    const dueMs = this.dueMs(testament);
    if (first.endMs > dueMs + this.faults.within(close.beginMs, first.endMs)) {
      const sentence = `${whose} came at ${at(first.endMs)}; it was due by ${at(dueMs)}`;
      this.findings.add('will too late', 'P6', sentence, proof);
    }
  }
}

/** Wills are sent exactly once after a client vanished and its delay is over, and not when it left in order or came back in time. */
export const checkWills: Checker = (history) => {
  const { operations } = history;
  const findings = new Findings('wills');
  const clients = byClient(operations);
  const check = new WillCheck(findings, new FaultTime(history), clients);
  for (const list of clients.values()) for (const testament of testamentsOf(list)) check.check(testament);
  return findings.result();
};
