import {
  ByteReader,
  ByteWriter,
  CommandType,
  type MemberRecord,
  NewerVersionError,
  readMember,
  StateLimits,
  writeMember,
  writeMemberRemoved,
} from '@quorate/broker';
import { assert, suite } from '../../../support/suite.ts';
import { Bench } from './support/log.ts';

/* What the members are to be: put, removed, bounded, and in the records of a checkpoint. */

const test = suite('state: members');

const D: MemberRecord = { nodeId: 'd', peer: 'd.example:7000', voter: true, replaces: null };

function put(bench: Bench, member: MemberRecord): string {
  return bench.on('a', (writer) => writeMember(writer, member, bench.term)).kind;
}

function remove(bench: Bench, nodeId: string): string {
  return bench.on('a', (writer) => writeMemberRemoved(writer, nodeId, bench.term)).kind;
}

/** How often the node was told since the last look. */
function told(bench: Bench): number {
  return bench.sink.take('members').length;
}

test('a member is put, changed and removed, and the node is told of what changes only', () => {
  const bench = new Bench();
  assert.is(put(bench, D), 'ok');
  assert.equal(bench.state.members.get('d'), D);
  assert.is(told(bench), 1);
  assert.is(put(bench, { ...D }), 'ok');
  assert.is(told(bench), 0);
  for (const change of [{ peer: 'e:1' }, { voter: false }, { replaces: 'a' }]) {
    assert.is(put(bench, { ...D, ...change }), 'ok');
    assert.equal(bench.state.members.get('d'), { ...D, ...change });
    assert.is(told(bench), 1);
  }
  assert.is(remove(bench, 'd'), 'ok');
  assert.is(bench.state.members.size, 0);
  assert.is(told(bench), 1);
  assert.is(remove(bench, 'd'), 'ok');
  assert.is(told(bench), 0);
});

test('what a leader said in another term is void', () => {
  const bench = new Bench();
  bench.term = 5;
  for (const term of [4, 6]) assert.is(bench.on('a', (writer) => writeMember(writer, D, term)).kind, 'stale');
  assert.is(bench.state.members.size, 0);
  assert.is(put(bench, D), 'ok');
  assert.is(bench.on('a', (writer) => writeMemberRemoved(writer, 'd', 4)).kind, 'stale');
  assert.is(bench.state.members.size, 1);
  assert.is(told(bench), 1);
});

test('members are in the records of a checkpoint until they are removed', () => {
  const bench = new Bench();
  put(bench, D);
  put(bench, { nodeId: 'e', peer: 'e:1', voter: false, replaces: 'b' });
  bench.restart();
  assert.equal([...bench.state.members.values()], [D, { nodeId: 'e', peer: 'e:1', voter: false, replaces: 'b' }]);
  assert.not(
    bench.checkpoint().puts.some(([key]) => key[0] === 8),
    'written once',
  );
  remove(bench, 'd');
  assert.is(bench.checkpoint().deletes.length, 1);
  bench.restart();
  assert.equal([...bench.state.members.keys()], ['e']);
});

test('a member beyond the limits changes nothing', () => {
  const bench = new Bench();
  const { members, memberNameLength, memberAddressLength } = StateLimits;
  const bad: Partial<MemberRecord>[] = [
    { nodeId: '' },
    { nodeId: 'n'.repeat(memberNameLength + 1) },
    { peer: '' },
    { peer: 'p'.repeat(memberAddressLength + 1) },
    { replaces: 'r'.repeat(memberNameLength + 1) },
  ];
  for (const part of bad) assert.is(put(bench, { ...D, ...part }), 'refused');
  assert.is(bench.state.members.size, 0);
  for (let number = 0; number < members; number++) assert.is(put(bench, { ...D, nodeId: `m${number}` }), 'ok');
  told(bench);
  assert.is(put(bench, D), 'refused');
  assert.is(bench.state.members.size, members);
  assert.is(told(bench), 0);
  assert.is(put(bench, { ...D, nodeId: 'm1', voter: false }), 'ok', 'one that is there may change');
  bench.checkpoint();
});

test('what a later version added to the command is refused, not misread', () => {
  const writer = new ByteWriter(64);
  writeMember(writer, D, 7);
  const bytes = writer.copy();
  assert.is(bytes[0], CommandType.member);
  const reader = new ByteReader(bytes.subarray(5));
  assert.equal(readMember(reader), { nodeId: 'd', member: D, term: 7 });
  assert.is(reader.at, reader.end);
  const earlier = new ByteReader(bytes.subarray(5, -8));
  assert.equal(readMember(earlier), { nodeId: 'd', member: D, term: null }, 'of an earlier version');
  bytes[5] = 3;
  const later = (): unknown => readMember(new ByteReader(bytes.subarray(5)));
  assert.throws(
    later,
    (error: unknown) => error instanceof NewerVersionError && /upgrade this node/.test(error.message),
  );
});

test.run();
