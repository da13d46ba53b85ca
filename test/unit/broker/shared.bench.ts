import {
  ByteWriter,
  beginBatch,
  type SharedStrategy,
  StateMachine,
  type StateSink,
  writeConnect,
  writeDisconnect,
  writeNodeUp,
  writePublish,
  writeSettle,
  writeSharedStrategy,
  writeSubscribe,
} from '@quorate/broker';

/*
 * What a publication costs in the state machine, in processor time: to an ordinary subscriber and to a share group. Run:
 * node --conditions=source --import tsx test/unit/broker/shared.bench.ts
 */

const PER_ENTRY = 100;
const ENTRIES = 1000;
const ROUNDS = 7;
const PAYLOAD = Buffer.alloc(100);

const SINK: StateSink = {
  batchBegin: () => {},
  commandResult: () => {},
  batchEnd: () => {},
  deliver: () => {},
  queued: () => {},
  ownershipLost: () => {},
  nodeChanged: () => {},
  checkpoint: () => {},
  clusterNamed: () => {},
  dropped: () => {},
};

/** A machine whose log is written by one node. */
class Log {
  readonly machine = new StateMachine(SINK);
  #sequence = 0;

  constructor() {
    this.apply(this.entry((writer) => writeNodeUp(writer, { mqtt: '', http: '', peer: '', version: '1', leaseMs: 1 })));
  }

  entry(fill: (writer: ByteWriter) => void): Buffer {
    const writer = new ByteWriter(1024);
    writer.u32(0);
    const at = beginBatch(writer, 'n1', 1);
    writer.patchInteger(at, ++this.#sequence);
    fill(writer);
    writer.patchU32(0, writer.length - 4);
    return writer.copy();
  }

  apply(data: Buffer): void {
    const { machine } = this;
    machine.apply({ index: machine.state.appliedIndex + 1, term: 1, stampMs: 1000, data });
  }

  connect(clientId: string): number {
    const part = { cleanStart: true, protocolVersion: 5, sessionExpiryIntervalSec: 1000, receiveMaximum: 65_535 };
    this.apply(this.entry((writer) => writeConnect(writer, { clientId, ...part, will: null })));
    return this.machine.state.sessions.get(clientId)?.epoch ?? 0;
  }
}

/** Microseconds per publication with its settle, best of some rounds. */
function measure(filter: string, members: number, strategy: SharedStrategy | null, settles: boolean): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < ROUNDS; round++) best = Math.min(best, once(filter, members, strategy, settles));
  return best;
}

function once(filter: string, members: number, strategy: SharedStrategy | null, settles: boolean): number {
  const log = new Log();
  if (strategy !== null) log.apply(log.entry((writer) => writeSharedStrategy(writer, strategy)));
  const publisher = log.connect('p');
  const request = { filter, qos: 1 as const, noLocal: false, retainAsPublished: false, retainHandling: 0 as const };
  const epochs: number[] = [];
  for (let at = 0; at < members; at++) {
    const epoch = log.connect(`m${at}`);
    epochs.push(epoch);
    log.apply(
      log.entry((writer) => {
        writeSubscribe(writer, { epoch, subscriptionIdentifier: null, subscriptions: [request] });
        if (!settles) writeDisconnect(writer, { epoch, publishWill: false, sessionExpiryIntervalSec: null });
      }),
    );
  }
  let published = 0;
  const entries = Array.from({ length: ENTRIES }, () =>
    log.entry((writer) => {
      for (let at = 0; at < PER_ENTRY; at++)
        writePublish(writer, publisher, 1, false, 0, `t/${at % 10}`, null, PAYLOAD);
      published += PER_ENTRY;
      if (!settles) return;
      // All that is there so far: what lies outside of a queue makes no work.
      for (const epoch of epochs) writeSettle(writer, { epoch, received: false, ranges: [0, published] });
    }),
  );
  const before = process.cpuUsage();
  for (const entry of entries) log.apply(entry);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / (PER_ENTRY * ENTRIES);
}

function show(what: string, us: number): void {
  console.log(`${what.padEnd(64)} ${us.toFixed(2)} us`);
}

show('publish to one ordinary subscriber, and its settle', measure('t/#', 1, null, true));
show('publish to nobody', measure('u', 1, null, true));
if (process.env['QUORATE_ORDINARY'] === undefined) {
  show('publish to a share group of 1', measure('$share/g/t/#', 1, null, true));
  for (const strategy of ['round_robin', 'sticky', 'hash_client_id', 'hash_topic'] as const) {
    show(`publish to a share group of 10, ${strategy}`, measure('$share/g/t/#', 10, strategy, true));
  }
  show('publish to a share group of 100, hash_topic', measure('$share/g/t/#', 100, 'hash_topic', true));
  show('publish into the queue of a group without clients', measure('$share/g/t/#', 1, null, false));
}
