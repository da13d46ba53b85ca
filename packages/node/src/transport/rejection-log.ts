import type { NodeId } from '@quorate/consensus';
import type { PeerTransportOptions } from './types.ts';

/** Names are claims of strangers: no more of them are remembered than this. */
const MAX_REMEMBERED = 256;

/** Reports a refused handshake once per cause, however often the same node tries again, at however many addresses. */
export class RejectionLog {
  private readonly options: PeerTransportOptions;
  /** Causes that were reported, by peer. */
  private readonly known = new Map<NodeId, Set<string>>();
  private size = 0;

  constructor(options: PeerTransportOptions) {
    this.options = options;
  }

  /** @param by the node that refuses: this one, or the peer */
  add(peer: NodeId, by: NodeId, code: string, reason: string): void {
    const { counters, logger, handlers, nodeId } = this.options;
    counters.rejections++;
    const who = by === nodeId ? `this node refuses ${peer}` : `${by} refuses this node`;
    if (this.isKnown(peer, `${by}\n${code}\n${reason}`)) {
      logger.debug({ peer, code }, `${who} again: ${reason}`);
      return;
    }
    logger.warn({ peer, code }, `${who}: ${reason}`);
    handlers.onRejected(peer, code, reason);
  }

  /** The peer is connected: what kept it away is over, and worth a report when it comes again. */
  forget(peer: NodeId): void {
    this.size -= this.known.get(peer)?.size ?? 0;
    this.known.delete(peer);
  }

  private isKnown(peer: NodeId, cause: string): boolean {
    if (this.known.get(peer)?.has(cause) === true) return true;
    if (this.size >= MAX_REMEMBERED) {
      this.known.clear();
      this.size = 0;
    }
    const causes = this.known.get(peer) ?? new Set<string>();
    this.known.set(peer, causes.add(cause));
    this.size++;
    return false;
  }
}
