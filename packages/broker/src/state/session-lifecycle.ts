import type { Connect, Disconnect } from './commands.ts';
import { forgetDocument } from './documents.ts';
import { invariant } from './invariant.ts';
import { MessageQueue, PACKET_ID_SPAN } from './queue.ts';
import { route } from './routing.ts';
import { NEVER_EXPIRES, Session } from './session.ts';
import { connected, disconnecting, endOfStep, handOut, isShared, leave } from './sharing.ts';
import type { CommandResult, StateSink } from './sink.ts';
import type { State } from './state.ts';
import { TimerKind } from './timers.ts';

const OK: CommandResult = { kind: 'ok' };
const STALE: CommandResult = { kind: 'stale' };
const REFUSED: CommandResult = { kind: 'refused' };

/** CONNECT: creates, resumes or replaces the session and makes the proposing node's connection its owner. */
export function connect(state: State, sink: StateSink, nodeId: string, command: Connect): CommandResult {
  settleDue(state, sink, state.sessions.get(command.clientId));
  const epoch = state.nextEpoch++;
  let session = state.sessions.get(command.clientId);
  const previousOwner = session?.owner ?? null;
  if (session !== undefined) {
    state.changingSession(session);
    // Read before the connection is closed: a session without expiry ends with it, whatever the newcomer asks.
    const ends = command.cleanStart || (session.owner !== null && session.expiryIntervalSec === 0);
    if (session.owner !== null) {
      sink.ownershipLost(session, session.owner, session.epoch, 'takenOver', epoch, nodeId);
      disconnecting(state, sink, [session], !ends);
      closeConnection(state, session, false);
    }
    if (ends) {
      publishWill(state, sink, session);
      endSession(state, session);
      session = undefined;
    } else {
      // A will without delay is due although the client is back; a delayed one is not sent [MQTT-3.1.3-9].
      if (previousOwner !== null && session.will?.delayIntervalSec === 0) publishWill(state, sink, session);
      session.will = null;
      session.willAtMs = Number.POSITIVE_INFINITY;
      session.expiresAtMs = Number.POSITIVE_INFINITY;
    }
  }
  const sessionPresent = session !== undefined;
  if (session === undefined) {
    if (state.sessions.size >= state.limits.sessions) return REFUSED;
    session = new Session(state.nextSessionNumber++, command.clientId, epoch);
    state.addSession(session);
    if (command.sessionExpiryIntervalSec > 0) session.queue = new MessageQueue();
  }
  session.protocolVersion = command.protocolVersion;
  session.expiryIntervalSec = command.sessionExpiryIntervalSec;
  session.receiveMaximum = command.receiveMaximum;
  // The batch is as large as everything that its node gathered: do not keep it for a will.
  session.will = command.will === null ? null : { ...command.will, payload: new Uint8Array(command.will.payload) };
  state.setOwner(session, nodeId, epoch);
  connected(state, sink, session);
  return { kind: 'connected', session, sessionPresent, previousOwner };
}

/**
 * The network connection of the session's owner is gone; what follows from that is the caller's. `orderly`: the owner
 * says so itself, after everything that its client acknowledged. Else there may be acknowledgements that the state never
 * heard of, behind each of which the owner sent one message more: only the span of Packet Identifiers bounds those.
 */
function closeConnection(state: State, session: Session, orderly: boolean): void {
  state.clearOwner(session);
  const { queue } = session;
  if (queue === null) return;
  const sentBefore = orderly
    ? queue.endOfWindow(session.receiveMaximum)
    : Math.min(queue.nextSequence, queue.headSequence + PACKET_ID_SPAN);
  state.changingQueue(session);
  session.maybeSentBefore = Math.max(session.maybeSentBefore, sentBefore);
}

export function disconnect(state: State, sink: StateSink, command: Disconnect): CommandResult {
  const session = state.live.get(command.epoch);
  if (session === undefined) return STALE;
  state.changingSession(session);
  const { sessionExpiryIntervalSec } = command;
  // Zero in CONNECT stays zero (MQTT 5.0 section 3.14.2.2.2): nobody kept a queue for what comes after.
  if (sessionExpiryIntervalSec !== null && session.expiryIntervalSec > 0) {
    session.expiryIntervalSec = sessionExpiryIntervalSec;
  }
  if (!command.publishWill) session.will = null;
  dropConnection(state, sink, session, true);
  return OK;
}

/** After the connection: the session's end or its expiry, the will now or after its delay. */
function dropConnection(state: State, sink: StateSink, session: Session, orderly: boolean): void {
  disconnecting(state, sink, [session], false);
  closeConnection(state, session, orderly);
  const { will, expiryIntervalSec } = session;
  if (expiryIntervalSec === 0) {
    publishWill(state, sink, session);
    endSession(state, session);
    return;
  }
  if (will !== null) {
    if (will.delayIntervalSec === 0) publishWill(state, sink, session);
    else session.willAtMs = state.nowMs + will.delayIntervalSec * 1000;
  }
  if (expiryIntervalSec !== NEVER_EXPIRES) session.expiresAtMs = state.nowMs + expiryIntervalSec * 1000;
  state.armTimers(session);
}

function publishWill(state: State, sink: StateSink, session: Session): void {
  const { will } = session;
  state.changingSession(session);
  session.will = null;
  session.willAtMs = Number.POSITIVE_INFINITY;
  if (will !== null) route(state, sink, session, will);
}

function endSession(state: State, session: Session): void {
  invariant(session.owner === null, `session ${session.number} ends under its owner`);
  state.removingSession(session);
  state.effort += session.subscriptions.size + (session.tracked?.count ?? 0);
  state.sessions.delete(session.clientId);
  state.sessionsByNumber.delete(session.number);
  for (const filter of session.subscriptions.keys()) {
    if (isShared(filter)) leave(state, session, filter);
    else state.subscriptions.delete(session, filter);
  }
  const queue = session.tracked;
  if (queue !== null) {
    for (let sequence = queue.headSequence; sequence < queue.nextSequence; sequence++) {
      const item = queue.get(sequence);
      if (item !== null) state.release(item.message);
    }
  }
}

/** Every client of `nodeId` has lost its connection. Sessions in order of their numbers: wills must be in one order. */
export function dropConnectionsOf(state: State, sink: StateSink, nodeId: string): void {
  const owned = state.owned.get(nodeId);
  if (owned === undefined) return;
  const sessions = [...owned].sort((a, b) => a.number - b.number);
  // All at once: what one of them had must not be given to another.
  disconnecting(state, sink, sessions, false);
  for (const session of sessions) {
    sink.ownershipLost(session, nodeId, session.epoch, 'nodeDown', 0, null);
    dropConnection(state, sink, session, false);
  }
}

/** What is due is settled before a newcomer finds it: a reconnect must not cancel a will whose delay is over. */
function settleDue(state: State, sink: StateSink, session: Session | undefined): void {
  if (session === undefined) return;
  if (session.willAtMs <= state.nowMs) publishWill(state, sink, session);
  if (session.expiresAtMs > state.nowMs) return;
  publishWill(state, sink, session);
  endSession(state, session);
}

/**
 * Fires what is due at the cluster clock: delayed wills and session expiry in their order, then retained messages go,
 * then documents, then what share groups did not get to give out.
 * As much as `effortPerTick` allows: a hundred thousand sessions may expire in one moment, and every node stands still
 * while it applies. Timers that no longer hold cost no effort, since a restored node does not have them.
 */
export function fireTimers(state: State, sink: StateSink): void {
  const end = endOfStep(state);
  while (state.effort < end) {
    const timer = state.timers.popDue(state.nowMs);
    if (timer === null) break;
    const session = state.sessionsByNumber.get(timer.sessionNumber);
    if (session === undefined) continue;
    if (timer.kind === TimerKind.will) {
      if (session.willAtMs !== timer.dueMs) continue;
      publishWill(state, sink, session);
    } else {
      if (session.expiresAtMs !== timer.dueMs) continue;
      publishWill(state, sink, session);
      endSession(state, session);
    }
    state.effort++;
  }
  while (state.effort < end) {
    const topic = state.retained.firstExpired(state.nowMs);
    if (topic === null) break;
    state.changingRetained(topic);
    state.retained.delete(topic);
    state.effort += 2;
  }
  while (state.effort < end) {
    const document = state.documents.firstExpired(state.nowMs);
    if (document === null) break;
    forgetDocument(state, sink, document);
    state.effort++;
  }
  handOut(state, sink, end);
}
