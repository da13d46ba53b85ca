import { parseSharedFilter } from '@quorate/protocol';
import { invariant } from './invariant.ts';
import type { Session, Subscription } from './session.ts';
import { ShareQueue } from './share-queue.ts';

/** One session's part in a share group. */
export interface ShareMember {
  readonly session: Session;
  readonly subscription: Subscription;
  /** As a delivery carries them. */
  readonly identifiers: readonly number[] | null;
  /** Of the client id, for the hash strategies. */
  readonly hash: number;
}

/** All subscribers of one `$share/{group}/{filter}` (MQTT 5.0 section 4.8.2); see DESIGN.md, "Shared subscriptions". */
export class ShareGroup {
  /** From the counter of the sessions; never reused. */
  readonly number: number;
  /** The whole filter, as clients subscribe to it. */
  readonly name: string;
  /** What topics are matched with. */
  readonly filter: string;
  /** By session number. */
  readonly members = new Map<number, ShareMember>();
  /** Those whose client is connected, by session number. */
  readonly connected: ShareMember[] = [];
  /** Members with a granted QoS above 0: for them alone messages are kept. */
  queueing = 0;
  /** The session that was chosen last for a message in the log, connected or not; 0 before the first. */
  last = 0;
  /** The same for QoS 0 past the log. Scratch of the node that publishes, not replicated state. */
  lastLocal = 0;
  /** What no connected member had room for. */
  readonly queue = new ShareQueue();
  /** True once a checkpoint has handed it to the state store. */
  stored = false;

  constructor(number: number, name: string) {
    const parsed = parseSharedFilter(name);
    invariant(parsed !== null, `'${name}' is not the filter of a shared subscription`);
    this.number = number;
    this.name = name;
    this.filter = parsed.filter;
  }

  /** Takes a member in, or takes over what it changed of its subscription. */
  set(member: ShareMember): void {
    const { number } = member.session;
    const before = this.members.get(number);
    if (before !== undefined && before.subscription.qos > 0) this.queueing--;
    if (member.subscription.qos > 0) this.queueing++;
    this.members.set(number, member);
    if (member.session.owner !== null) this.connect(member);
  }

  delete(sessionNumber: number): void {
    this.disconnect(sessionNumber);
    if ((this.members.get(sessionNumber)?.subscription.qos ?? 0) > 0) this.queueing--;
    this.members.delete(sessionNumber);
  }

  connect(member: ShareMember): void {
    const { number } = member.session;
    const after = positionAfter(this.connected, number);
    if (this.connected[after - 1]?.session.number === number) this.connected[after - 1] = member;
    else this.connected.splice(after, 0, member);
  }

  disconnect(sessionNumber: number): void {
    const after = positionAfter(this.connected, sessionNumber);
    if (this.connected[after - 1]?.session.number === sessionNumber) this.connected.splice(after - 1, 1);
  }
}

/** How many of the members, which are in the order of their sessions, have a number of at most `sessionNumber`. */
export function positionAfter(members: readonly ShareMember[], sessionNumber: number): number {
  let low = 0;
  let high = members.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((members[middle] as ShareMember).session.number <= sessionNumber) low = middle + 1;
    else high = middle;
  }
  return low;
}
