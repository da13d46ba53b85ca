import type { State } from '@quorate/broker';
import {
  type AppliedEntry,
  type BatchHeader,
  ByteWriter,
  beginBatch,
  type CheckpointRecords,
  type CommandResult,
  type Connect,
  type DocumentRecord,
  type Message,
  type RetainedRequest,
  type Session,
  StateLoader,
  StateMachine,
  type StateSink,
  takeCheckpoint,
  writeConnect,
  writeDisconnect,
  writeNodeUp,
  writePublish,
  writePubrel,
  writeSettle,
  writeSubscribe,
  writeTick,
  writeUnsubscribe,
} from '@quorate/broker';
import type { MessageProperties, QoS, SubscriptionRequest, Will } from '@quorate/protocol';
import { assert } from '../../../../support/suite.ts';

export type Fill = (writer: ByteWriter) => void;

/** What one call of the sink said, by value: what it pointed at changes later. */
export type Event = readonly unknown[];

/** Writes down everything that the machine tells. */
export class RecordingSink implements StateSink {
  readonly events: Event[] = [];
  /** Outcomes of the commands of accepted batches. */
  readonly results: CommandResult[] = [];
  checkpointDue = false;

  batchBegin(header: BatchHeader, accepted: boolean): void {
    this.events.push(['batch', header.nodeId, header.incarnation, header.sequence, accepted]);
  }

  commandResult(_header: BatchHeader, result: CommandResult): void {
    this.results.push(result);
    const { kind } = result;
    if (kind !== 'connected') this.events.push(['result', { ...result }]);
    else this.events.push(['connected', result.session.epoch, result.sessionPresent, result.previousOwner]);
  }

  batchEnd(): void {
    this.events.push(['end']);
  }

  deliver(session: Session, message: Message, qos: QoS, retain: boolean, ids: readonly number[] | null): void {
    const { id, topic, expiresAtMs } = message;
    const payload = Buffer.from(message.payload).toString();
    this.events.push(['deliver', session.clientId, session.epoch, id, topic, payload, expiresAtMs, qos, retain, ids]);
  }

  retainedRequested(session: Session, request: RetainedRequest): void {
    this.events.push(['requested', session.clientId, { ...request }]);
  }

  retainedChanging(message: Message): void {
    this.events.push(['changing', message.id]);
  }

  queued(session: Session): void {
    this.events.push(['queued', session.clientId, session.epoch, session.tracked?.nextSequence]);
  }

  ownershipLost(session: Session, ...rest: unknown[]): void {
    this.events.push(['lost', session.clientId, ...rest]);
  }

  nodeChanged(...change: unknown[]): void {
    this.events.push(['node', ...change]);
  }

  checkpoint(compactIndex: number): void {
    this.checkpointDue = true;
    this.events.push(['checkpoint', compactIndex]);
  }

  documentChanged(collection: number, name: string, document: DocumentRecord | null): void {
    const now = document === null ? null : [document.revision, Buffer.from(document.bytes).toString()];
    this.events.push(['document', collection, name, now]);
  }

  membersChanged(): void {
    this.events.push(['members']);
  }

  clusterNamed(clusterId: string): void {
    this.events.push(['named', clusterId]);
  }

  dropped(session: Session, reason: string): void {
    this.events.push(['dropped', session.clientId, reason]);
  }

  /** The events of one kind since the last look, taken off. */
  take(kind: string): Event[] {
    const found = this.events.filter((event) => event[0] === kind);
    this.events.length = 0;
    return found;
  }
}

export function sealBatch(nodeId: string, incarnation: number, sequence: number, fill: Fill): Buffer {
  const writer = new ByteWriter(256);
  const sequenceAt = beginBatch(writer, nodeId, incarnation);
  fill(writer);
  writer.patchInteger(sequenceAt, sequence);
  return writer.take();
}

/** The data of one log entry. */
export function entryData(batches: readonly Uint8Array[]): Buffer {
  const writer = new ByteWriter(256);
  for (const batch of batches) writer.bytes(batch);
  return writer.take();
}

/** A state store: records by key, fed back in the order of the keys. */
export class RecordStore {
  readonly records = new Map<string, Buffer>();

  write({ puts, deletes }: CheckpointRecords): void {
    const written = new Set<string>();
    for (const [key, value] of puts) {
      const name = Buffer.from(key).toString('hex');
      assert.not(written.has(name), `two records under ${name}`);
      written.add(name);
      this.records.set(name, Buffer.from(value));
    }
    for (const key of deletes) {
      const name = Buffer.from(key).toString('hex');
      // One atomic batch has no order between its puts and deletes.
      assert.not(written.has(name), `put and deleted: ${name}`);
      this.records.delete(name);
    }
  }

  load(appliedIndex: number, appliedTerm: number): State {
    const loader = new StateLoader();
    for (const name of [...this.records.keys()].sort()) {
      loader.add(Buffer.from(name, 'hex'), Buffer.from(this.records.get(name) as Buffer));
    }
    return loader.finish(appliedIndex, appliedTerm);
  }
}

/** Parts of commands that most tests do not care about. */
export interface ConnectPart extends Partial<Omit<Connect, 'clientId' | 'will'>> {
  readonly will?: Partial<Will>;
}

export interface PublishPart {
  readonly qos?: QoS;
  readonly retain?: boolean;
  readonly packetId?: number;
  readonly properties?: MessageProperties;
}

export const PERSISTENT: ConnectPart = { sessionExpiryIntervalSec: 1000 };

/** One machine, with a log that is written as it is applied: a cluster seen from one of its nodes. */
export class Bench {
  sink = new RecordingSink();
  machine = new StateMachine(this.sink);
  readonly store = new RecordStore();
  readonly #sequences = new Map<string, { incarnation: number; sequence: number }>();
  nowMs = 1000;
  term = 1;
  /** Everything that was applied. */
  readonly log: AppliedEntry[] = [];

  /** Nodes a and b are up. */
  constructor() {
    this.nodeUp('a');
    this.nodeUp('b');
    this.sink.events.length = 0;
  }

  get state(): State {
    return this.machine.state;
  }

  session(clientId: string): Session {
    const session = this.state.sessions.get(clientId);
    assert.ok(session, `no session of ${clientId}`);
    return session;
  }

  nodeUp(nodeId: string, incarnation = (this.#sequences.get(nodeId)?.incarnation ?? 0) + 1): void {
    this.#sequences.set(nodeId, { incarnation, sequence: 0 });
    this.on(nodeId, (writer) =>
      writeNodeUp(writer, { mqtt: `${nodeId}:1883`, http: '', peer: '', version: '1', leaseMs: 1000 }),
    );
  }

  seal(nodeId: string, fill: Fill): Buffer {
    const at = this.#sequences.get(nodeId);
    assert.ok(at);
    const { incarnation, sequence } = at;
    (at as { sequence: number }).sequence++;
    return sealBatch(nodeId, incarnation, sequence + 1, fill);
  }

  /** A batch whose predecessor does not exist yet. */
  sealAhead(nodeId: string, fill: Fill): Buffer {
    const { incarnation = 0, sequence = 0 } = this.#sequences.get(nodeId) ?? {};
    return sealBatch(nodeId, incarnation, sequence + 2, fill);
  }

  /** Applies one entry; the outcomes of the commands in it. */
  apply(batches: readonly Uint8Array[]): CommandResult[] {
    this.sink.results.length = 0;
    const entry: AppliedEntry = {
      index: this.state.appliedIndex + 1,
      term: this.term,
      stampMs: this.nowMs,
      data: entryData(batches),
    };
    this.machine.apply(entry);
    this.log.push(entry);
    return [...this.sink.results];
  }

  /** One batch of `nodeId` in an entry of its own; the outcome of its last command. */
  on(nodeId: string, fill: Fill): CommandResult {
    return this.apply([this.seal(nodeId, fill)]).at(-1) as CommandResult;
  }

  /** Connects on node a unless said otherwise; the epoch. */
  tryConnect(clientId: string, part: ConnectPart = {}, nodeId = 'a'): CommandResult {
    return this.on(nodeId, (writer) => connectCommand(writer, clientId, part));
  }

  connect(clientId: string, part: ConnectPart = {}, nodeId = 'a'): number {
    const result = this.tryConnect(clientId, part, nodeId);
    assert.is(result.kind, 'connected');
    return result.kind === 'connected' ? result.session.epoch : 0;
  }

  disconnect(clientId: string, publishWill = true, sessionExpiryIntervalSec: number | null = null): CommandResult {
    const { epoch } = this.session(clientId);
    return this.on('a', (writer) => writeDisconnect(writer, { epoch, publishWill, sessionExpiryIntervalSec }));
  }

  subscribe(clientId: string, filter: string, part: Partial<SubscriptionRequest> = {}, id: number | null = null) {
    const { epoch } = this.session(clientId);
    const request = { filter, qos: 2 as QoS, noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
    return this.on('a', (writer) =>
      writeSubscribe(writer, { epoch, subscriptionIdentifier: id, subscriptions: [{ ...request, ...part }] }),
    );
  }

  publish(clientId: string, topic: string, payload = 'x', part: PublishPart = {}): CommandResult {
    const { epoch } = this.session(clientId);
    const { qos = 1, retain = false, packetId = 0, properties = null } = part;
    return this.on('a', (writer) =>
      writePublish(writer, epoch, qos, retain, packetId, topic, properties, Buffer.from(payload)),
    );
  }

  release(clientId: string, packetId: number): CommandResult {
    const { epoch } = this.session(clientId);
    return this.on('a', (writer) => writePubrel(writer, { epoch, packetId }));
  }

  settle(clientId: string, ranges: readonly number[], received = false): CommandResult {
    const { epoch } = this.session(clientId);
    return this.on('a', (writer) => writeSettle(writer, { epoch, received, ranges }));
  }

  unsubscribe(clientId: string, filters: readonly string[]): CommandResult {
    const { epoch } = this.session(clientId);
    return this.on('a', (writer) => writeUnsubscribe(writer, { epoch, filters }));
  }

  /** Lets cluster time pass and fires what is due. */
  after(durationMs: number): void {
    this.nowMs += durationMs;
    this.on('b', writeTick);
  }

  /** Payloads in a session's replicated queue, `-` for a hole. */
  queued(clientId: string): string {
    const { queue } = this.session(clientId);
    if (queue === null) return 'none';
    const payloads: string[] = [];
    for (let sequence = queue.headSequence; sequence < queue.nextSequence; sequence++) {
      const item = queue.get(sequence);
      payloads.push(item === null ? '-' : Buffer.from(item.message.payload).toString());
    }
    return payloads.join(' ');
  }

  checkpoint(): CheckpointRecords {
    const records = takeCheckpoint(this.state);
    this.store.write(records);
    return records;
  }

  /** As after a crash right behind a checkpoint. */
  restart(): void {
    const { appliedIndex, appliedTerm } = this.checkpoint();
    this.sink = new RecordingSink();
    this.machine = new StateMachine(this.sink, this.store.load(appliedIndex, appliedTerm));
  }
}

export function connectCommand(writer: ByteWriter, clientId: string, part: ConnectPart): void {
  const { will, ...rest } = part;
  const fullWill: Will | null =
    will === undefined
      ? null
      : {
          topic: 'will',
          payload: Buffer.from('w'),
          qos: 1,
          retain: false,
          delayIntervalSec: 0,
          properties: null,
          ...will,
        };
  writeConnect(writer, {
    clientId,
    cleanStart: false,
    protocolVersion: 5,
    sessionExpiryIntervalSec: 0,
    receiveMaximum: 10,
    ...rest,
    will: fullWill,
  });
}
