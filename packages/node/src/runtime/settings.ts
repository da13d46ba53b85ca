import {
  type Broker,
  type ByteWriter,
  LIMIT_NAMES,
  type Limits,
  writeSettings,
  writeSharedStrategy,
} from '@quorate/broker';
import type { AdminResult, ClusterSettings, NodeSettings } from '../http/index.ts';

const CHANGE_MS = 20_000;
/** Changes on their way through the log; more than an operator has at a time. */
const MAX_CHANGES = 64;

/** Settings of the cluster are replicated state: a change is a command of this node, wherever the leader is. */
export class Settings implements NodeSettings {
  readonly #broker: Broker;
  #changes = 0;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  current(): ClusterSettings {
    const { sharedStrategy, fullQueuePolicy, limits } = this.#broker.machine.state;
    return { sharedSubscriptionStrategy: sharedStrategy, fullQueuePolicy, ...limits };
  }

  async change(changes: Partial<ClusterSettings>): Promise<AdminResult> {
    const writes = commandsOf(changes);
    if (writes.length === 0) return DONE;
    const { proposer, serving, congested } = this.#broker;
    if (!serving || congested || this.#changes >= MAX_CHANGES) return NOT_READY;
    this.#changes++;
    const result = await new Promise<AdminResult>((resolve) => {
      // A node that is given up meanwhile hears no more of its proposals.
      const timer = setTimeout(() => {
        resolve(TIMEOUT);
      }, CHANGE_MS);
      let left = writes.length;
      const commandApplied = (): void => {
        if (--left > 0) return;
        clearTimeout(timer);
        resolve(DONE);
      };
      for (const write of writes) {
        write(proposer.open());
        proposer.added({ commandApplied }, 0, 0);
      }
    });
    this.#changes--;
    return result;
  }
}

/** The commands that make up a change. */
function commandsOf(changes: Partial<ClusterSettings>): readonly ((writer: ByteWriter) => void)[] {
  const { sharedSubscriptionStrategy: strategy, fullQueuePolicy } = changes;
  const limits: Partial<Limits> = {};
  for (const name of LIMIT_NAMES) if (changes[name] !== undefined) limits[name] = changes[name];
  const writes: ((writer: ByteWriter) => void)[] = [];
  if (strategy !== undefined) writes.push((writer) => writeSharedStrategy(writer, strategy));
  if (fullQueuePolicy !== undefined || Object.keys(limits).length > 0) {
    const change = fullQueuePolicy === undefined ? { limits } : { limits, fullQueuePolicy };
    writes.push((writer) => writeSettings(writer, change));
  }
  return writes;
}

const DONE: AdminResult = { ok: true, code: 'OK', reason: 'the settings are changed on every node' };
const NOT_READY: AdminResult = {
  ok: false,
  code: 'NOT_READY',
  reason: 'this node is not in contact with a majority, or has too much to do: ask again in a moment',
};
const TIMEOUT: AdminResult = {
  ok: false,
  code: 'TIMEOUT',
  reason: 'the change was not committed in time: look at the settings before asking again',
};
