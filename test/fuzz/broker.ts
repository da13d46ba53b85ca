import { LogBus } from '../support/log-bus.ts';
import { FakeClient } from '../support/log-bus-client.ts';
import { AnswerCheck } from './answers.ts';
import { Dice } from './dice.ts';
import { FuzzFailure, kindOf, messageOf, minimise } from './failure.ts';
import { formatStep, inputsOf, makeScript, parseStep, type Step } from './script.ts';

/*
 * Scripts of several clients against three brokers on a virtual clock (test/support/log-bus.ts). What any client may
 * do ends with its own connection: nothing throws, the well-behaved client keeps its connection and its messages, and
 * when all have gone nothing of them is left in any broker.
 */

const SCRIPT_INPUTS = 800;
const MAX_CONNECTIONS = 6;
const MINIMISE_ATTEMPTS = 300;
/** Longer than anything takes that nothing stands in the way of, a change of leader included. */
const SETTLE_MS = 5_000;

/** A connection that a script has in its hand. Everything that comes is checked at once. */
class HostileClient extends FakeClient {
  readonly answers = new AnswerCheck();
  isPolite = false;

  override receive(bytes: Buffer): void {
    if (this.isClosed) return;
    for (const reply of this.answers.received(bytes)) if (this.isPolite) this.sendBytes(reply);
  }

  override closed(): void {
    if (!this.isClosed) this.answers.closed();
    super.closed();
  }

  override sendBytes(bytes: Buffer): void {
    if (this.isClosed) return;
    this.answers.sent(Buffer.from(bytes));
    super.sendBytes(bytes);
  }
}

/** A client that does nothing wrong: all that it publishes is acknowledged and arrives, once and in order. */
class Control {
  readonly #bus: LogBus;
  readonly #publisher: FakeClient;
  readonly #subscriber: FakeClient;
  #sent = 0;

  constructor(bus: LogBus) {
    this.#bus = bus;
    this.#publisher = this.#connect('n1', 'control-publisher');
    this.#subscriber = this.#connect('n2', 'control-subscriber');
    this.#subscriber.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'control', qos: 1 }] });
    bus.run(SETTLE_MS);
    this.#subscriber.take('suback');
  }

  #connect(nodeId: string, clientId: string): FakeClient {
    const client = this.#bus.open(nodeId, 5);
    client.send({ cmd: 'connect', clientId, clean: true, keepalive: 0, protocolId: 'MQTT', protocolVersion: 5 });
    this.#bus.run(SETTLE_MS);
    client.take('connack');
    return client;
  }

  publish(): void {
    const messageId = ++this.#sent;
    this.#publisher.send({
      ...{ cmd: 'publish', topic: 'control', qos: 1, messageId, dup: false, retain: false },
      payload: String(messageId),
    });
  }

  check(): void {
    this.#bus.run(SETTLE_MS);
    const wanted = Array.from({ length: this.#sent }, (_none, at) => at + 1).join();
    const acked = this.#publisher.takeAll('puback').map(({ messageId }) => messageId);
    const got = this.#subscriber.takeAll('publish').map(({ payload }) => payload.toString());
    if (this.#publisher.isClosed || this.#subscriber.isClosed) throw new Error('the well-behaved client was closed');
    if (acked.join() !== wanted) throw new Error(`of 1 to ${this.#sent} were acknowledged: ${acked.join()}`);
    if (got.join() !== wanted) throw new Error(`of 1 to ${this.#sent} arrived: ${got.join()}`);
  }
}

export interface BrokerCounts {
  scripts: number;
  /** Those that reached a connection which was still open. */
  inputs: number;
  /** Connections, and how those that the server closed were told. */
  connections: number;
  readonly goodbyes: Map<number, number>;
}

/** Runs one script on brokers of its own. Throws when one of them did what it must not. */
export function runBrokerScript(seed: number, steps: readonly Step[], counts?: BrokerCounts): void {
  const bus = new LogBus({ seed, maxDelayMs: 3, maxCommitMs: 3, maxLatencyMs: 2 });
  const control = new Control(bus);
  const clients = new Map<number, HostileClient>();
  for (const step of steps) perform(bus, control, clients, step, counts);
  control.check();
  for (const client of clients.values()) client.socket.drain();
  bus.assertForgotten();
  if (counts === undefined) return;
  counts.scripts++;
  counts.connections += clients.size;
  for (const { answers } of clients.values()) {
    if (answers.goodbye !== null) counts.goodbyes.set(answers.goodbye, (counts.goodbyes.get(answers.goodbye) ?? 0) + 1);
  }
}

function perform(
  bus: LogBus,
  control: Control,
  clients: Map<number, HostileClient>,
  step: Step,
  counts: BrokerCounts | undefined,
): void {
  switch (step.kind) {
    case 'open': {
      const { socket } = bus.open(`n${step.node + 1}`, 5);
      const client = new HostileClient(socket, 5);
      client.isPolite = step.isPolite;
      clients.set(step.at, client);
      return;
    }
    case 'wait':
      return bus.run(step.ms);
    case 'control':
      return control.publish();
    case 'leader':
      return bus.changeLeader();
    default:
      break;
  }
  // A script that was made smaller may have lost the opening.
  const client = clients.get(step.at);
  if (client === undefined || client.isClosed) return;
  switch (step.kind) {
    case 'send':
      if (counts !== undefined) counts.inputs++;
      for (const piece of step.pieces) if (piece.length > 0) client.sendBytes(piece);
      return;
    case 'end':
      return client.close();
    case 'reset':
      return client.reset();
    case 'vanish':
      return client.vanish();
    case 'deafen':
      client.socket.flowing = false;
      return;
    case 'hear':
      return client.socket.drain();
  }
}

/** Runs scripts of a seed until so many inputs were sent; `progress` is told the number of each before it. */
export async function runBroker(
  seed: number,
  inputs: number,
  progress: (number: number, inputs: number) => void,
): Promise<BrokerCounts> {
  const counts: BrokerCounts = { scripts: 0, inputs: 0, connections: 0, goodbyes: new Map() };
  for (let number = 0; counts.inputs < inputs; number++) {
    progress(number, counts.inputs);
    const dice = new Dice(seed, number);
    const busSeed = dice.below(2 ** 31);
    const steps = makeScript(dice, { inputs: SCRIPT_INPUTS, maxConnections: MAX_CONNECTIONS });
    try {
      runBrokerScript(busSeed, steps, counts);
    } catch (error) {
      throw await brokerFailure(busSeed, steps, error);
    }
    // Whoever watches gets a turn.
    if (number % 20 === 0) await new Promise((resume) => setImmediate(resume));
  }
  return counts;
}

async function brokerFailure(seed: number, steps: readonly Step[], error: unknown): Promise<FuzzFailure> {
  const kind = kindOf(error);
  const fails = (some: readonly Step[]): boolean => {
    try {
      runBrokerScript(seed, some);
      return false;
    } catch (again) {
      return kindOf(again) === kind;
    }
  };
  const least = fails(steps) ? await minimise(steps, fails, MINIMISE_ATTEMPTS) : steps;
  const what = `${messageOf(error)} (${inputsOf(least)} of ${inputsOf(steps)} inputs are left)`;
  return new FuzzFailure(what, ['broker', String(seed), ...least.map(formatStep)], error);
}

/** Does again what {@link FuzzFailure.lines} say; throws if it still fails. */
export function replayBroker(lines: readonly string[]): void {
  const [seed, ...steps] = lines;
  runBrokerScript(Number(seed), steps.map(parseStep));
}
