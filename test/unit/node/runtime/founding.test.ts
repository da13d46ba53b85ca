import { type Configuration, decodeConfiguration, encodeConfiguration, members } from '@quorate/consensus';
import { Channel } from '../../../../packages/node/src/runtime/channels.ts';
import { Founding } from '../../../../packages/node/src/runtime/founding.ts';
import { answerTo } from '../../../../packages/node/src/runtime/founding-round.ts';
import type { KnownPeer } from '../../../../packages/node/src/runtime/peers.ts';
import { assert, suite } from '../../../support/suite.ts';
import { settle } from '../raft/support.ts';

const test = suite('founding');

const IDS = ['n1', 'n2', 'n3'];
const NONE: Configuration = { voters: [], learners: [], outgoing: [] };

/** What outlives a process. */
interface Disk {
  directoryId: string;
  founding: Uint8Array | null;
  clusterId: string | null;
}

/** One node; a write of its identity ends when the test says so. Whom it asks answers at once that it is part of nothing. */
function make(nodeId: string, disk: Disk, bootstrapMembers: readonly string[] = IDS, answers = true) {
  const peers = new Map<string, KnownPeer>();
  const sent: [to: string, configuration: Configuration][] = [];
  const questions: [to: string, question: Uint8Array][] = [];
  const given: [to: string, answer: Uint8Array][] = [];
  const log: string[] = [];
  const fatal: unknown[] = [];
  const ends: (() => void)[] = [];
  const inForce = { configuration: disk.founding === null ? NONE : decodeConfiguration(disk.founding), index: 0 };
  const say = (_fields: object, message: string): void => void log.push(message);
  const founding = new Founding({
    nodeId,
    bootstrapMembers,
    directoryId: disk.directoryId,
    clusterId: () => disk.clusterId,
    configuration: () => inForce,
    store: (bytes) =>
      new Promise((resolve, reject) => {
        ends.push(() => {
          if (disk.founding !== null) return reject(new Error('founded before'));
          disk.founding = bytes;
          resolve();
        });
      }),
    bootstrap: (configuration) => {
      inForce.configuration = configuration;
    },
    peer: (id) => peers.get(id),
    send: (to, channel, bytes) => {
      if (channel === Channel.founding) sent.push([to, decodeConfiguration(bytes)]);
      else (channel === Channel.foundingQuestion ? questions : given).push([to, bytes]);
    },
    logger: { debug: say, info: say, warn: say, error: say },
    onFatal: (error) => fatal.push(error),
  });
  const answer = (from: string, question: Uint8Array, unborn = true): void => {
    founding.answered(from, answerTo(question, unborn) ?? new Uint8Array());
  };
  return {
    founding,
    peers,
    sent,
    questions,
    given,
    answer,
    log,
    fatal,
    disk,
    inForce,
    meet(id: string, part: Partial<KnownPeer> = {}) {
      peers.set(id, { directoryId: `of ${id}`, clusterId: '', founded: false, peerAddress: '', ...part });
      founding.connected(id);
      if (answers) for (const [to, question] of questions.splice(0)) answer(to, question);
    },
    /** What is being written becomes durable. */
    async written() {
      for (const end of ends.splice(0)) end();
      await settle();
    },
    get writing() {
      return ends.length;
    },
  };
}

const newDisk = (id: string): Disk => ({ directoryId: `of ${id}`, founding: null, clusterId: null });
const tagsOf = (ids: readonly string[]) => Object.fromEntries(ids.map((id) => [id, `of ${id}`]));
const FIRST: Configuration = { voters: IDS, learners: [], outgoing: [], memberTags: tagsOf(IDS) };

test('the first by name founds, when it has heard from every other member', async () => {
  const n1 = make('n1', newDisk('n1'));
  n1.founding.tick(0);
  assert.equal([n1.founding.unborn, n1.founding.missing], [true, ['n2', 'n3']]);
  n1.meet('n3');
  n1.founding.tick(10);
  assert.is(n1.writing, 0);
  assert.equal(n1.founding.missing, ['n2']);
  n1.meet('n2');
  assert.is(n1.writing, 1);
  assert.equal([n1.inForce.configuration, n1.sent], [NONE, []], 'not before it is durable');
  assert.ok(n1.founding.writing);
  await n1.written();
  assert.equal(n1.inForce.configuration, FIRST);
  assert.equal(decodeConfiguration(n1.disk.founding ?? new Uint8Array()), FIRST);
  assert.equal(
    n1.sent,
    ['n2', 'n3'].map((id) => [id, FIRST]),
  );
  assert.not.ok(n1.founding.writing || n1.founding.unborn);
});

test('none is founded before all say, when all are there, that they are still part of none', async () => {
  const n1 = make('n1', newDisk('n1'), IDS, false);
  n1.meet('n2');
  assert.equal(n1.questions, [], 'not all are there');
  n1.meet('n3');
  const [first, second] = n1.questions.splice(0);
  assert.equal([first?.[0], second?.[0], n1.writing], ['n2', 'n3', 0]);
  const question = first?.[1] as Uint8Array;
  n1.answer('n2', question);
  n1.answer('n2', question);
  n1.answer('n9', question);
  n1.founding.answered('n3', question);
  n1.founding.tick(0);
  n1.founding.tick(100);
  assert.equal(
    [n1.writing, n1.questions.splice(0).map(([to]) => to)],
    [0, ['n3']],
    'who has not answered is asked again',
  );
  // n2 is another one now, and what was said before it came counts no more.
  n1.meet('n2', { directoryId: 'new' });
  const again = n1.questions.splice(0);
  assert.equal(
    again.map(([to]) => to),
    ['n2', 'n3'],
  );
  n1.answer('n3', question);
  n1.answer('n2', again[0]?.[1] as Uint8Array);
  assert.is(n1.writing, 0, 'an answer to the question of before');
  n1.peers.delete('n3');
  n1.founding.disconnected('n3');
  n1.answer('n3', again[0]?.[1] as Uint8Array);
  assert.is(n1.writing, 0, 'it is gone');
  n1.meet('n3');
  for (const [to, asked] of n1.questions.splice(0)) n1.answer(to, asked);
  assert.is(n1.writing, 1);
});

test('a member that was let in since it connected keeps the others from founding a second cluster', () => {
  const n1 = make('n1', newDisk('n1'), IDS, false);
  n1.meet('n3');
  n1.meet('n2');
  for (const [to, question] of n1.questions.splice(0)) n1.answer(to, question, to !== 'n3');
  n1.founding.tick(1_000);
  assert.equal([n1.writing, n1.founding.missing, n1.questions], [0, ['n3'], []]);
  // Emptied again it is one that is waited for.
  n1.meet('n3', { directoryId: 'new' });
  for (const [to, question] of n1.questions.splice(0)) n1.answer(to, question);
  assert.is(n1.writing, 1);
});

test('a member answers what is so at this moment, also to whom it does not know yet', async () => {
  const question = Uint8Array.of(0, 0, 0, 7);
  const n3 = make('n3', newDisk('n3'));
  n3.founding.asked('n1', question);
  n3.founding.asked('n1', Uint8Array.of(7));
  n3.meet('n1');
  n3.founding.received('n1', encodeConfiguration(FIRST));
  n3.founding.asked('n1', question);
  await n3.written();
  n3.founding.asked('n1', question);
  const joined = make('n3', { ...newDisk('n3'), clusterId: 'c' });
  joined.founding.asked('n1', question);
  const said = [...n3.given, ...joined.given].map(([to, answer]) => `${to} ${answer.join()}`);
  assert.equal(said, ['n1 0,0,0,7,1', 'n1 0,0,0,7,0', 'n1 0,0,0,7,0', 'n1 0,0,0,7,0']);
});

test('nobody else founds, and nobody who is not in the list', async () => {
  const n2 = make('n2', newDisk('n2'));
  for (const id of ['n1', 'n3']) n2.meet(id);
  n2.founding.tick(0);
  assert.is(n2.writing, 0);
  assert.ok(n2.founding.unborn);
  const guest = make('a0', newDisk('a0'));
  for (const id of IDS) guest.meet(id);
  guest.founding.tick(0);
  assert.equal([guest.writing, guest.founding.unborn], [0, false]);
  const alone = make('n1', newDisk('n1'), ['n1']);
  alone.founding.tick(0);
  await alone.written();
  assert.equal(alone.inForce.configuration.voters, ['n1']);
});

test('where a cluster exists, or may, none is founded: wiped members make no second one', () => {
  for (const part of [{ founded: true }, { clusterId: 'c' }, { founded: true, clusterId: 'c' }]) {
    const n1 = make('n1', newDisk('n1'));
    n1.meet('n2');
    n1.meet('n3', part);
    n1.founding.tick(0);
    assert.is(n1.writing, 0, JSON.stringify(part));
    assert.equal(n1.founding.missing, ['n3']);
  }
  // Its own directory was set aside: it knows of the cluster.
  const setAside = make('n1', { ...newDisk('n1'), clusterId: 'c' });
  for (const id of ['n2', 'n3']) setAside.meet(id);
  setAside.founding.tick(0);
  assert.equal([setAside.writing, setAside.founding.unborn], [0, false]);
  // A configuration is there already, from wherever.
  const founded = make('n1', { ...newDisk('n1'), founding: encodeConfiguration(FIRST) });
  for (const id of ['n2', 'n3']) founded.meet(id);
  founded.founding.tick(0);
  assert.is(founded.writing, 0);
});

test('a member that went away before all were there is waited for again', () => {
  const n1 = make('n1', newDisk('n1'));
  n1.meet('n2');
  n1.peers.delete('n2');
  n1.meet('n3');
  assert.is(n1.writing, 0);
  assert.equal(n1.founding.missing, ['n2']);
});

test('a configuration is adopted only with the own tag, and only from whom it names by the tag it has', async () => {
  const offers: [what: string, configuration: Configuration, adopted: boolean][] = [
    ['as it should be', FIRST, true],
    ['another directory of n2', { ...FIRST, memberTags: { ...tagsOf(IDS), n2: 'lost' } }, false],
    ['none of n2', { ...FIRST, memberTags: tagsOf(['n1', 'n3']) }, false],
    ['another directory of the sender', { ...FIRST, memberTags: { ...tagsOf(IDS), n1: 'lost' } }, false],
    ['without n2', { voters: ['n1', 'n3'], learners: [], outgoing: [], memberTags: tagsOf(['n1', 'n3']) }, false],
  ];
  for (const [what, configuration, adopted] of offers) {
    const n2 = make('n2', newDisk('n2'));
    n2.meet('n1');
    n2.founding.received('n1', encodeConfiguration(configuration));
    assert.is(n2.writing, adopted ? 1 : 0, what);
    await n2.written();
    assert.is(members(n2.inForce.configuration).length > 0, adopted, what);
  }
  const unknown = make('n2', newDisk('n2'));
  unknown.founding.received('n1', encodeConfiguration(FIRST));
  assert.is(unknown.writing, 0, 'from somebody whose hello is not known');
});

test('what is adopted is passed on; a second one is not taken', async () => {
  const n2 = make('n2', newDisk('n2'));
  for (const id of ['n1', 'n3']) n2.meet(id);
  n2.founding.received('n1', encodeConfiguration(FIRST));
  n2.founding.received('n3', encodeConfiguration(FIRST));
  assert.is(n2.writing, 1);
  await n2.written();
  assert.equal(
    n2.sent.map(([to]) => to),
    ['n1', 'n3'],
  );
  n2.founding.received('n1', encodeConfiguration({ ...FIRST, learners: ['n9'] }));
  assert.is(n2.writing, 0);
  assert.equal([n2.inForce.configuration, n2.fatal], [FIRST, []]);
});

test('who is there later gets it, as long as it has no configuration and nothing has changed since', () => {
  const n2 = make('n2', { ...newDisk('n2'), founding: encodeConfiguration(FIRST) });
  n2.meet('n3');
  n2.meet('n1', { clusterId: 'c', founded: true });
  assert.equal(n2.sent, [['n3', FIRST]]);
  n2.inForce.index = 7;
  n2.meet('n3');
  assert.is(n2.sent.length, 1, 'members have changed: it is not the first configuration any more');
});

test('a node that was never a member is told nothing of another data directory', () => {
  const n9 = make('n9', newDisk('n9'), ['n1', 'n2', 'n3']);
  n9.meet('n1');
  n9.founding.received('n1', encodeConfiguration(FIRST));
  assert.equal([n9.writing, n9.log], [0, []]);
  const wiped = make('n2', { ...newDisk('n2'), directoryId: 'new' });
  wiped.meet('n1');
  wiped.founding.received('n1', encodeConfiguration(FIRST));
  assert.is(wiped.writing, 0);
  assert.match(wiped.log.join(), /another data directory of n2: waiting to be let in/);
});

test('an identity that can not be written is fatal', async () => {
  const n1 = make('n1', { ...newDisk('n1') });
  for (const id of ['n2', 'n3']) n1.meet(id);
  n1.disk.founding = encodeConfiguration(FIRST);
  await n1.written();
  assert.is(n1.fatal.length, 1);
  assert.equal([n1.inForce.configuration, n1.sent], [NONE, []]);
  assert.ok(n1.founding.writing, 'it takes part in nothing any more');
});

test('the operator is told now and then who is missing', () => {
  const n1 = make('n1', newDisk('n1'));
  n1.meet('n3');
  for (let nowMs = 0; nowMs <= 25_000; nowMs += 10) n1.founding.tick(nowMs);
  assert.is(n1.log.length, 2);
  assert.match(n1.log[0] ?? '', /waiting for n2\./);
  const wiped = make('n2', newDisk('n2'));
  wiped.meet('n1', { founded: true, clusterId: 'c' });
  for (let nowMs = 0; nowMs <= 15_000; nowMs += 10) wiped.founding.tick(nowMs);
  assert.match(wiped.log.join('\n'), /^no part of a cluster yet, but n1: as soon as/);
});

/**
 * Three nodes that restart in every step: each delivery, write and restart may come in any order that `choices` draws.
 * Whatever happens, all that is durable anywhere is one and the same configuration.
 */
test(
  'a restart in any step leads to one configuration on all',
  async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 400; seed++) {
      let drawn = seed;
      const choose = (below: number): number => {
        drawn = (Math.imul(drawn ^ 0x9e3779b9, 0x85ebca6b) ^ (drawn >>> 13)) >>> 0;
        return drawn % below;
      };
      const disks = new Map(IDS.map((id) => [id, newDisk(id)]));
      const nodes = new Map(IDS.map((id) => [id, make(id, disks.get(id) as Disk)]));
      const meetAll = (id: string): void => {
        const node = nodes.get(id) as ReturnType<typeof make>;
        for (const other of IDS) {
          if (other === id) continue;
          const peer = nodes.get(other) as ReturnType<typeof make>;
          const founded = (of: ReturnType<typeof make>) =>
            of.founding.writing || members(of.inForce.configuration).length > 0;
          node.meet(other, { founded: founded(peer) });
          peer.meet(id, { founded: founded(node) });
        }
      };
      for (let step = 0; step < 30; step++) {
        const id = IDS[choose(3)] as string;
        const node = nodes.get(id) as ReturnType<typeof make>;
        const what = choose(4);
        if (what === 0) {
          // The process ends: what was being written may be durable or not, and what was sent may not arrive.
          if (choose(2) === 0) await node.written();
          nodes.set(id, make(id, disks.get(id) as Disk));
          meetAll(id);
        } else if (what === 1) await node.written();
        else {
          const message = node.sent.shift();
          if (message !== undefined) nodes.get(message[0])?.founding.received(id, encodeConfiguration(message[1]));
          else meetAll(id);
        }
      }
      for (let round = 0; round < 4; round++) {
        for (const id of IDS) meetAll(id);
        for (const node of nodes.values()) await node.written();
        for (const [id, node] of nodes) {
          for (const [to, configuration] of node.sent.splice(0)) {
            nodes.get(to)?.founding.received(id, encodeConfiguration(configuration));
          }
        }
      }
      for (const [id, node] of nodes) {
        assert.equal(node.inForce.configuration, FIRST, `seed ${String(seed)}, ${id}`);
        assert.equal(node.fatal, [], `seed ${String(seed)}, ${id}`);
      }
      seen.add([...disks.values()].map(({ founding }) => founding?.length ?? 0).join());
    }
    assert.equal(seen.size, 1);
  },
  { timeoutMs: 60_000 },
);

test('a configuration that comes before its sender is connected on both ways is not lost', async () => {
  const n2 = make('n2', newDisk('n2'));
  n2.founding.received('n1', encodeConfiguration(FIRST));
  n2.founding.received('n9', encodeConfiguration(FIRST));
  assert.is(n2.writing, 0, 'who sent it is not known yet');
  n2.meet('n9');
  assert.is(n2.writing, 0, 'n9 is nobody');
  n2.meet('n1');
  assert.is(n2.writing, 1);
  await n2.written();
  assert.equal(n2.inForce.configuration, FIRST);
});

test('a member that has the name of the cluster from the log, and no configuration, is given the first one', async () => {
  const n1 = make('n1', { ...newDisk('n1'), founding: encodeConfiguration(FIRST), clusterId: 'c' });
  n1.meet('n2', { clusterId: 'c', founded: false });
  n1.meet('n3', { clusterId: 'c', founded: true });
  assert.equal(
    n1.sent.map(([to]) => to),
    ['n2'],
  );
});

test.run();
