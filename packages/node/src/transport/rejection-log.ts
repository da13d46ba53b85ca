import type { NodeId } from '@quorate/consensus';
import type { PeerTransportOptions } from './types.ts';

/** Names are claims of strangers: no more of them are remembered than this. */
const MAX_REMEMBERED = 256;

/** Reports a refused handshake once per cause, however often the same node tries again. */
export class RejectionLog {
  private readonly options: PeerTransportOptions;
  private readonly known = new Map<string, string>();

  constructor(options: PeerTransportOptions) {
    this.options = options;
  }

  /** @param by the node that refuses: this one, or the peer */
  add(peer: NodeId, by: NodeId, code: string, reason: string): void {
    const { counters, logger, handlers, nodeId } = this.options;
    counters.rejections++;
    const who = by === nodeId ? `this node refuses ${peer}` : `${by} refuses this node`;
    const key = `${by}\n${peer}`;
    const cause = `${code}\n${reason}`;
    if (this.known.get(key) === cause) {
      logger.debug({ peer, code }, `${who} again: ${reason}`);
      return;
    }
    if (this.known.size >= MAX_REMEMBERED) this.known.clear();
    this.known.set(key, cause);
    logger.warn({ peer, code }, `${who}: ${reason}`);
    handlers.onRejected(peer, code, reason);
  }
}
