const QUESTION_BYTES = 4;
const ANSWER_BYTES = 5;

/** How often those who have not answered are asked again: a question is lost with its connection. */
const ASK_AGAIN_MS = 250;

/**
 * One question to every other first member: are you still part of no cluster? What they said when they connected may be
 * old by now: one that has been let in since knows of the cluster, and the others, if they have lost what they had, must not
 * found a second one. A round begins when all are connected, and ends when one of them connects anew. So if all of them
 * say yes, all were without a cluster at the same time, and nobody is left who knows of one.
 */
export class FoundingRound {
  readonly #members: readonly string[];
  readonly #send: (to: string, question: Uint8Array) => void;
  readonly #answered = new Set<string>();
  #asked = false;
  #id = 0;
  #nextAskMs = 0;

  /** @param members all first members but this one */
  constructor(members: readonly string[], send: (to: string, question: Uint8Array) => void) {
    this.#members = members;
    this.#send = send;
  }

  /** Whatever was answered counts no more. */
  end(): void {
    this.#asked = false;
    this.#answered.clear();
  }

  /** Asks whoever has not been asked in this round, and says whether all have answered that they are part of no cluster. */
  complete(): boolean {
    if (!this.#asked) {
      this.#asked = true;
      this.#id = (this.#id + 1) >>> 0;
      this.#ask();
    }
    return this.#members.every((id) => this.#answered.has(id));
  }

  tick(nowMs: number): void {
    if (!this.#asked || nowMs < this.#nextAskMs) return;
    this.#nextAskMs = nowMs + ASK_AGAIN_MS;
    this.#ask();
  }

  /** An answer of a first member: whether it is part of no cluster; null for one that is none or belongs to another round. */
  answered(from: string, answer: Uint8Array): boolean | null {
    if (!this.#asked || !this.#members.includes(from) || answer.length !== ANSWER_BYTES) return null;
    if (Buffer.from(answer).readUInt32BE(0) !== this.#id) return null;
    if (answer[QUESTION_BYTES] !== 1) return false;
    this.#answered.add(from);
    return true;
  }

  #ask(): void {
    const question = Buffer.alloc(QUESTION_BYTES);
    question.writeUInt32BE(this.#id);
    for (const id of this.#members) if (!this.#answered.has(id)) this.#send(id, question);
  }
}

/** The answer to a question, or null when it is none. */
export function answerTo(question: Uint8Array, unborn: boolean): Uint8Array | null {
  if (question.length !== QUESTION_BYTES) return null;
  return Uint8Array.of(...question, unborn ? 1 : 0);
}
