import { type CoreOptions, type Input, type NodeId, type Outputs, RaftCore, type Write } from '@quorate/consensus';
import type { Disk } from './disk.ts';
import { showEntries, showResult, showRole } from './script-format.ts';

/** A core in a transcript: with a disk, and with words for everything it does. */
export class ScriptNode {
  readonly id: NodeId;
  readonly options: CoreOptions;
  disk: Disk;
  core: RaftCore;
  up = true;
  nowMs = 1000;
  /** Writes become durable only on command. */
  manualDisk = false;
  appliedIndex: number;
  readonly writes: Write[] = [];
  #waiting: Outputs['sendAfterWrite'][number][] = [];
  #doneSeq = 0;
  #shown = '';
  readonly #say: (line: string) => void;

  constructor(options: CoreOptions, disk: Disk, say: (line: string) => void) {
    this.id = options.id;
    this.options = options;
    this.disk = disk;
    this.#say = (line) => say(`${this.id}: ${line}`);
    this.appliedIndex = disk.checkpoint.index;
    this.core = this.boot();
  }

  /** Starts from what is on disk. */
  boot(): RaftCore {
    const { disk } = this;
    this.writes.length = 0;
    this.#waiting = [];
    this.#doneSeq = 0;
    this.appliedIndex = disk.checkpoint.index;
    this.core = new RaftCore(this.options, {
      hardState: disk.hardState,
      configuration: disk.checkpoint.configuration,
      snapshotIndex: disk.base.index,
      snapshotTerm: disk.base.term,
      snapshotStampMs: disk.base.stampMs,
      entries: [...disk.entries],
      appliedIndex: disk.checkpoint.index,
    });
    this.core.step({ kind: 'tick', nowMs: this.nowMs });
    this.#shown = showRole(this.core.status());
    return this.core;
  }

  /** Steps one input, and says what came of it. */
  step(input: Input, send: (to: NodeId, message: Outputs['send'][number]['message']) => void): void {
    this.core.step(input);
    this.drain(send);
  }

  drain(send: (to: NodeId, message: Outputs['send'][number]['message']) => void): void {
    for (;;) {
      const holdWrite = this.writes.length > 0;
      const outputs = this.core.hasOutputs({ holdWrite }) ? this.core.takeOutputs({ holdWrite }) : null;
      if (outputs !== null) this.#keep(outputs, send);
      for (const { send: each } of this.#waiting.filter(({ seq }) => seq <= this.#doneSeq)) send(each.to, each.message);
      this.#waiting = this.#waiting.filter(({ seq }) => seq > this.#doneSeq);
      if (outputs === null) return;
      for (const { peer, fromIndex } of outputs.readLog) this.#answerRead(peer, fromIndex);
    }
  }

  #keep(outputs: Outputs, send: (to: NodeId, message: Outputs['send'][number]['message']) => void): void {
    for (const { to, message } of outputs.send) send(to, message);
    this.#waiting.push(...outputs.sendAfterWrite);
    if (outputs.write !== null) this.#begin(outputs.write);
    this.#tell(outputs);
    if (!this.manualDisk) while (this.writes.length > 0) this.finishWrite();
  }

  /** The oldest write becomes durable. */
  finishWrite(): void {
    const write = this.writes.shift();
    if (write === undefined) throw new Error('no write in flight');
    this.disk.store(write);
    this.#doneSeq = write.seq;
    this.core.step({ kind: 'writeDone', seq: write.seq });
  }

  #begin(write: Write): void {
    this.writes.push(write);
    if (!this.manualDisk) return;
    const { entries, hardState } = write;
    const state = hardState === null ? [] : [`term ${hardState.term}, vote ${hardState.vote ?? 'none'}`];
    this.#say(`begins to write ${[...state, ...(entries.length > 0 ? [showEntries(entries)] : [])].join(' and ')}`);
  }

  #tell(outputs: Outputs): void {
    if (outputs.status !== null && showRole(outputs.status) !== this.#shown) {
      this.#shown = showRole(outputs.status);
      this.#say(this.#shown);
    }
    if (outputs.committed.length > 0) {
      this.#say(`applies ${showEntries(outputs.committed)}`);
      this.appliedIndex = outputs.committed.at(-1)?.index as number;
      this.core.step({ kind: 'applied', index: this.appliedIndex });
    }
    for (const { id, index } of outputs.reads) this.#say(`read ${id} is served at ${index}`);
    for (const id of outputs.failedReads) this.#say(`read ${id} fails`);
    for (const { peer, fromIndex } of outputs.readLog) this.#say(`fetches old entries from ${fromIndex} for ${peer}`);
    for (const { peer, minIndex } of outputs.sendSnapshot ?? []) {
      this.#say(`${peer} needs a snapshot that reaches ${minIndex}`);
    }
    for (const result of outputs.membershipResults ?? []) this.#say(showResult(result));
  }

  #answerRead(peer: NodeId, fromIndex: number): void {
    const { disk } = this;
    const prevTerm = disk.termAt(fromIndex - 1);
    const entries = prevTerm === undefined ? [] : disk.entries.slice(fromIndex - disk.base.index - 1);
    this.core.step({ kind: 'logRead', peer, prevIndex: fromIndex - 1, prevTerm: prevTerm ?? 0, entries });
  }
}
