/**
 * What was promised against what arrived. A publisher marks each sequence number it got an acknowledgement for (at
 * QoS 0: each it sent); a receiver marks each it saw. Loss is the difference, counted once at the end of a run.
 */

/** A growing set of small integers, one bit each. */
export class Bitmap {
  #words = new Uint32Array(64);

  /** Adds `index`; returns whether it was in the set before. */
  add(index: number): boolean {
    const word = index >>> 5;
    if (word >= this.#words.length) this.#grow(word);
    const bit = 1 << (index & 31);
    const before = this.#words[word] as number;
    this.#words[word] = before | bit;
    return (before & bit) !== 0;
  }

  delete(index: number): void {
    const word = index >>> 5;
    if (word < this.#words.length) this.#words[word] = (this.#words[word] as number) & ~(1 << (index & 31));
  }

  has(index: number): boolean {
    return ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0;
  }

  /** How many members of this set `other` lacks. */
  countMissingFrom(other: Bitmap): number {
    let missing = 0;
    for (let i = 0; i < this.#words.length; i++) {
      missing += bitCount((this.#words[i] as number) & ~(other.#words[i] ?? 0));
    }
    return missing;
  }

  #grow(word: number): void {
    const larger = new Uint32Array(Math.max(word + 1, this.#words.length * 2));
    larger.set(this.#words);
    this.#words = larger;
  }
}

function bitCount(word: number): number {
  let x = word - ((word >>> 1) & 0x5555_5555);
  x = (x & 0x3333_3333) + ((x >>> 2) & 0x3333_3333);
  return (((x + (x >>> 4)) & 0x0f0f_0f0f) * 0x0101_0101) >>> 24;
}

/** The counters of one run, shared by all its connections. */
export class Tally {
  sent = 0;
  acked = 0;
  /** First deliveries. */
  delivered = 0;
  /** Sequence numbers delivered again. */
  duplicates = 0;
  /** Deliveries that carried the DUP flag, duplicate or not. */
  dupFlagged = 0;
  /** First deliveries older than one already seen from the same publisher. */
  reordered = 0;
  /** Payloads of another run. */
  foreign = 0;
  /** Malformed, wrong topic, wrong QoS, an ack nobody waits for, a packet that has no business here. */
  bad = 0;
  /** Why the first bad packet was bad. */
  firstBad: string | null = null;

  /** Counts something that must not happen. */
  countBad(reason: string): void {
    this.bad++;
    this.firstBad ??= reason;
  }
}

/** One subscriber's view of one publisher. */
export class DeliveryRecord {
  readonly #seen = new Bitmap();
  #highest = -1;
  readonly #tally: Tally;

  constructor(tally: Tally) {
    this.#tally = tally;
  }

  /** Takes one delivery; returns whether it is the first of this sequence number. */
  record(sequence: number): boolean {
    if (this.#seen.add(sequence)) {
      this.#tally.duplicates++;
      return false;
    }
    if (sequence < this.#highest) this.#tally.reordered++;
    else this.#highest = sequence;
    this.#tally.delivered++;
    return true;
  }

  /** How many of the `promised` sequence numbers never arrived. */
  countLost(promised: Bitmap): number {
    return promised.countMissingFrom(this.#seen);
  }
}

/** What a run found, as figures. */
export interface Verdict {
  readonly qos: number;
  readonly loss: number;
  readonly duplicates: number;
  readonly reordered: number;
  readonly foreign: number;
  readonly bad: number;
}

/**
 * Why a run does not count as correct, or null when it does. Loss is allowed at QoS 0 only, duplicates below QoS 2;
 * a swapped order (section 4.6, [MQTT-4.6.0-6]), a foreign payload or a bad packet never.
 */
export function findFault(verdict: Verdict): string | null {
  const faults: string[] = [];
  if (verdict.qos > 0 && verdict.loss > 0) faults.push(`${verdict.loss} acknowledged messages lost`);
  if (verdict.qos === 2 && verdict.duplicates > 0) faults.push(`${verdict.duplicates} duplicates at QoS 2`);
  if (verdict.reordered > 0) faults.push(`${verdict.reordered} messages out of order`);
  if (verdict.foreign > 0) faults.push(`${verdict.foreign} foreign payloads`);
  if (verdict.bad > 0) faults.push(`${verdict.bad} bad packets`);
  return faults.length === 0 ? null : faults.join(', ');
}
