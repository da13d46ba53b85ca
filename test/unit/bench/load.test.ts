import { judge, type LoadPlan, loadScenario, type RunMeasurement, selectScenarios, type Target } from '@quorate/bench';
import { assert, suite } from '../../support/suite.ts';
import { type Faults, StubBroker } from './stub-broker.ts';

const test = suite('bench load against a stub broker');

const OPTIONS = { seconds: 0.25, warmupSeconds: 0.1, payloadBytes: 128, ratePerSecond: 400, drainIdleMs: 300 };
/** Named like a scenario of the catalog, so that `judge` knows its QoS. */
const PAIRS: LoadPlan = {
  name: 'pairs',
  title: '',
  metric: 'delivered/s',
  qos: 1,
  publishers: 3,
  receivers: 1,
  window: 4,
  e2eWindow: 0,
  persistent: false,
  openLoop: false,
};
const QOS2: LoadPlan = { ...PAIRS, name: 'qos2', qos: 2 };
const QOS0: LoadPlan = { ...PAIRS, name: 'qos0', qos: 0, e2eWindow: 20 };

async function measure(
  plan: LoadPlan,
  faults: Faults = {},
  seconds = OPTIONS.seconds,
): Promise<RunMeasurement & { broker: StubBroker }> {
  const broker = await StubBroker.start(faults);
  try {
    const target: Target = {
      name: 'stub',
      hosts: [{ address: '127.0.0.1', port: broker.port }],
      pids: [process.pid],
    };
    return { ...(await loadScenario(plan).run(target, { ...OPTIONS, seconds })), broker };
  } finally {
    await broker.stop();
  }
}

for (const plan of [PAIRS, QOS2, QOS0, { ...PAIRS, name: 'pub', receivers: 0 }]) {
  test(`${plan.name}: a correct broker is found correct`, async () => {
    const run = await measure(plan);
    assert.is(judge(plan.name, run), null);
    assert.ok(run.sent > 0);
    assert.is(run.sent, run.broker.received);
    assert.is(run.acked, plan.qos === 0 ? 0 : run.sent);
    assert.is(run.delivered, run.sent * plan.receivers);
    assert.is(run.loss + run.duplicates + run.reordered + run.foreign + run.bad, 0);
    assert.ok(run.value > 0);
    assert.ok((run.cpu.brokerSecondsPer100k ?? -1) >= 0);
    const latency = plan.receivers > 0 ? run.e2eLatency : run.ackLatency;
    assert.ok(latency !== null && latency.p50Ms > 0 && latency.p50Ms < 1000);
    if (plan.qos > 0) assert.ok(run.broker.batches > 0, 'a turn is one write');
  });
}

test('fan-out counts every receiver and keeps the end-to-end window', async () => {
  const run = await measure({ ...PAIRS, name: 'fanout', qos: 0, publishers: 1, receivers: 5, e2eWindow: 10 });
  assert.is(run.delivered, run.sent * 5);
  assert.is(judge('fanout', run), null);
});

test('loss is seen, by number', async () => {
  const run = await measure(PAIRS, { dropEvery: 10 });
  const expected = run.sent - run.delivered;
  assert.ok(run.loss > 0);
  assert.is(run.loss, expected);
  assert.match(judge('pairs', run) ?? '', /acknowledged messages lost/);
});

test('an unacknowledged message is no loss, but not correct either', async () => {
  const run = await measure(PAIRS, { withholdAt: 20 });
  assert.is(run.loss, 0);
  assert.is(run.unackedAtEnd, 3);
  assert.match(judge('pairs', run) ?? '', /not acknowledged/);
});

test('loss at QoS 0 is counted, allowed, and does not stall the window', async () => {
  const run = await measure({ ...QOS0, publishers: 1, e2eWindow: 4 }, { dropEvery: 10 }, 1.2);
  assert.ok(run.loss > 0);
  assert.ok(run.writtenOff > 0 && run.sent > 20, `${run.writtenOff} of ${run.sent} written off`);
  assert.is(judge('qos0', run), null);
});

test('duplicates are seen; a fault at QoS 2 only', async () => {
  const qos1 = await measure(PAIRS, { duplicateEvery: 10 });
  assert.ok(qos1.duplicates > 0);
  assert.is(judge('pairs', qos1), null);
  const qos2 = await measure(QOS2, { duplicateEvery: 10 });
  assert.ok(qos2.duplicates > 0);
  assert.match(judge('qos2', qos2) ?? '', /duplicates at QoS 2/);
});

test('swapped deliveries are seen', async () => {
  const run = await measure(PAIRS, { swapEvery: 10 });
  assert.ok(run.reordered > 0);
  assert.match(judge('pairs', run) ?? '', /out of order/);
});

test('foreign and changed payloads are seen', async () => {
  const foreign = await measure(PAIRS, { foreignEvery: 10 });
  assert.ok(foreign.foreign > 0);
  assert.match(judge('pairs', foreign) ?? '', /foreign/);
  const corrupt = await measure(PAIRS, { corruptEvery: 10 });
  assert.ok(corrupt.bad > 0);
  assert.match(judge('pairs', corrupt) ?? '', /payload changed on the way/);
});

test('an ack for a packet id that awaits none is seen', async () => {
  const run = await measure({ ...PAIRS, receivers: 0, name: 'pub' }, { strangeAckAt: 20 });
  assert.is(run.bad, 3);
  assert.match(judge('pub', run) ?? '', /packet id 65535, which awaits none/);
});

test('the open loop keeps its rate and counts latency from the due time', async () => {
  const run = await measure({ ...PAIRS, name: 'rate', openLoop: true }, {}, 1);
  assert.is(judge('rate', run), null);
  // Thousands, were it not kept; what is due when the machine stands still at an end of the second is counted or not.
  assert.ok(run.value > 200 && run.value < 600, `${run.value} per second`);
  assert.ok((run.sendLag?.count ?? 0) > 200);
  assert.ok((run.e2eLatency?.p50Ms ?? 0) >= (run.sendLag?.p50Ms ?? 1));
});

test('persistent sessions are removed after the run', async () => {
  const { broker } = await measure({ ...PAIRS, persistent: true });
  assert.is(broker.persistent.size, 3);
  assert.equal(broker.removed, broker.persistent);
});

test('what goes wrong with a connection is one clear sentence', async () => {
  await assert.rejects(
    measure(PAIRS, { connackCode: 3 }),
    /^127\.0\.0\.1:\d+ refused .* code 3 \(server unavailable\)\.$/,
  );
  await assert.rejects(measure(PAIRS, { grantQos: 0 }), /granted QoS 0 where QoS 1 was asked for/);
  await assert.rejects(measure(PAIRS, { grantQos: 0x80 }), /refused the subscription/);
  await assert.rejects(measure(PAIRS, { hangUpAfter: 5 }), /closed the connection of \S+ during the run/);
  await assert.rejects(measure(PAIRS, { garbage: true }), /sent bytes that are not MQTT/);
  await assert.rejects(measure(PAIRS, { dropEvery: 1 }), /No message was delivered/);
});

test('connections are counted per second', async () => {
  const broker = await StubBroker.start();
  try {
    const [scenario] = selectScenarios('connect');
    const target = { name: 'stub', hosts: [{ address: '127.0.0.1', port: broker.port }], pids: [] };
    const run = await scenario?.run(target, { ...OPTIONS, seconds: 1 });
    assert.is(run?.metric, 'connected/s');
    assert.ok((run?.value ?? 0) > 0);
    assert.is(run?.connectLatency?.count, Math.round((run?.value ?? 0) * (run?.measuredSeconds ?? 0)));
  } finally {
    await broker.stop();
  }
});

test.run();
