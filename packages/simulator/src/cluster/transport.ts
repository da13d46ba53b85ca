import type { Message } from '@quorate/consensus';
import type { PeerHandlers, Transport } from '@quorate/node/runtime';
import {
  decodeNodeMessage,
  decodeRaft,
  type EncodedFrame,
  encodeNodeMessage,
  encodeRaft,
  type Frame,
  FrameReader,
  isRaftFrame,
} from '@quorate/protocol';
import type { Endpoint, Network } from './network.ts';

/** How a transport reaches the node around it: as an event of that node, which a paused process sees later. */
export type Enter = (task: () => void) => void;

export interface SimulatedTransportOptions {
  readonly id: string;
  readonly network: Network;
  readonly handlers: PeerHandlers;
  readonly enter: Enter;
  readonly alive: () => boolean;
}

const MAX_FRAME_BYTES = 64 * 1024 * 1024;

/** PeerTransport's place: real frames through the real codec over the simulated network. */
export class SimulatedTransport implements Transport {
  readonly #options: SimulatedTransportOptions;
  readonly #connected = new Set<string>();
  #running = false;

  constructor(options: SimulatedTransportOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    this.#running = true;
    this.#options.network.attach(this.#endpoint());
  }

  async stop(): Promise<void> {
    this.kill();
  }

  /** The process is gone: nothing is said or heard any more. */
  kill(): void {
    if (!this.#running) return;
    this.#running = false;
    this.#connected.clear();
    this.#options.network.detach(this.#options.id);
  }

  sendRaft(to: string, message: Message): boolean {
    return this.#send(to, encodeRaft(message));
  }

  send(to: string, channel: number, payload: Uint8Array): boolean {
    return this.#send(to, encodeNodeMessage(channel, payload));
  }

  flush(): void {}

  connectedPeers(): string[] {
    return [...this.#connected];
  }

  #send(to: string, frame: EncodedFrame): boolean {
    const { network, id, handlers } = this.#options;
    if (this.#running && this.#connected.has(to) && network.send(id, to, bytesOf(frame))) return true;
    handlers.onUnreachable(to);
    return false;
  }

  #endpoint(): Endpoint {
    const { id, alive, enter, handlers } = this.#options;
    return {
      id,
      alive,
      onOpen: (peer) => {
        enter(() => {
          this.#connected.add(peer);
          handlers.onConnected(peer, HELLO);
        });
      },
      onClosed: (peer) => {
        enter(() => {
          if (this.#connected.delete(peer)) handlers.onDisconnected(peer);
        });
      },
      onFrame: (peer, bytes) => {
        enter(() => {
          if (this.#connected.has(peer)) this.#receive(peer, bytes as Buffer);
        });
      },
    };
  }

  #receive(peer: string, bytes: Buffer): void {
    const reader = new FrameReader({ maxFrameBytes: MAX_FRAME_BYTES });
    reader.push(bytes, (frame) => {
      this.#frame(peer, frame);
      return true;
    });
  }

  #frame(peer: string, frame: Frame): void {
    const { handlers } = this.#options;
    if (isRaftFrame(frame)) handlers.onRaft(peer, decodeRaft(frame));
    else {
      const { channel, payload } = decodeNodeMessage(frame);
      handlers.onNodeMessage(peer, channel, payload);
    }
  }
}

const HELLO = {
  protocolVersion: 1,
  clusterId: '',
  bootstrapMembers: '',
  nodeId: '',
  incarnation: '',
  session: '',
  httpAddress: '',
  mqttAddress: '',
} as const;

function bytesOf(frame: EncodedFrame): Buffer {
  if (frame.attachments.length === 0)
    return Buffer.from(frame.head.buffer, frame.head.byteOffset, frame.head.byteLength);
  return Buffer.concat([frame.head, ...frame.attachments], frame.sizeBytes);
}
