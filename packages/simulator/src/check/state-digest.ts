import type { Message, MessageQueue, Session, ShareGroup, State } from '@quorate/broker';

/** 2^21 and 11: two words of 32 bits become one number, without the lowest bits of the second. */
const WORD_SHIFT = 0x20_0000;
const DROPPED_BITS = 11;

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

/**
 * What `describeState` says, as a number of 53 bits: equal for equal descriptions, and different for different ones but for one
 * pair in 2^53. Made from the state itself each time, so that it sees what was changed in place.
 */
export class StateDigest {
  /** Strings as numbers, which only this object knows. */
  readonly #strings = new Map<string, number>();
  #a = 0;
  #b = 0;
  #sumA = 0;
  #sumB = 0;
  #records = 0;

  /** How many records and messages the last state had: what its digest cost. */
  get records(): number {
    return this.#records;
  }

  of(state: State): number {
    this.#sumA = 0;
    this.#sumB = 0;
    this.#records = 0;
    this.#begin(1);
    this.#value(state.nowMs);
    this.#value(state.appliedIndex);
    this.#value(state.appliedTerm);
    this.#value(state.clusterId);
    this.#value(state.nextEpoch);
    this.#value(state.nextSessionNumber);
    this.#value(state.nextMessageId);
    this.#value(state.sharedStrategy);
    this.#value(state.limits);
    this.#value(state.fullQueuePolicy);
    this.#end();
    for (const [id, node] of state.nodes) this.#record(2, id, node);
    for (const [id, member] of state.members) this.#record(3, id, member);
    for (const [id, session] of state.sessions) this.#session(id, session);
    for (const { collection, name, revision, expiresAtMs, bytes } of state.documents.values()) {
      this.#begin(8);
      this.#number(collection);
      this.#string(name);
      this.#number(revision);
      this.#number(expiresAtMs);
      this.#bytes(bytes);
      this.#end();
    }
    for (const group of state.groups.values()) this.#group(group);
    for (const filter of ['#', '$SYS/#']) {
      state.retained.match(filter, (message) => {
        this.#begin(4);
        this.#message(message);
        this.#end();
      });
    }
    return (this.#sumA >>> 0) * WORD_SHIFT + (this.#sumB >>> DROPPED_BITS);
  }

  /** A record begins. Records are summed: the order in which a map has them is no part of the state. */
  #begin(kind: number): void {
    this.#a = kind;
    this.#b = ~kind;
    this.#records++;
  }

  #end(): void {
    this.#sumA = (this.#sumA + scattered(this.#a)) | 0;
    this.#sumB = (this.#sumB + scattered(this.#b)) | 0;
  }

  #word(word: number): void {
    const a = Math.imul(this.#a ^ word, 0x9e3779b1);
    const b = Math.imul((this.#b + word) | 0, 0x85ebca77);
    this.#a = a ^ (a >>> 15);
    this.#b = b ^ (b >>> 13);
  }

  #number(value: number): void {
    // So that -0 is 0, as in text.
    double[0] = value + 0;
    this.#word(halves[0] as number);
    this.#word(halves[1] as number);
  }

  #string(value: string): void {
    let known = this.#strings.get(value);
    if (known === undefined) {
      known = this.#strings.size;
      this.#strings.set(value, known);
    }
    this.#word(known);
  }

  #bytes(bytes: Uint8Array): void {
    this.#word(bytes.length);
    for (let at = 0; at < bytes.length; at++) this.#word(bytes[at] as number);
  }

  /** Anything that JSON can say, and numbers that it can not; objects in the order of their keys. */
  #value(value: unknown): void {
    if (typeof value === 'number') {
      this.#word(1);
      this.#number(value);
    } else if (typeof value === 'string') {
      this.#word(2);
      this.#string(value);
    } else if (typeof value === 'boolean') this.#word(value ? 3 : 4);
    else if (value === null || value === undefined) this.#word(5);
    else if (typeof value === 'object') {
      this.#word(6);
      // As in JSON, what is undefined is not there.
      for (const key in value) {
        const each: unknown = (value as Record<string, unknown>)[key];
        if (each === undefined) continue;
        this.#string(key);
        this.#value(each);
      }
      this.#word(7);
    } else throw new TypeError(`a ${typeof value} in the state`);
  }

  #record(kind: number, id: string, record: object): void {
    this.#begin(kind);
    this.#string(id);
    this.#value(record);
    this.#end();
  }

  #session(id: string, session: Session): void {
    const { tracked: queue, will } = session;
    this.#begin(5);
    this.#string(id);
    this.#string(session.clientId);
    this.#number(session.number);
    this.#number(session.epoch);
    this.#value(session.owner);
    this.#number(session.protocolVersion);
    this.#number(session.expiryIntervalSec);
    this.#number(session.expiresAtMs);
    this.#number(session.receiveMaximum);
    this.#number(session.willAtMs);
    this.#number(session.maybeSentBefore);
    this.#word(will === null ? 0 : 1);
    if (will !== null) {
      this.#string(will.topic);
      this.#word(will.qos);
      this.#word(will.retain ? 1 : 0);
      this.#number(will.delayIntervalSec);
      this.#bytes(will.payload);
    }
    this.#number(session.held);
    this.#word(queue === null ? 0 : session.ledger === null ? 1 : 2);
    if (queue !== null) {
      this.#number(queue.headSequence);
      this.#number(queue.nextSequence);
      this.#number(queue.count);
      this.#number(queue.sizeBytes);
      this.#queue(queue);
    }
    this.#end();
    for (const [filter, subscription] of session.subscriptions) this.#part(6, session, filter, subscription);
    for (const packetId of session.incoming) this.#part(7, session, '', packetId);
  }

  /** Its members are what the sessions say. */
  #group({ number, name, last, queue }: ShareGroup): void {
    this.#begin(8);
    this.#number(number);
    this.#string(name);
    this.#number(last);
    for (const message of queue) this.#message(message);
    this.#end();
  }

  /** Of a session: what has no order. */
  #part(kind: number, session: Session, key: string, value: unknown): void {
    this.#begin(kind);
    this.#string(session.clientId);
    this.#string(key);
    this.#value(value);
    this.#end();
  }

  #queue(queue: MessageQueue): void {
    for (let sequence = queue.headSequence; sequence < queue.nextSequence; sequence++) {
      const item = queue.get(sequence);
      if (item === null) {
        this.#word(0);
        continue;
      }
      this.#word(item.qos);
      this.#word(item.retain ? 1 : 0);
      this.#word(item.state);
      this.#number(item.share);
      this.#value(item.subscriptionIdentifiers);
      this.#message(item.message);
    }
  }

  #message(message: Message): void {
    const { id, topic, qos, retain, expiresAtMs, payload, publisherHash } = message;
    this.#records++;
    this.#number(id);
    this.#string(topic);
    this.#word(qos);
    this.#word(retain ? 1 : 0);
    this.#number(expiresAtMs);
    this.#word(publisherHash);
    this.#bytes(payload);
  }
}

/** Each bit of it depends on every bit of `word`, so that sums of them tell (murmur3's finalizer). */
function scattered(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
