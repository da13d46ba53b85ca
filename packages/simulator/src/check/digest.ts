import type { Message, Session, State } from '@quorate/broker';

/** Everything that nodes must agree on, as text, one record per line and in an order that does not depend on history. */
export function describeState(state: State): string {
  const lines: string[] = [
    `now ${state.nowMs} index ${state.appliedIndex} term ${state.appliedTerm} cluster ${state.clusterId}`,
    `next epoch ${state.nextEpoch} session ${state.nextSessionNumber} message ${state.nextMessageId}`,
    `shared ${state.sharedStrategy}`,
    `limits ${JSON.stringify(state.limits)} full queue ${state.fullQueuePolicy}`,
  ];
  for (const id of [...state.nodes.keys()].sort()) lines.push(`node ${JSON.stringify(state.nodes.get(id))}`);
  for (const id of [...state.members.keys()].sort()) lines.push(`member ${JSON.stringify(state.members.get(id))}`);
  for (const id of [...state.sessions.keys()].sort()) {
    const session = state.sessions.get(id);
    if (session !== undefined) describeSession(session, lines);
  }
  for (const { number, name, last, queue } of state.groups.values()) {
    lines.push(`group ${number} ${name} last ${last}`);
    for (const message of queue) lines.push(`  keeps ${describeMessage(message)}`);
  }
  const retained: Message[] = [];
  for (const filter of ['#', '$SYS/#']) state.retained.match(filter, (message) => retained.push(message));
  retained.sort((a, b) => (a.topic < b.topic ? -1 : 1));
  for (const message of retained) lines.push(`retained ${describeMessage(message)}`);
  return lines.join('\n');
}

function describeSession(session: Session, lines: string[]): void {
  const { number, clientId, epoch, owner, protocolVersion, expiryIntervalSec, receiveMaximum } = session;
  const { expiresAtMs, willAtMs, maybeSentBefore, will, tracked: queue, ledger, held } = session;
  lines.push(
    `session ${clientId} number ${number} epoch ${epoch} owner ${owner} version ${protocolVersion} expiry ${expiryIntervalSec} ` +
      `at ${expiresAtMs} receive ${receiveMaximum} will at ${willAtMs} sent ${maybeSentBefore} held ${held}`,
  );
  if (will !== null)
    lines.push(`  will ${will.topic} ${will.qos} ${will.retain} ${will.delayIntervalSec} ${text(will.payload)}`);
  for (const filter of [...session.subscriptions.keys()].sort()) {
    lines.push(`  subscription ${JSON.stringify(session.subscriptions.get(filter))}`);
  }
  if (session.incoming.size > 0) lines.push(`  incoming ${[...session.incoming].sort((a, b) => a - b).join()}`);
  if (queue === null) return;
  lines.push(
    `  ${ledger === null ? 'queue' : 'ledger'} ${queue.headSequence} to ${queue.nextSequence}, ${queue.count} of ${queue.sizeBytes} bytes`,
  );
  for (let sequence = queue.headSequence; sequence < queue.nextSequence; sequence++) {
    const item = queue.get(sequence);
    if (item === null) continue;
    const { qos, retain, state, subscriptionIdentifiers, message, share } = item;
    lines.push(
      `  ${sequence} ${qos} ${retain} ${state} ${subscriptionIdentifiers?.join() ?? ''} ${share} ${describeMessage(message)}`,
    );
  }
}

function describeMessage(message: Message): string {
  const { id, topic, qos, retain, expiresAtMs, payload, publisherHash } = message;
  return `${id} ${topic} ${qos} ${retain} ${expiresAtMs} ${publisherHash} ${text(payload)}`;
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

/** The first lines in which two descriptions differ. */
export function firstDifference(a: string, b: string): string {
  const left = a.split('\n');
  const right = b.split('\n');
  const at = left.findIndex((line, index) => line !== right[index]);
  return `${left[at] ?? '(nothing)'}\n  instead of\n${right[at] ?? '(nothing)'}`;
}
