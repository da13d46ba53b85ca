import { type BatchHeader, forEachBatch, readBatchHeader } from './batch.ts';
import { ByteReader } from './bytes.ts';
import { CommandType } from './command-frame.ts';
import * as commands from './commands.ts';
import { applyDocument } from './documents.ts';
import { InvariantError, invariant, NewerVersionError } from './invariant.ts';
import { readMember } from './member-commands.ts';
import { applyMember } from './members.ts';
import { begin, publish, pubrel, settle, subscribe, unsubscribe } from './session-commands.ts';
import { connect, disconnect, dropConnectionsOf, fireTimers } from './session-lifecycle.ts';
import { applySettings } from './settings.ts';
import { setSharedStrategy } from './sharing.ts';
import type { CommandResult, StateSink } from './sink.ts';
import { State } from './state.ts';

/** The part of a log entry that the state machine sees. */
export interface AppliedEntry {
  readonly index: number;
  readonly term: number;
  /** Cluster clock of the leader that appended it. */
  readonly stampMs: number;
  /** Batches, or empty for an entry without commands. */
  readonly data: Uint8Array;
}

const OK: CommandResult = { kind: 'ok' };

/**
 * The replicated state machine: pure. The same entries give the same state and the same calls of the sink on every
 * node; no clock, no randomness, no I/O.
 */
export class StateMachine {
  readonly state: State;
  readonly #sink: StateSink;
  readonly #reader = new ByteReader(new Uint8Array(0));

  constructor(sink: StateSink, state = new State()) {
    this.#sink = sink;
    this.state = state;
  }

  /** Applies the entry after the last one. Throws InvariantError when the log can not be what this version wrote. */
  apply(entry: AppliedEntry): void {
    const { state } = this;
    invariant(entry.index === state.appliedIndex + 1, `entry ${entry.index} after ${state.appliedIndex}`);
    invariant(entry.term >= state.appliedTerm, `term ${entry.term} after ${state.appliedTerm}`);
    invariant(Number.isSafeInteger(entry.stampMs), `stamp ${entry.stampMs} of entry ${entry.index}`);
    state.appliedIndex = entry.index;
    state.appliedTerm = entry.term;
    state.nowMs = Math.max(state.nowMs, entry.stampMs);
    if (entry.data.length > 0) forEachBatch(entry.data, (batch) => this.#applyBatch(batch, entry.term));
  }

  #applyBatch(batch: Buffer, term: number): void {
    const header = readBatchHeader(batch);
    const reader = this.#reader;
    reader.buffer = batch;
    reader.at = header.bodyOffset;
    reader.end = batch.length;
    const accepted = this.#accept(header, reader);
    this.#sink.batchBegin(header, accepted);
    if (accepted) {
      while (reader.at < batch.length) {
        const type = reader.u8();
        const next = reader.u32() + reader.at;
        if (next > batch.length) throw new InvariantError(`command ${type} ends beyond its batch`);
        reader.end = next;
        this.#sink.commandResult(header, this.#applyCommand(type, reader, header, term));
        reader.at = next;
        reader.end = batch.length;
      }
    }
    this.#sink.batchEnd(header, accepted);
  }

  /** Exactly once and in order: sequence n + 1 after n of the node's current incarnation, nothing else. */
  #accept(header: BatchHeader, reader: ByteReader): boolean {
    const known = this.state.nodes.get(header.nodeId);
    if (known !== undefined && header.incarnation === known.incarnation) {
      if (!known.up || header.sequence !== known.lastSequence + 1) return false;
      known.lastSequence = header.sequence;
      this.state.dirty.nodes.add(header.nodeId);
      return true;
    }
    // A record without a name means no node.
    if (header.nodeId === '') return false;
    // A new incarnation introduces itself: NodeUp is the first command of its first batch.
    const newer = known === undefined || header.incarnation > known.incarnation;
    return newer && header.sequence === 1 && reader.buffer[reader.at] === CommandType.nodeUp;
  }

  #applyCommand(type: number, reader: ByteReader, header: BatchHeader, term: number): CommandResult {
    const { state } = this;
    const sink = this.#sink;
    switch (type as CommandType) {
      case CommandType.publish:
        return publish(state, sink, commands.readPublish(reader));
      case CommandType.settle:
        return settle(state, sink, commands.readSettle(reader));
      case CommandType.pubrel:
        return pubrel(state, commands.readPubrel(reader));
      case CommandType.connect:
        return connect(state, sink, header.nodeId, commands.readConnect(reader));
      case CommandType.disconnect:
        return disconnect(state, sink, commands.readDisconnect(reader));
      case CommandType.subscribe:
        return subscribe(state, sink, commands.readSubscribe(reader));
      case CommandType.unsubscribe:
        return unsubscribe(state, sink, commands.readUnsubscribe(reader));
      case CommandType.nodeUp:
        return this.#nodeUp(header, commands.readNodeUp(reader));
      case CommandType.nodeDown:
        return this.#nodeDown(commands.readNodeDown(reader), term);
      case CommandType.tick:
        fireTimers(state, sink);
        return OK;
      case CommandType.checkpoint:
        fireTimers(state, sink);
        sink.checkpoint(commands.readCheckpoint(reader).compactIndex);
        return OK;
      case CommandType.clusterInit:
        return this.#clusterInit(commands.readClusterInit(reader));
      case CommandType.member:
        return applyMember(state, sink, readMember(reader), term);
      case CommandType.document:
        return applyDocument(state, sink, commands.readDocument(reader));
      case CommandType.sharedStrategy:
        setSharedStrategy(state, sink, commands.readSharedStrategy(reader));
        return OK;
      case CommandType.settings:
        applySettings(state, sink, commands.readSettings(reader));
        return OK;
      case CommandType.begin:
        return begin(state, sink, commands.readBegin(reader));
    }
    throw new NewerVersionError(`command type ${type}`);
  }

  #nodeUp(header: BatchHeader, command: commands.NodeUp): CommandResult {
    const { nodeId, incarnation, sequence } = header;
    const { state } = this;
    dropConnectionsOf(state, this.#sink, nodeId);
    state.nodes.set(nodeId, { nodeId, incarnation, lastSequence: sequence, up: true, ...command });
    state.dirty.nodes.add(nodeId);
    this.#sink.nodeChanged(nodeId, incarnation, true);
    return OK;
  }

  #nodeDown(command: commands.NodeDown, term: number): CommandResult {
    const { state } = this;
    const known = state.nodes.get(command.nodeId);
    const holds = known?.up === true && known.incarnation === command.incarnation && command.term === term;
    if (!holds) return { kind: 'stale' };
    known.up = false;
    state.dirty.nodes.add(command.nodeId);
    dropConnectionsOf(state, this.#sink, command.nodeId);
    this.#sink.nodeChanged(command.nodeId, command.incarnation, false);
    return OK;
  }

  #clusterInit(clusterId: string): CommandResult {
    if (this.state.clusterId === null && clusterId !== '') {
      this.state.clusterId = clusterId;
      this.#sink.clusterNamed(clusterId);
    }
    return OK;
  }
}
