import { freePortsInRow } from '../../support/ports.ts';
import { assert, suite } from '../../support/suite.ts';
import { FakeNode, member } from './support/fake-node.ts';
import { run } from './support/process.ts';

const test = suite('cli: members');

const ACCEPTED = { status: 202, body: '{"id":"n4","code":"ACCEPTED","reason":"it is a learner now"}' };

let nodes: FakeNode[] = [];

async function fakeNode(): Promise<FakeNode> {
  const node = new FakeNode();
  await node.listen();
  nodes.push(node);
  return node;
}

test.after.each(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  nodes = [];
});

const joining = member('n4', { role: 'learner', voter: false, state: 'joining' });
const n1 = member('n1', { role: 'leader', self: true });

test('join asks, shows how it goes on, and ends when the node is a voter', async () => {
  const node = await fakeNode();
  node.answer = ACCEPTED;
  const away = member('n4', { role: 'unreachable', voter: false, state: 'joining' });
  node.states = [[n1], [n1], [n1, away], [n1, joining], [n1, joining], [n1, member('n4')]];
  const result = await run(['join', 'n4=10.0.0.4:7001', '--url', node.url]);
  assert.equal({ code: result.code, stderr: result.stderr }, { code: 0, stderr: '' });
  assert.equal(result.stdout.replaceAll(/ \(\d+ s\)/g, '').split('\n'), [
    'n4 at 10.0.0.4:7001 was accepted: it is a learner now',
    'n4 is not yet a member',
    'n4 is a learner, but cannot be reached',
    'n4 is a learner and catches up',
    'n4 is a voter',
    '',
  ]);
  assert.equal(node.requests, [
    {
      method: 'POST',
      path: '/api/v1/members',
      type: 'application/json',
      body: '{"id":"n4","peer":"10.0.0.4:7001","voter":true}',
    },
  ]);
});

test('join of a learner ends when it is one that can be reached', async () => {
  const node = await fakeNode();
  node.answer = ACCEPTED;
  const learner = member('n4', { role: 'learner', voter: false });
  node.states = [[n1], [n1, { ...learner, role: 'unreachable' }], [n1, learner]];
  const result = await run(['join', 'n4=[::1]:7001', '--learner', '--url', node.url]);
  assert.is(result.code, 0);
  assert.match(result.stdout, /cannot be reached \(\d+ s\)\nn4 is a learner\n$/);
  assert.is(node.asked, 3);
  assert.is(node.requests[0]?.body, '{"id":"n4","peer":"[::1]:7001","voter":false}');
});

test('join that replaces a node ends when that one has left, and does not ask that one', async () => {
  const [leaver, other] = [await fakeNode(), await fakeNode()];
  leaver.answer = ACCEPTED;
  const n3 = member('n3', { self: true, http: leaver.address });
  const elsewhere = member('n1', { role: 'leader', http: other.address });
  leaver.states = [[elsewhere, n3]];
  other.states = [
    [elsewhere, n3, joining],
    [elsewhere, n3, member('n4')],
    [elsewhere, member('n4')],
  ];
  const result = await run(['join', 'n4=a:1', '--replaces', 'n3', '--url', leaver.url]);
  assert.equal({ code: result.code, stderr: result.stderr }, { code: 0, stderr: '' });
  assert.match(result.stdout, /n4 is a voter, n3 is still a member \(\d+ s\)\nn4 is a voter, n3 has left\n$/);
  assert.is(leaver.asked, 1);
  assert.is(leaver.requests[0]?.body, '{"id":"n4","peer":"a:1","voter":true,"replaces":"n3"}');
});

test('join goes on to another node when the first one stops or knows of no leader', async () => {
  const [first, second, third] = [await fakeNode(), await fakeNode(), await fakeNode()];
  const gone = `127.0.0.1:${String(await freePortsInRow(1))}`;
  first.answer = ACCEPTED;
  const others = [second.address, gone, third.address].map((http, at) => member(`n${String(at + 5)}`, { http }));
  first.states = [[n1, ...others]];
  second.states = [[n1, ...others, joining]];
  second.leader = null;
  third.states = [[n1, ...others, member('n4')]];
  first.leader = null;
  const result = await run(['join', 'n4=a:1', '--url', first.url]);
  assert.is(result.code, 0);
  assert.match(
    result.stdout,
    new RegExp(`n4 may be on its way, but http://${gone}/ cannot be reached: connection refused`),
  );
  assert.match(result.stdout, /n4 is a voter\n$/);
  assert.equal([first.asked, second.asked, third.asked], [2, 1, 1]);
});

test('join that does not wait ends at once, one that waits too long says how the node stands', async () => {
  const node = await fakeNode();
  node.answer = ACCEPTED;
  node.states = [[n1, joining]];
  const atOnce = await run(['join', 'n4=a:1', '--no-wait', '--url', node.url]);
  assert.equal(atOnce, { code: 0, stdout: 'n4 at a:1 was accepted: it is a learner now\n', stderr: '' });
  assert.is(node.asked, 1);
  const late = await run(['join', 'n4=a:1', '--timeout-sec', '1', '--url', node.url]);
  assert.is(late.code, 1);
  assert.is(
    late.stderr,
    'quorate: n4 is not a voter after 1 s: it is a learner and catches up. It goes on by itself: see `quorate status`; `quorate remove n4` takes it back\n',
  );
});

test('remove and transfer-leader say what came of it', async () => {
  const node = await fakeNode();
  node.answer = { status: 200, body: '{"id":"n3","code":"REMOVED","reason":"n3 is not a member any more"}' };
  const removed = await run(['remove', 'n3', '--url', node.url]);
  assert.equal(removed, { code: 0, stdout: 'n3 is no member any more: if it still runs, stop it\n', stderr: '' });
  node.answer = { status: 200, body: '{"id":"n2","term":7}' };
  const chosen = await run(['transfer-leader', '--to', 'n2', '--url', node.url]);
  assert.equal(chosen, { code: 0, stdout: 'n2 is the leader now (term 7)\n', stderr: '' });
  await run(['transfer-leader', '--url', node.url]);
  assert.equal(node.requests, [
    { method: 'DELETE', path: '/api/v1/members/n3', type: undefined, body: '' },
    { method: 'POST', path: '/api/v1/leader', type: 'application/json', body: '{"to":"n2"}' },
    { method: 'POST', path: '/api/v1/leader', type: 'application/json', body: '{}' },
  ]);
});

test('a refusal is one sentence with what to do', async () => {
  const node = await fakeNode();
  const url = ['--url', node.url];
  const refusals: readonly (readonly [readonly string[], string, string])[] = [
    [
      ['join', 'n4=a:1'],
      '{"code":"PEER_UNREACHABLE","reason":"nobody listens at a:1."}',
      'cannot join n4: nobody listens at a:1 (PEER_UNREACHABLE): start that node (`quorate start --help`) with --peer at this address, and let the leader reach it',
    ],
    [
      ['remove', 'n9'],
      '{"code":"NOT_A_MEMBER","reason":"n9 is not a member"}',
      'cannot remove n9: n9 is not a member (NOT_A_MEMBER): `quorate status` lists the members',
    ],
    [
      ['transfer-leader', '--to', 'n2'],
      '{"code":"ODD","reason":"it is odd"}',
      'cannot hand leadership over to n2: it is odd (ODD)',
    ],
    [['transfer-leader'], '[]', `cannot hand leadership over: ${node.url}/ answered 409: is it a Quorate node?`],
  ];
  for (const [args, body, sentence] of refusals) {
    node.answer = { status: 409, body };
    const result = await run([...args, ...url]);
    assert.equal(result, { code: 1, stdout: '', stderr: `quorate: ${sentence}\n` });
  }
});

test('a change whose answer is lost may have happened', async () => {
  const node = await fakeNode();
  node.answer = { status: 200, body: '{"id":' };
  const result = await run(['remove', 'n3', '--url', node.url]);
  assert.is(result.code, 1);
  assert.is(
    result.stderr,
    `quorate: cannot remove n3: ${node.url}/ gave no answer (the answer is not JSON): it may have happened or still happen: see \`quorate status\` before you ask again\n`,
  );
});

test('what cannot be understood is one sentence and exit code 2', async () => {
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['join'], '`quorate join` needs ID=HOST:PORT: see `quorate join --help`'],
    [['join', 'n4'], 'the node is "n4": expected ID=HOST:PORT, for example n4=10.0.0.4:7001'],
    [['join', 'n4=a:1', 'n5=a:2'], '`quorate join` takes 1 argument besides flags, also got "n5=a:2"'],
    [
      ['join', 'n4=a:1', '--learner', '--replaces', 'n3'],
      'flags --learner and --replaces exclude each other: only a voter takes the place of a member',
    ],
    [['join', 'n4=a:1', '--timeout-sec', '0'], 'flag --timeout-sec is "0": expected an integer from 1 to 86400'],
    [['remove'], '`quorate remove` needs ID: see `quorate remove --help`'],
    [['remove', '--replace', 'x'], 'unknown flag --replace of `quorate remove`: see `quorate remove --help`'],
    [['transfer-leader', 'n2'], '`quorate transfer-leader` takes flags only, got "n2"'],
  ];
  const results = await Promise.all(cases.map(([args]) => run(args)));
  for (const [at, [, sentence]] of cases.entries()) {
    assert.equal(results[at], { code: 2, stdout: '', stderr: `quorate: ${sentence}\n` });
  }
});

test('status shows who is joining and who has no vote', async () => {
  const node = await fakeNode();
  node.states = [
    [
      n1,
      joining,
      member('n5', { role: 'learner', voter: false }),
      member('n6', { role: 'unreachable', voter: false }),
      member('n7', { role: 'unreachable' }),
    ],
  ];
  const { stdout } = await run(['status', '--url', node.url]);
  const roles = stdout
    .split('\n\n')[1]
    ?.replaceAll(/ +- .*| +<-.*/g, '')
    .split('\n');
  assert.equal(roles?.slice(1, -1), [
    'n1  leader',
    'n4  learner (joining)',
    'n5  learner',
    'n6  unreachable (learner)',
    'n7  unreachable',
  ]);
});

test('the help has an example of each change', async () => {
  const topics = ['join', 'remove', 'transfer-leader', 'start'];
  const [join, remove, transfer, start] = await Promise.all(topics.map((topic) => run(['help', topic])));
  assert.match(join?.stdout ?? '', /Grow from three nodes to five[^]*quorate join n4=[^]*Replace n3[^]*--replaces n3/);
  assert.match(remove?.stdout ?? '', /Shrink from five nodes to three[^]*quorate remove n5/);
  assert.match(transfer?.stdout ?? '', /quorate transfer-leader --to n2/);
  assert.match(start?.stdout ?? '', /A node whose --node-id is not in it\s+founds nothing/);
});

test.run();
