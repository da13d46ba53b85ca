import { performance } from 'node:perf_hooks';
import {
  ByteWriter,
  beginBatch,
  CheckpointTaker,
  StateMachine,
  type StateSink,
  takeCheckpoint,
  writeConnect,
  writeDisconnect,
  writeNodeDown,
  writeNodeUp,
  writePublish,
  writeSubscribe,
  writeTick,
} from '@quorate/broker';

/*
 * How long the longest steps of the state machine take, on one large state. Not a test: run it by hand.
 *   node --conditions=source --import tsx test/unit/broker/steps.bench.ts
 */

const SESSIONS = Number(process.env['SESSIONS'] ?? 100_000);
const RETAINED = Number(process.env['RETAINED'] ?? 1_000_000);
const PER_ENTRY = 1000;
const SLICE = 2000;
const PAYLOAD = Buffer.from('21.5');

class Sink implements StateSink {
  delivered = 0;
  batchBegin(): void {}
  commandResult(): void {}
  batchEnd(): void {}
  deliver(): void {
    this.delivered++;
  }
  queued(): void {
    this.delivered++;
  }
  ownershipLost(): void {}
  nodeChanged(): void {}
  checkpoint(): void {}
  clusterNamed(): void {}
  dropped(): void {}
}

/** One machine and the log that it is given; node `a` has the clients, node `b` proposes what the leader would. */
class Bench {
  readonly sink = new Sink();
  readonly machine = new StateMachine(this.sink);
  readonly #writer = new ByteWriter(4096);
  readonly #sequences = new Map<string, number>();
  nowMs = 1000;
  /** The longest entry since the last look. */
  #longestMs = 0;

  up(nodeId: string): void {
    this.#sequences.set(nodeId, 0);
    this.apply(nodeId, (writer) => writeNodeUp(writer, { mqtt: '', http: '', peer: '', version: '', leaseMs: 1000 }));
  }

  apply(nodeId: string, fill: (writer: ByteWriter) => void): void {
    const sequence = (this.#sequences.get(nodeId) ?? 0) + 1;
    this.#sequences.set(nodeId, sequence);
    const writer = this.#writer;
    writer.u32(0);
    const at = beginBatch(writer, nodeId, 1);
    fill(writer);
    writer.patchInteger(at, sequence);
    writer.patchU32(0, writer.length - 4);
    const data = writer.copy();
    const index = this.machine.state.appliedIndex + 1;
    const startedMs = performance.now();
    this.machine.apply({ index, term: 1, stampMs: this.nowMs, data });
    this.#longestMs = Math.max(this.#longestMs, performance.now() - startedMs);
  }

  /** `count` commands, a thousand an entry. */
  many(nodeId: string, count: number, write: (writer: ByteWriter, number: number) => void): void {
    for (let first = 0; first < count; first += PER_ENTRY) {
      this.apply(nodeId, (writer) => {
        for (let number = first; number < Math.min(first + PER_ENTRY, count); number++) write(writer, number);
      });
    }
  }

  longest(title: string): void {
    report(title, this.#longestMs);
    this.#longestMs = 0;
  }

  forget(): void {
    this.#longestMs = 0;
  }
}

function report(title: string, ms: number): void {
  process.stdout.write(`${title.padEnd(72)} ${ms.toFixed(1).padStart(9)} ms\n`);
}

function connectAll(bench: Bench, expirySec: number, will: string | null): void {
  bench.many('a', SESSIONS, (writer, number) =>
    writeConnect(writer, {
      clientId: `client-${number}`,
      cleanStart: false,
      protocolVersion: 5,
      sessionExpiryIntervalSec: expirySec,
      receiveMaximum: 100,
      will:
        will === null
          ? null
          : {
              topic: `${will}/${number}`,
              payload: PAYLOAD,
              qos: 1,
              retain: false,
              delayIntervalSec: 5,
              properties: null,
            },
    }),
  );
}

function epochs(bench: Bench): number[] {
  return [...bench.machine.state.live.keys()];
}

function subscribeAll(bench: Bench, filterOf: (number: number) => string): void {
  const all = epochs(bench);
  bench.many('a', all.length, (writer, number) => {
    const options = { qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 2 } as const;
    writeSubscribe(writer, {
      epoch: all[number] as number,
      subscriptionIdentifier: null,
      subscriptions: [{ filter: filterOf(number), ...options }],
    });
  });
}

function checkpoints(bench: Bench, title: string): void {
  const startedMs = performance.now();
  let longestMs = 0;
  let more = true;
  let taker: CheckpointTaker | null = null;
  for (let atMs = startedMs; more; ) {
    taker ??= new CheckpointTaker(bench.machine.state);
    more = taker.next(SLICE);
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - atMs);
    atMs = nowMs;
  }
  report(`checkpoint: ${title}, ${taker?.size} records in all`, performance.now() - startedMs);
  report(`  longest slice of ${SLICE}`, longestMs);
}

function sessions(): void {
  const bench = new Bench();
  bench.up('a');
  bench.up('b');
  connectAll(bench, 3600, 'will');
  subscribeAll(bench, (number) => (number % 10 === 0 ? 'will/#' : `own/${number}`));
  checkpoints(bench, 'new sessions');
  const [first = 0] = epochs(bench);
  subscribeAll(bench, () => 'news');
  checkpoints(bench, 'a subscription more each');
  bench.forget();
  bench.apply('b', (writer) => writePublish(writer, first, 1, false, 0, 'news', null, PAYLOAD));
  bench.longest(`publish, QoS 1, to ${SESSIONS} sessions`);
  checkpoints(bench, 'a message each');
}

function endings(): void {
  for (const will of [null, 'will']) {
    const bench = new Bench();
    bench.up('a');
    bench.up('b');
    connectAll(bench, 10, will);
    takeCheckpoint(bench.machine.state);
    bench.forget();
    bench.apply('b', (writer) => writeNodeDown(writer, { nodeId: 'a', incarnation: 1, term: 1 }));
    bench.longest(`NodeDown of ${SESSIONS} sessions${will === null ? '' : ' with delayed wills'}`);
    if (will !== null) {
      bench.nowMs += 5000;
      bench.apply('b', writeTick);
      bench.longest(`Tick, ${SESSIONS} delayed wills`);
      checkpoints(bench, 'after the wills');
    }
    bench.nowMs += 60_000;
    bench.apply('b', writeTick);
    bench.longest(`Tick, ${SESSIONS} sessions expire`);
    checkpoints(bench, 'sessions that ended');
  }
}

function retained(): void {
  const bench = new Bench();
  bench.up('a');
  bench.up('b');
  const client = (clientId: string, expirySec: number): number => {
    bench.apply('a', (writer) =>
      writeConnect(writer, {
        clientId,
        cleanStart: true,
        protocolVersion: 5,
        sessionExpiryIntervalSec: expirySec,
        receiveMaximum: 100,
        will: null,
      }),
    );
    return bench.machine.state.nextEpoch - 1;
  };
  const publisher = client('publisher', 0);
  bench.many('a', RETAINED, (writer, number) => {
    const topic = `site/${number % 1000}/sensor/${number}`;
    writePublish(writer, publisher, 1, true, 0, topic, { messageExpiryIntervalSec: 600 }, PAYLOAD);
  });
  checkpoints(bench, 'retained messages');
  for (const filter of ['#', 'site/+/sensor/+', '+/+/+/77', 'site/5/#']) {
    for (const [kind, qos, expirySec] of [
      ['QoS 0', 0, 0],
      ['QoS 1, a queue in the state', 1, 3600],
    ] as const) {
      const epoch = client(`subscriber-${filter}`, expirySec);
      bench.forget();
      bench.sink.delivered = 0;
      bench.apply('a', (writer) => {
        const options = { qos, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
        writeSubscribe(writer, { epoch, subscriptionIdentifier: null, subscriptions: [{ filter, ...options }] });
      });
      bench.longest(`SUBSCRIBE ${filter} over ${RETAINED}, ${kind}: ${bench.sink.delivered} delivered`);
      bench.apply('a', (writer) => writeDisconnect(writer, { epoch, publishWill: false, sessionExpiryIntervalSec: 0 }));
    }
  }
  bench.nowMs += 601_000;
  bench.forget();
  bench.apply('b', writeTick);
  bench.longest(`Tick, ${RETAINED} retained messages expire`);
}

const all = { sessions, endings, retained };
for (const name of process.argv.length > 2 ? process.argv.slice(2) : Object.keys(all)) {
  all[name as keyof typeof all]();
}
