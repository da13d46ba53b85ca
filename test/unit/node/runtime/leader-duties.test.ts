import { ByteReader, ByteWriter, CommandType, type NodeRecord, readCheckpoint, State } from '@quorate/broker';
import type { Status } from '@quorate/consensus';
import { LeaderDuties } from '../../../../packages/node/src/runtime/leader-duties.ts';
import { assert, suite } from '../../../support/suite.ts';

const test = suite('leader duties');

const LEASE_MS = 1_000;
const BOUND_MS = 2 * LEASE_MS + 500;
const CHECKPOINT_MS = 1_000;
const CHECKPOINT_BYTES = 1_000_000;
/** More than any test has, unless it says otherwise. */
const KEEP_LOG_BYTES = 100 * CHECKPOINT_BYTES;

const NAMES = new Map<number, string>(Object.entries(CommandType).map(([name, value]) => [value, name]));

function record(nodeId: string, incarnation: number): NodeRecord {
  return { nodeId, incarnation, lastSequence: 0, up: true, mqtt: '', http: '', peer: '', version: '', leaseMs: 1000 };
}

/** The duties of n1 on a clock that the test moves. */
function make() {
  const state = new State();
  state.clusterId = 'c';
  for (const id of ['n1', 'n2', 'n3']) state.nodes.set(id, record(id, 1));
  const commands: string[] = [];
  let last = Buffer.alloc(0);
  const writer = new ByteWriter();
  const broker = {
    nodeId: 'n1',
    registered: true,
    machine: { state },
    proposer: {
      open: () => writer,
      added: () => {
        last = Buffer.from(writer.take());
        commands.push(NAMES.get(last[0] as number) ?? '?');
      },
    },
  };
  const waiting: { accepts: boolean; snapshotIndex: number | null } = { accepts: true, snapshotIndex: null };
  const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
  const duties = new LeaderDuties({
    broker,
    logger: log,
    newClusterId: () => 'new',
    leaseMs: LEASE_MS,
    checkpointIntervalMs: CHECKPOINT_MS,
    checkpointBytes: CHECKPOINT_BYTES,
    keepLogBytes: KEEP_LOG_BYTES,
    snapshotIndex: () => waiting.snapshotIndex,
    acceptsCheckpoint: () => waiting.accepts,
  });
  let nowMs = 5_000;
  let status = statusOf('follower', 0);
  return {
    duties,
    state,
    broker,
    waiting,
    nowMs: () => nowMs,
    /** Of the checkpoint proposed last. */
    compactIndex(): number {
      const reader = new ByteReader(last);
      reader.u8();
      reader.u32();
      return readCheckpoint(reader).compactIndex;
    },
    /** The checkpoint is applied; bytes of log since the one before. */
    checkpointed: () => duties.checkpointed(nowMs, ++state.appliedIndex),
    /** What was proposed since the last call. */
    proposed: () => commands.splice(0),
    become(role: Status['role'], term: number, matched: readonly number[] = []) {
      status = statusOf(role, term, matched);
      duties.onStatus(status, nowMs);
    },
    lead(term: number, matched: readonly number[] = []) {
      this.become('leader', term, matched);
      state.appliedTerm = term;
    },
    /** Lets time pass in steps of 10 ms; `hears` are nodes that ask for reads at each. */
    pass(ms: number, ...hears: string[]): boolean[] {
      const answered: boolean[] = [];
      for (let left = ms; left > 0; left -= 10) {
        nowMs += 10;
        for (const id of hears) answered.push(duties.answersReadsOf(id, nowMs));
        duties.tick(nowMs, status);
      }
      return answered;
    },
    jump(ms: number) {
      nowMs += ms;
    },
    tick: () => {
      duties.tick(nowMs, status);
    },
  };
}

function statusOf(role: Status['role'], term: number, matched: readonly number[] = []): Status {
  return {
    id: 'n1',
    role,
    term,
    leader: role === 'leader' ? 'n1' : null,
    commitIndex: 0,
    lastIndex: 0,
    termCommitted: role === 'leader',
    configuration: { voters: ['n1', 'n2', 'n3'], learners: [], outgoing: [] },
    followers: matched.map((matchIndex, at) => {
      return { id: `n${String(at + 2)}`, matchIndex, nextIndex: 1, mode: 'replicate' as const, lastHeardMs: 0 };
    }),
  };
}

test('a node is given up after twice the lease and a half second of silence', () => {
  const at = make();
  at.lead(1);
  at.pass(BOUND_MS - 10, 'n2');
  assert.equal(at.proposed(), []);
  at.pass(10, 'n2');
  assert.equal(at.proposed(), ['nodeDown']);
  at.pass(BOUND_MS * 2, 'n2');
  assert.equal(at.proposed(), [], 'only once');
});

test('a question starts the wait anew', () => {
  const at = make();
  at.lead(1);
  at.pass(BOUND_MS - 100, 'n2', 'n3');
  at.pass(BOUND_MS - 10, 'n2');
  assert.equal(at.proposed(), []);
  at.pass(10, 'n2');
  assert.equal(at.proposed(), ['nodeDown']);
});

test('a new leader waits the whole time: it does not know what its predecessors granted', () => {
  const at = make();
  at.lead(1);
  at.pass(BOUND_MS - 10, 'n2');
  at.become('follower', 2);
  at.pass(10_000);
  at.lead(3);
  at.pass(BOUND_MS - 10, 'n2');
  assert.equal(at.proposed(), []);
  at.pass(10, 'n2');
  assert.equal(at.proposed(), ['nodeDown']);
});

test('no read of a node is answered while its end is proposed; after it, they are again', () => {
  const at = make();
  at.lead(1);
  at.pass(BOUND_MS, 'n2');
  assert.equal(at.proposed(), ['nodeDown']);
  assert.equal(new Set(at.pass(1_000, 'n3')), new Set([false]));
  (at.state.nodes.get('n3') as NodeRecord).up = false;
  at.duties.nodeChanged('n3', false, at.nowMs());
  assert.equal(new Set(at.pass(100, 'n2', 'n3')), new Set([true]));
});

test('in another term the proposal is void, and reads are answered', () => {
  const at = make();
  at.lead(1);
  at.pass(BOUND_MS, 'n2');
  assert.not.ok(at.duties.answersReadsOf('n3', at.nowMs()));
  at.become('follower', 1);
  assert.ok(at.duties.answersReadsOf('n3', at.nowMs()));
  at.lead(2);
  assert.ok(at.duties.answersReadsOf('n3', at.nowMs()));
});

test('a node that is back under a new incarnation is not given up for its earlier silence', () => {
  const at = make();
  at.lead(1);
  at.pass(BOUND_MS, 'n2');
  (at.state.nodes.get('n3') as NodeRecord).up = false;
  at.duties.nodeChanged('n3', false, at.nowMs());
  at.pass(10_000, 'n2');
  at.proposed();
  at.state.nodes.set('n3', record('n3', 2));
  at.duties.nodeChanged('n3', true, at.nowMs());
  at.pass(BOUND_MS - 10, 'n2');
  assert.equal(at.proposed(), []);
  at.pass(10, 'n2');
  assert.equal(at.proposed(), ['nodeDown']);
});

test('a pause of the leader itself is nobody else’s silence', () => {
  const at = make();
  at.lead(1);
  at.pass(1_000, 'n2', 'n3');
  at.jump(60_000);
  at.tick();
  assert.equal(at.proposed(), []);
  at.pass(BOUND_MS, 'n2');
  assert.equal(at.proposed(), ['nodeDown']);
});

test('nothing is proposed before the earlier terms are applied, nor by a node that is not registered', () => {
  const at = make();
  at.state.clusterId = null;
  at.become('leader', 2);
  at.state.appliedTerm = 1;
  at.pass(10_000);
  assert.equal(at.proposed(), []);
  at.state.appliedTerm = 2;
  at.broker.registered = false;
  at.pass(100);
  assert.equal(at.proposed(), []);
  at.broker.registered = true;
  at.pass(100, 'n2', 'n3');
  assert.equal(at.proposed(), ['clusterInit']);
});

test('a checkpoint is due after its interval if anything was applied', () => {
  const at = make();
  at.lead(1);
  at.pass(10, 'n2', 'n3');
  at.checkpointed();
  at.pass(5_000, 'n2', 'n3');
  assert.equal(at.proposed(), []);
  at.duties.applied(1);
  at.pass(10, 'n2', 'n3');
  assert.equal(at.proposed(), ['checkpoint']);
  at.duties.applied(1);
  at.pass(5_000, 'n2', 'n3');
  assert.equal(at.proposed(), [], 'not while one is on its way');
  assert.is(at.checkpointed(), 2, 'bytes since the one before');
  at.duties.applied(1);
  at.pass(CHECKPOINT_MS - 10, 'n2', 'n3');
  assert.equal(at.proposed(), []);
  at.pass(10, 'n2', 'n3');
  assert.equal(at.proposed(), ['checkpoint']);
});

test('a checkpoint is due early for many bytes or many changed records', () => {
  const at = make();
  at.lead(1);
  at.checkpointed();
  at.duties.applied(CHECKPOINT_BYTES);
  at.pass(10);
  assert.equal(at.proposed(), ['checkpoint']);
  at.checkpointed();
  at.duties.applied(100);
  for (let topic = 0; topic < 4_096; topic++) at.state.dirty.retained.add(String(topic));
  at.pass(10);
  assert.equal(at.proposed(), ['checkpoint']);
});

test('no checkpoint is asked for that this node would miss itself', () => {
  const at = make();
  at.lead(1);
  at.waiting.accepts = false;
  at.duties.applied(CHECKPOINT_BYTES);
  at.pass(2_000);
  assert.equal(at.proposed(), []);
  at.waiting.accepts = true;
  at.pass(10);
  assert.equal(at.proposed(), ['checkpoint']);
});

test('a checkpoint that was lost with the term is asked for again', () => {
  const at = make();
  at.lead(1);
  at.duties.applied(1);
  at.pass(10);
  assert.equal(at.proposed(), ['checkpoint']);
  at.become('follower', 2);
  at.lead(3);
  at.pass(10);
  assert.equal(at.proposed(), ['checkpoint']);
});

test('the log is kept for the member that has least of it', () => {
  const at = make();
  at.state.appliedIndex = 900;
  for (const [term, matched, expected] of [
    [1, [500, 700], 500],
    [2, [0, 900], 0],
    [3, [1_000, 1_000], 900],
  ] as const) {
    at.lead(term, matched);
    at.duties.applied(CHECKPOINT_BYTES);
    at.pass(10);
    assert.equal(at.proposed(), ['checkpoint']);
    assert.is(at.compactIndex(), expected);
  }
});

test('beyond a bound the log is not kept for those who are behind, but longer for a snapshot on its way', () => {
  const at = make();
  at.lead(1, [0, 900]);
  const checkpoint = (applied: number): number => {
    at.state.appliedIndex = applied - 1;
    at.duties.applied(CHECKPOINT_BYTES);
    at.pass(10);
    assert.equal(at.proposed(), ['checkpoint']);
    at.checkpointed();
    return at.compactIndex();
  };
  for (let index = 1; index <= 101; index++) assert.is(checkpoint(index), 0);
  // Behind the checkpoint at 1 there are 100 intervals, which is the bound: with the next one it is beyond it.
  assert.is(checkpoint(102), 0);
  assert.is(checkpoint(103), 1);
  assert.is(checkpoint(104), 2);
  at.waiting.snapshotIndex = 1;
  assert.is(checkpoint(105), 1, 'kept behind the snapshot');
  at.waiting.snapshotIndex = null;
  assert.is(checkpoint(106), 4);
});

test('what is due is done in one tick after the other, each when the one before is applied', () => {
  const at = make();
  at.lead(1);
  at.pass(1_000, 'n2', 'n3');
  Object.defineProperty(at.state, 'hasDue', { get: () => at.state.appliedIndex < 3 });
  at.state.appliedIndex = 1;
  at.pass(50, 'n2', 'n3');
  assert.equal(at.proposed(), ['tick'], 'one at a time');
  at.state.appliedIndex = 2;
  at.pass(50, 'n2', 'n3');
  assert.equal(at.proposed(), ['tick']);
  at.state.appliedIndex = 3;
  at.pass(2_000, 'n2', 'n3');
  assert.equal(at.proposed(), []);
});

test('a snapshot that took the place of the state ends the wait for a checkpoint that was on its way', () => {
  const at = make();
  at.lead(1);
  at.duties.applied(1);
  at.pass(10);
  assert.equal(at.proposed(), ['checkpoint']);
  at.duties.restored();
  at.duties.applied(1);
  at.pass(10);
  assert.equal(at.proposed(), ['checkpoint']);
});

test('cluster time moves once a second, while something waits for it', () => {
  const at = make();
  at.lead(1);
  at.pass(2_000, 'n2', 'n3');
  assert.equal(at.proposed(), []);
  at.state.timers.push({ dueMs: 1, sessionNumber: 1, kind: 0 });
  at.pass(2_000, 'n2', 'n3');
  assert.equal(at.proposed(), ['tick', 'tick']);
});

test.run();
