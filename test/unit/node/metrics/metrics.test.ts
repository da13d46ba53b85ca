import { createMetrics } from '@quorate/node';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('metrics');

const create = () => createMetrics({ processMetrics: false });

async function linesOf(metrics: ReturnType<typeof create>, start: string): Promise<string[]> {
  return (await metrics.expose()).split('\n').filter((line) => line.startsWith(start));
}

test('plain numbers are exported as they stand at each scrape', async () => {
  const metrics = create();
  metrics.connections.value = 3;
  metrics.takeovers.value++;
  assert.equal(await linesOf(metrics, 'quorate_connections '), ['quorate_connections 3']);
  metrics.connections.value--;
  metrics.takeovers.value++;
  assert.equal(await linesOf(metrics, 'quorate_connections '), ['quorate_connections 2']);
  // Counted once, not once more per scrape.
  assert.equal(await linesOf(metrics, 'quorate_takeovers_total '), ['quorate_takeovers_total 2']);
});

test('messages are counted by QoS', async () => {
  const metrics = create();
  metrics.messagesReceived[1].value += 5;
  assert.equal(await linesOf(metrics, 'quorate_messages_received_total'), [
    'quorate_messages_received_total{qos="0"} 0',
    'quorate_messages_received_total{qos="1"} 5',
    'quorate_messages_received_total{qos="2"} 0',
  ]);
});

test('labels come and go, and their number is bounded', async () => {
  const metrics = create();
  metrics.peerConnected.set('n2', 1);
  metrics.peerConnected.set('n3', 0);
  assert.equal(await linesOf(metrics, 'quorate_peer_connected'), [
    'quorate_peer_connected{peer="n2"} 1',
    'quorate_peer_connected{peer="n3"} 0',
  ]);
  metrics.peerConnected.delete('n3');
  assert.equal(await linesOf(metrics, 'quorate_peer_connected'), ['quorate_peer_connected{peer="n2"} 1']);
  for (let at = 0; at < 1_000; at++) metrics.disconnects.add(`reason_${String(at)}`);
  const lines = await linesOf(metrics, 'quorate_disconnects_total{');
  assert.is(lines.length, 65);
  assert.ok(lines.includes('quorate_disconnects_total{reason="other"} 940'));
});

test('histograms count into cumulative buckets', async () => {
  const metrics = create();
  for (const count of [1, 1, 3, 5000]) metrics.logBatchCommands.observe(count);
  assert.is(metrics.logBatchCommands.count, 4);
  const lines = await linesOf(metrics, 'quorate_log_batch_commands');
  assert.ok(lines.includes('quorate_log_batch_commands_bucket{le="1"} 2'));
  assert.ok(lines.includes('quorate_log_batch_commands_bucket{le="2"} 2'));
  assert.ok(lines.includes('quorate_log_batch_commands_bucket{le="4"} 3'));
  assert.ok(lines.includes('quorate_log_batch_commands_bucket{le="4096"} 3'));
  assert.ok(lines.includes('quorate_log_batch_commands_bucket{le="+Inf"} 4'));
  assert.ok(lines.includes('quorate_log_batch_commands_sum 5005'));
  assert.ok(lines.includes('quorate_log_batch_commands_count 4'));
});

test('hooks run before each scrape', async () => {
  const metrics = create();
  let term = 1;
  metrics.onScrape(() => {
    metrics.raftTerm.value = term++;
  });
  assert.equal(await linesOf(metrics, 'quorate_raft_term '), ['quorate_raft_term 1']);
  assert.equal(await linesOf(metrics, 'quorate_raft_term '), ['quorate_raft_term 2']);
});

test('every sample belongs to a described metric with the prefix', async () => {
  const text = await createMetrics().expose();
  const typed = new Map<string, string>();
  for (const line of text.split('\n')) {
    const type = /^# TYPE (\w+) (\w+)$/.exec(line);
    if (type?.[1] !== undefined && type[2] !== undefined) {
      assert.not(typed.has(type[1]), `${type[1]} twice`);
      typed.set(type[1], type[2]);
    }
    if (line === '' || line.startsWith('#')) continue;
    const sample = /^(quorate_\w+)(\{[^}]*\})? (\S+)$/.exec(line);
    assert.ok(sample, line);
    const name = sample?.[1] ?? '';
    const base = name.replace(/_(bucket|sum|count)$/, '');
    assert.ok(typed.has(name) || typed.has(base), line);
  }
  assert.is(typed.get('quorate_publish_commit_seconds'), 'histogram');
  assert.ok(text.endsWith('\n'));
});

test.run();
