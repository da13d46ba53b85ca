import {
  ByteReader,
  ByteWriter,
  type CommandOwner,
  type CommandResult,
  DocumentCollection,
  type DocumentCommand,
  Documents,
  readDocument,
} from '@quorate/broker';
import { createMetrics, loadConfig } from '@quorate/node';
import { DocumentProposer, type DocumentsBroker } from '../../../../packages/node/src/identity/document-proposer.ts';
import { Identity } from '../../../../packages/node/src/identity/identity.ts';
import { assert, suite } from '../../../support/suite.ts';
import { ANN, granted, login } from './support.ts';

const test = suite('identity: changes of the cluster');

const HEADER_BYTES = 5;

interface Proposed {
  readonly command: DocumentCommand;
  readonly answer: (result: CommandResult) => void;
}

/** A broker whose log is the test: what is proposed happens when it says so. */
class FakeBroker implements DocumentsBroker {
  registered = true;
  congested = false;
  leader: string | null = 'n1';
  reviews = 0;
  readonly proposed: Proposed[] = [];
  readonly #writer = new ByteWriter();
  readonly proposer = {
    open: (): ByteWriter => this.#writer,
    added: (owner: CommandOwner, kind: number, argument: number): void => {
      const command = readDocument(new ByteReader(this.#writer.take().subarray(HEADER_BYTES)));
      const answer = (result: CommandResult): void => owner.commandApplied(kind, argument, result);
      this.proposed.push({ command, answer });
    },
  };

  accessChanged(): void {
    this.reviews++;
  }
}

const CHANGED: CommandResult = { kind: 'document', outcome: 'changed', revision: 9 };
const BAN = { collection: DocumentCollection.bans, name: 'user:ann', expected: 'any', content: null } as const;

function setUp(values: object = {}) {
  const config = loadConfig({
    values: { nodeId: 'n1', dataDir: 'x', cluster: { n1: '127.0.0.1:7001' }, ...values },
  });
  const metrics = createMetrics({ processMetrics: false });
  const log = { warn: () => {}, error: () => {} };
  const identity = new Identity({ config, log, metrics, nowMs: () => performance.now(), wallClockMs: Date.now });
  const broker = new FakeBroker();
  identity.attach(broker);
  return { identity, broker, metrics };
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function put(identity: Identity, name: string): void {
  const bytes = Buffer.from('{"version":1,"reason":"","createdAt":"","expiresAt":null}');
  const expiresAtMs = Number.POSITIVE_INFINITY;
  identity.documentChanged(BAN.collection, name, { collection: BAN.collection, name, revision: 1, expiresAtMs, bytes });
}

test('connections are looked at once for all changes of a turn, and after a snapshot', async () => {
  const { identity, broker } = setUp();
  for (let number = 0; number < 10; number++) put(identity, `clientId:c${String(number)}`);
  assert.is(broker.reviews, 0);
  await turn();
  assert.is(broker.reviews, 1);
  await turn();
  assert.is(broker.reviews, 1);
  identity.load({ documents: new Documents() });
  await turn();
  assert.is(broker.reviews, 2);
  assert.is(identity.directory.bans.size, 0);
});

test('without methods everybody is anonymous, but bans and rules hold', async () => {
  const { identity, metrics } = setUp();
  assert.is((await granted(identity.access)).userName, null);
  put(identity, 'user:ann');
  const outcome = await login(identity.access);
  assert.is(outcome.kind, 'refused');
  assert.is((await granted(identity.access, { userName: null })).mayPublish('a', 0, false), true);
  const strict = setUp({ authorization: { default: 'deny' } });
  assert.is((await granted(strict.identity.access)).mayPublish('a', 0, false), false);
  const text = await metrics.expose();
  assert.match(text, /\nquorate_authentications_total\{method="anonymous",outcome="granted"\} 2\n/);
  assert.match(text, /\nquorate_authentications_total\{method="none",outcome="banned"\} 1\n/);
  assert.match(text, /\nquorate_bans 1\n/);
});

test('methods are those of the configuration, in its order', async () => {
  const anonymous = [{ method: 'certificate' }, { method: 'anonymous' }];
  const { identity } = setUp({ authentication: anonymous });
  const certificate = { commonName: 'pump', subjectAltNames: [] };
  const bare = { userName: null, password: null };
  assert.is((await granted(identity.access, { ...bare, certificate })).userName, 'pump');
  assert.is((await granted(identity.access, bare)).userName, null);
  assert.is((await login(identity.access, ANN)).kind, 'refused');
  assert.is(identity.access.beginExchange('SCRAM-SHA-256', ANN, null), null);
});

test('a change is answered when it is applied, each by its own result', async () => {
  const broker = new FakeBroker();
  const proposer = new DocumentProposer(broker);
  const [first, second] = [proposer.change(BAN), proposer.change({ ...BAN, name: 'user:bob' })];
  assert.equal(
    broker.proposed.map(({ command }) => command.name),
    ['user:ann', 'user:bob'],
  );
  broker.proposed[1]?.answer({ kind: 'document', outcome: 'conflict', revision: 3 });
  assert.equal(await second, { ok: true, outcome: 'conflict', revision: 3 });
  broker.proposed[0]?.answer(CHANGED);
  assert.equal(await first, { ok: true, outcome: 'changed', revision: 9 });
});

test('a change that can not be proposed is refused at once, one that is not applied in time as well', async () => {
  const broker = new FakeBroker();
  const codeOf = async (proposer = new DocumentProposer(broker)): Promise<string> => {
    const change = await proposer.change(BAN);
    return change.ok ? change.outcome : change.code;
  };
  broker.leader = null;
  assert.is(await codeOf(), 'NO_LEADER');
  broker.leader = 'n2';
  broker.registered = false;
  assert.is(await codeOf(), 'NOT_READY');
  broker.registered = true;
  broker.congested = true;
  assert.is(await codeOf(), 'NOT_READY');
  broker.congested = false;
  assert.is(await codeOf(new DocumentProposer(broker, 20)), 'TIMEOUT');
  broker.proposed.at(-1)?.answer(CHANGED);
  const stopping = new DocumentProposer(broker);
  const waiting = Array.from({ length: 256 }, () => stopping.change(BAN));
  assert.is(await codeOf(stopping), 'NOT_READY', 'a bounded number waits');
  stopping.stop();
  assert.equal(new Set((await Promise.all(waiting)).map((each) => each.ok || each.code)), new Set(['TIMEOUT']));
});

test('a user is added behind the secret that hides who is none, and what lost a race is made again', async () => {
  const { identity, broker } = setUp({ authentication: [{ method: 'password' }] });
  const admin = identity.admin();
  const applyNext = async (result: CommandResult = CHANGED): Promise<DocumentCommand> => {
    while (broker.proposed.length === 0) await turn();
    const { command, answer } = broker.proposed.shift() as Proposed;
    const { collection, name, content } = command;
    if (result.kind === 'document' && result.outcome === 'changed') {
      const made = content && {
        collection,
        name,
        revision: 9,
        expiresAtMs: Number.POSITIVE_INFINITY,
        bytes: content.bytes,
      };
      identity.documentChanged(collection, name, made);
    }
    answer(result);
    return command;
  };
  const adding = admin.addUser('ann', 'secret', false);
  const secret = await applyNext();
  assert.equal([secret.collection, secret.expected, secret.content?.bytes.length], [4, 'absent', 32]);
  const user = await applyNext();
  assert.equal([user.collection, user.name, user.expected], [1, 'ann', 'absent']);
  assert.not(Buffer.from(user.content?.bytes ?? []).includes('secret"'));
  assert.is((await adding).ok, true);
  assert.is((await granted(identity.access)).userName, 'ann', 'with the very password');
  const changing = admin.changeUser('ann', { password: null, superuser: true });
  const lost = await applyNext({ kind: 'document', outcome: 'conflict', revision: 10 });
  const again = await applyNext();
  assert.equal([lost.expected, again.expected], [9, 9]);
  assert.equal((await changing).value, { name: 'ann', superuser: true });
  assert.is((await granted(identity.access)).userName, 'ann', 'the password is the same');
});

test.run();
