import {
  type Broker,
  type CommandOwner,
  type CommandResult,
  type DocumentCommand,
  type DocumentOutcome,
  writeDocument,
} from '@quorate/broker';

/** What of the broker it needs. */
export type DocumentsBroker = Pick<Broker, 'registered' | 'congested' | 'leader'> & {
  readonly proposer: Pick<Broker['proposer'], 'open' | 'added'>;
};

/** How a change of a document ended. */
export type DocumentChange =
  | { readonly ok: true; readonly outcome: DocumentOutcome; readonly revision: number | null }
  | { readonly ok: false; readonly code: 'NO_LEADER' | 'NOT_READY' | 'TIMEOUT'; readonly reason: string };

interface Waiting {
  readonly done: (change: DocumentChange) => void;
  readonly timer: NodeJS.Timeout;
}

const MAX_WAITING = 256;
const TIMEOUT_MS = 10_000;

/** Proposes changes of documents; each is answered when it is applied on this node. */
export class DocumentProposer implements CommandOwner {
  readonly #broker: DocumentsBroker;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;

  /** @param timeoutMs only tests give one */
  constructor(broker: DocumentsBroker, timeoutMs = TIMEOUT_MS) {
    this.#broker = broker;
    this.#timeoutMs = timeoutMs;
  }

  /** Never rejects. */
  change(command: DocumentCommand): Promise<DocumentChange> {
    const { registered, congested, leader, proposer } = this.#broker;
    if (leader === null) {
      const reason = 'No leader is known to this node: without a majority nothing can be changed';
      return Promise.resolve({ ok: false, code: 'NO_LEADER', reason });
    }
    if (!registered || congested || this.#waiting.size >= MAX_WAITING) {
      const reason = registered ? 'Too many changes wait already' : 'This node is not registered with the cluster yet';
      return Promise.resolve({ ok: false, code: 'NOT_READY', reason });
    }
    return new Promise((resolve) => {
      const id = this.#nextId++;
      const timer = setTimeout(() => {
        this.#settle(id, {
          ok: false,
          code: 'TIMEOUT',
          reason: `The change was not applied within ${String(this.#timeoutMs / 1000)} s, and may still be`,
        });
      }, this.#timeoutMs);
      this.#waiting.set(id, { done: resolve, timer });
      writeDocument(proposer.open(), command);
      proposer.added(this, 0, id);
    });
  }

  commandApplied(_kind: number, id: number, result: CommandResult): void {
    if (result.kind !== 'document') throw new TypeError(`a document command ended as ${result.kind}`);
    this.#settle(id, { ok: true, outcome: result.outcome, revision: result.revision });
  }

  /** What was proposed and not answered may still be applied; nobody waits for it any more. */
  stop(): void {
    const reason = 'The node stops: the change may still be applied';
    for (const id of [...this.#waiting.keys()]) this.#settle(id, { ok: false, code: 'TIMEOUT', reason });
  }

  #settle(id: number, change: DocumentChange): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    waiting.done(change);
  }
}
