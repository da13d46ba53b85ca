import { ByteWriter, InvariantError, writeClusterInit, writeNodeDown, writeNodeUp, writeTick } from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { Bench, connectCommand, PERSISTENT, sealBatch } from './support/log.ts';

const test = suite('state: batches');

const nodeUp = (writer: ByteWriter): void =>
  writeNodeUp(writer, { mqtt: '', http: '', peer: '', version: '1', leaseMs: 1000 });
const connect = (clientId: string) => (writer: ByteWriter) => connectCommand(writer, clientId, PERSISTENT);

test('a batch applies once, however often it is in the log', () => {
  const bench = new Bench();
  const batch = bench.seal('a', connect('c'));
  assert.is(bench.apply([batch, batch]).length, 1);
  assert.is(bench.apply([batch]).length, 0);
  assert.is(bench.state.nextEpoch, 2);
});

test('a batch that comes before its predecessor waits to be sent again', () => {
  const bench = new Bench();
  const first = bench.seal('a', connect('c'));
  const second = bench.seal('a', connect('d'));
  bench.apply([second, first, second]);
  assert.equal([...bench.state.sessions.keys()], ['c', 'd']);
  assert.equal(
    bench.sink.events.filter((event) => event[0] === 'batch').map((event) => event.slice(3)),
    [
      [3, false],
      [2, true],
      [3, true],
    ],
  );
});

test('a new incarnation ends the old one for good', () => {
  const bench = new Bench();
  const late = bench.seal('a', connect('late'));
  bench.nodeUp('a');
  assert.is(bench.apply([late]).length, 0);
  assert.is(bench.apply([sealBatch('a', 1, 1, nodeUp)]).length, 0, 'nor can it introduce itself again');
  assert.is(bench.state.nodes.get('a')?.incarnation, 2);
});

test('a node that was given up is not heard until it comes back under a new incarnation', () => {
  const bench = new Bench();
  bench.on('b', (writer) => writeNodeDown(writer, { nodeId: 'a', incarnation: 1, term: 1 }));
  assert.is(bench.apply([bench.seal('a', connect('c'))]).length, 0);
  bench.nodeUp('a');
  assert.is(bench.apply([bench.seal('a', connect('c'))]).length, 1);
});

test('a batch of nobody is skipped: unknown, not introduced, not the first, without a name', () => {
  const bench = new Bench();
  const strangers = [
    sealBatch('x', 1, 1, writeTick),
    sealBatch('x', 1, 1, () => {}),
    sealBatch('x', 1, 2, nodeUp),
    sealBatch('a', 2, 1, writeTick),
    sealBatch('', 1, 1, nodeUp),
  ];
  assert.is(bench.apply(strangers).length, 0);
  assert.equal([...bench.state.nodes.keys()], ['a', 'b']);
});

test('the cluster is named once, and not by nothing', () => {
  const bench = new Bench();
  for (const clusterId of ['', 'first', 'second']) bench.on('a', (writer) => writeClusterInit(writer, clusterId));
  assert.is(bench.state.clusterId, 'first');
  assert.equal(bench.sink.take('named'), [['named', 'first']]);
});

test('the clock never runs backwards', () => {
  const bench = new Bench();
  bench.after(5000);
  const { nowMs } = bench.state;
  bench.after(-3000);
  assert.is(bench.state.nowMs, nowMs);
});

test('an entry out of place, with an older term or a broken stamp is not applied', () => {
  const bench = new Bench();
  const { appliedIndex: index } = bench.state;
  const data = new Uint8Array(0);
  const refused: (readonly [number, number, number])[] = [
    [index, 1, 1000],
    [index + 2, 1, 1000],
    [index + 1, 0, 1000],
    [index + 1, 1, Number.NaN],
    [index + 1, 1, 1000.5],
  ];
  for (const [at, term, stampMs] of refused) {
    assert.throws(
      () => bench.machine.apply({ index: at, term, stampMs, data }),
      (error: unknown) => error instanceof InvariantError,
    );
  }
  bench.machine.apply({ index: index + 1, term: 1, stampMs: 1000, data });
  assert.is(bench.state.appliedIndex, index + 1);
});

test('a log that this version can not have written stops the machine', () => {
  const whole = new Bench().seal('a', connect('c'));
  const unknownCommand = sealBatch('a', 1, 2, (writer) => {
    writer.u8(99);
    writer.u32(0);
  });
  const tooLong = sealBatch('a', 1, 2, (writer) => {
    writer.u8(3);
    writer.u32(1);
  });
  const format = Buffer.from(whole);
  format[0] = 2;
  for (const batch of [unknownCommand, tooLong, format, whole.subarray(0, whole.length - 1)]) {
    const bench = new Bench();
    assert.throws(
      () => bench.apply([batch]),
      (error: unknown) => error instanceof InvariantError,
    );
  }
  const bench = new Bench();
  const cut = new ByteWriter();
  cut.bytes(whole);
  const data = cut.take().subarray(0, 10);
  const entry = { index: bench.state.appliedIndex + 1, term: 1, stampMs: 1000, data };
  assert.throws(() => bench.machine.apply(entry), /ends inside a batch/);
});

test.run();
