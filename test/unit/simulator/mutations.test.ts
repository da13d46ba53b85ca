import { type Broker, type CommandOwner, NOBODY, writeNodeDown } from '@quorate/broker';
import type { RaftCore, TakenOutputs } from '@quorate/consensus';
import { type Mutation, simulate } from '@quorate/simulator';
import { assert, suite } from '../../support/suite.ts';

/* Bugs are planted in the product; the simulator must find each of them within a few seeds. */

const test = suite('simulator: planted bugs');

/** Most of them light: together they cost what a dozen heavy ones would. */
const SEEDS = 36;
const SECONDS = 15;

function finds(title: string, expected: readonly string[], mutation: Mutation): void {
  test(
    `finds ${title}`,
    async () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        const { violation } = await simulate({ seed, seconds: SECONDS, mutation });
        if (violation === null) continue;
        assert.ok(expected.includes(violation.invariant), `${violation.invariant}: ${violation.message}`);
        return;
      }
      assert.unreachable(`${SEEDS} seeds found nothing`);
    },
    { timeoutMs: 90_000 },
  );
}

type Patch = (broker: Broker, nodeId: string) => void;

function patched(patch: Patch): Mutation {
  return { replica: ({ broker }, { id }) => patch(broker, id) };
}

finds('a disk that says durable before it is', ['P1-durable-on-a-majority', 'vote-is-durable'], {
  disk: { reportsEarly: true },
});

finds(
  'votes and append answers that leave before the write',
  ['P1-durable-on-a-majority', 'one-leader-per-term', 'vote-is-durable'],
  {
    replica: ({ driver }) => {
      const { core } = Reflect.get(driver, 'options') as { core: RaftCore };
      const take = core.takeOutputs.bind(core);
      core.takeOutputs = (how): TakenOutputs => {
        const outputs = take(how);
        const early = outputs.sendAfterWrite.map(({ send }) => send);
        return { ...outputs, send: [...outputs.send, ...early], sendAfterWrite: [] };
      };
    },
  },
);

finds(
  'a broker that acknowledges what it has only proposed',
  // Twice, where the message was in the log from an earlier connection.
  ['P1-ack-before-commit', 'ack-of-nothing'],
  patched((broker) => {
    const { proposer } = broker;
    const added = proposer.added.bind(proposer);
    const PUBLISH_QOS1 = 2;
    proposer.added = (owner: CommandOwner, kind: number, argument: number): void => {
      added(owner, kind, argument);
      if (kind === PUBLISH_QOS1) owner.commandApplied(kind, argument, { kind: 'published', matched: true });
    };
  }),
);

finds('a core that counts the answers of a data directory that is no member', ['only-members-count'], {
  replica: ({ membership }) => {
    membership.peers.mayReceive = () => true;
  },
});

finds(
  'a node that serves without a lease',
  ['P6-minority-serves', 'P2-one-owner'],
  patched((broker) => {
    broker.extendLease(Number.MAX_VALUE);
  }),
);

finds('a leader that gives nodes up which may still serve', ['given-up-after-its-lease', 'no-lease-while-going-down'], {
  replica: ({ broker, driver }) => {
    const { tick } = broker;
    broker.tick = (nowMs) => {
      tick.call(broker, nowMs);
      const { role, term } = driver.status();
      const { appliedTerm, appliedIndex, nodes } = broker.machine.state;
      if (role !== 'leader' || appliedTerm !== term || !broker.registered || appliedIndex < 100) return;
      for (const { nodeId, incarnation, up } of nodes.values()) {
        if (!up || nodeId === broker.nodeId) continue;
        writeNodeDown(broker.proposer.open(), { nodeId, incarnation, term });
        broker.proposer.added(NOBODY, 0, 0);
      }
    };
  },
});

finds(
  'a takeover that does not wait for the lease of the former owner',
  // Which goes on sending meanwhile: the new one does not know what.
  ['P2-served-elsewhere', 'P2-one-owner', 'P5-dup', 'waits-after-a-restore'],
  patched((broker) => {
    broker.fencing.claim = (_epoch, _clientId, _previousOwner, done) => {
      done();
    };
  }),
);

finds(
  'a state that one node changes by itself',
  ['identical-states', 'no-fatal-error'],
  patched((broker, nodeId) => {
    const apply = broker.apply.bind(broker);
    broker.apply = (entry) => {
      apply(entry);
      if (nodeId !== 'n2' || entry.index % 100 !== 0) return;
      for (const session of broker.machine.state.sessions.values()) session.receiveMaximum++;
    };
  }),
);

finds(
  'messages that are sent again without DUP',
  // Only a repetition may come after the message expired.
  ['P5-dup', 'message-expiry'],
  patched((broker) => {
    const { accept } = broker;
    broker.accept = (socket) => {
      const write = socket.write.bind(socket);
      socket.write = (bytes) => {
        // Enough: one PUBLISH per write is common.
        if ((bytes[0] as number) >> 4 === 3) bytes[0] = (bytes[0] as number) & ~0x08;
        write(bytes);
      };
      return accept.call(broker, socket);
    };
  }),
);

finds(
  'deliveries that leave one out',
  // Nodes compare their states themselves at checkpoints, which may come first.
  ['P5-order', 'identical-states', 'no-fatal-error'],
  patched((broker) => {
    const { queued } = broker;
    broker.queued = (session) => {
      if (session.owner === broker.nodeId && session.queue !== null && session.queue.nextSequence % 50 === 49) {
        session.queue.settle(session.queue.nextSequence - 1);
      }
      queued.call(broker, session);
    };
  }),
);

test.run();
