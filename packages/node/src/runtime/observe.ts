import type { Broker } from '@quorate/broker';
import { members, type Status } from '@quorate/consensus';
import type { LabelledCells, Metrics } from '../metrics/index.ts';
import type { PeerCounters } from '../transport/index.ts';

export interface Observed {
  readonly broker: Broker;
  readonly status: () => Status;
  readonly peers: PeerCounters;
  readonly connectedPeers: () => readonly string[];
}

/** Copies what the parts of a node count into its metrics, at each scrape. */
export function observe(metrics: Metrics, sources: Observed): void {
  const { broker, peers } = sources;
  metrics.onScrape(() => {
    const { state } = broker.machine;
    const { counters } = broker;
    const now = sources.status();
    metrics.connections.value = broker.connectionCount;
    metrics.connectionsTotal.value = counters.connectionsTotal;
    metrics.takeovers.value = counters.takeoversTotal;
    metrics.sessions.value = state.sessions.size;
    metrics.subscriptions.value = state.subscriptions.size;
    metrics.retainedMessages.value = state.retained.size;
    observeBounds(metrics, broker);
    for (const qos of [0, 1, 2] as const) {
      metrics.messagesReceived[qos].value = counters.received[qos];
      metrics.messagesSent[qos].value = counters.sent[qos];
    }
    copy(metrics.messagesDropped, counters.dropped);
    copy(metrics.connectsRefused, counters.connectsRefused);
    copy(metrics.disconnects, counters.disconnects);
    copy(metrics.protocolErrors, counters.protocolErrors);
    copy(metrics.authorizationDenied, counters.denied);
    metrics.serving.value = broker.serving ? 1 : 0;
    metrics.raftTerm.value = now.term;
    metrics.raftIsLeader.value = now.role === 'leader' ? 1 : 0;
    metrics.raftCommitIndex.value = now.commitIndex;
    metrics.raftAppliedIndex.value = state.appliedIndex;
    metrics.unappliedProposalBytes.value = broker.proposer.unappliedBytes;
    metrics.peerBytes.set('in', peers.bytesIn);
    metrics.peerBytes.set('out', peers.bytesOut);
    const connected = sources.connectedPeers();
    for (const id of [...members(now.configuration), ...connected]) {
      if (id !== broker.nodeId) metrics.peerConnected.set(id, connected.includes(id) ? 1 : 0);
    }
  });
}

function observeBounds(metrics: Metrics, { bounds, counters, machine }: Broker): void {
  const { admission, pacer, memory } = bounds;
  metrics.connectionsPending.value = admission.pendingCount;
  metrics.addressesRemembered.value = admission.addressCount;
  copy(metrics.subscriptionsRefused, counters.subscriptionsRefused);
  metrics.retainedBytes.value = machine.state.retained.sizeBytes;
  metrics.publishersHeldNow.value = pacer.heldCount;
  copy(metrics.publishersHeld, counters.publishersHeld);
  metrics.publishersHeldSeconds.value = counters.heldMs / 1000;
  metrics.memoryHigh.value = memory.isShort ? 1 : 0;
  metrics.memoryHighTotal.value = memory.reachedTotal;
  metrics.memoryShare.value = memory.share;
}

function copy(cells: LabelledCells, counts: ReadonlyMap<string, number>): void {
  for (const [label, count] of counts) cells.set(label, count);
}
