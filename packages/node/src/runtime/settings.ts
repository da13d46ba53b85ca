import { type Broker, writeSharedStrategy } from '@quorate/broker';
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
    return { sharedSubscriptionStrategy: this.#broker.machine.state.sharedStrategy };
  }

  async change({ sharedSubscriptionStrategy }: Partial<ClusterSettings>): Promise<AdminResult> {
    if (sharedSubscriptionStrategy === undefined) return DONE;
    const { proposer, serving, congested } = this.#broker;
    if (!serving || congested || this.#changes >= MAX_CHANGES) return NOT_READY;
    this.#changes++;
    const result = await new Promise<AdminResult>((resolve) => {
      // A node that is given up meanwhile hears no more of its proposals.
      const timer = setTimeout(() => {
        resolve(TIMEOUT);
      }, CHANGE_MS);
      const commandApplied = (): void => {
        clearTimeout(timer);
        resolve(DONE);
      };
      writeSharedStrategy(proposer.open(), sharedSubscriptionStrategy);
      proposer.added({ commandApplied }, 0, 0);
    });
    this.#changes--;
    return result;
  }
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
