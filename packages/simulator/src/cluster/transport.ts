import type { Message } from '@quorate/consensus';
import {
  checkHello,
  DirectoryMemory,
  type PeerHandlers,
  type SelfDescription,
  type Transport,
} from '@quorate/node/runtime';
import {
  ConnectionPurpose,
  decodeNodeMessage,
  decodeRaft,
  type EncodedFrame,
  encodeNodeMessage,
  encodeRaft,
  type Frame,
  FrameReader,
  type Hello,
  isRaftFrame,
  PEER_PROTOCOL_VERSION,
} from '@quorate/protocol';
import type { World } from '../world/world.ts';
import type { Endpoint, Network, Refused } from './network.ts';

/** How a transport reaches the node around it: as an event of that node, which a paused process sees later. */
export type Enter = (task: () => void) => void;

export interface SimulatedTransportOptions {
  readonly id: string;
  readonly world: World;
  readonly network: Network;
  readonly handlers: PeerHandlers;
  readonly describe: () => SelfDescription;
  /** Sorted member ids of this node's `cluster` setting, joined by commas. */
  readonly bootstrapMembers: string;
  /** HOST:PORT of a node. */
  readonly addressOf: (id: string) => string;
  /** Names this process and no other. */
  readonly session: string;
  readonly enter: Enter;
  readonly alive: () => boolean;
}

const MAX_FRAME_BYTES = 64 * 1024 * 1024;

/** PeerTransport's place: real frames through the real codec over the simulated network. */
export class SimulatedTransport implements Transport {
  readonly #options: SimulatedTransportOptions;
  /** With the addresses at which it is dialled. */
  readonly #peers = new Map<string, readonly string[]>();
  readonly #connected = new Map<string, Hello>();
  readonly #directories = new DirectoryMemory();
  readonly #rejected = new Set<string>();
  /** Between two frames a reader has nothing at hand, and the network brings whole ones. */
  readonly #reader = new FrameReader({ maxFrameBytes: MAX_FRAME_BYTES });
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

  sendBulk(to: string, channel: number, payload: Uint8Array | readonly Uint8Array[]): boolean {
    const { network, id } = this.#options;
    if (!this.#running || !this.#connected.has(to)) return false;
    return network.sendBulk(id, to, bytesOf(encodeNodeMessage(channel, payload)));
  }

  setPeer(id: string, addresses: readonly { readonly host: string; readonly port: number }[]): void {
    this.#peers.set(
      id,
      addresses.map(({ host, port }) => `${host}:${String(port)}`),
    );
    if (this.#running) this.#options.network.dial(this.#options.id, id);
  }

  removePeer(id: string): void {
    if (this.#peers.delete(id) && this.#running) this.#options.network.close(this.#options.id, id);
  }

  flush(): void {}

  connectedPeers(): string[] {
    return [...this.#connected.keys()];
  }

  /** What a connected peer said of itself. */
  helloOf(id: string): Hello | null {
    return this.#connected.get(id) ?? null;
  }

  #send(to: string, frame: EncodedFrame): boolean {
    const { network, id, handlers } = this.#options;
    if (this.#running && this.#connected.has(to) && network.send(id, to, bytesOf(frame))) return true;
    handlers.onUnreachable(to);
    return false;
  }

  #hello(): Hello {
    const { id, describe, bootstrapMembers, addressOf, session } = this.#options;
    return {
      ...describe(),
      protocolVersion: PEER_PROTOCOL_VERSION,
      nodeId: id,
      session,
      bootstrapMembers,
      peerAddress: addressOf(id),
      httpAddress: '',
      mqttAddress: '',
      purpose: ConnectionPurpose.main,
    };
  }

  /** As `PeerTransport.admit`, with `admitsUnknown` as `node.ts` has it. */
  #admit(theirs: Hello): Refused | null {
    const { id, describe } = this.#options;
    const rejection = checkHello(this.#hello(), theirs) ?? this.#directories.check(theirs);
    if (rejection !== null) return rejection;
    if (!this.#peers.has(theirs.nodeId)) {
      if (theirs.clusterId === '' && describe().clusterId === '') {
        return { code: 'UNKNOWN_NODE', reason: `${theirs.nodeId} is not among the peers that ${id} knows` };
      }
      this.#peers.set(theirs.nodeId, [theirs.peerAddress]);
    }
    this.#directories.remember(theirs);
    return null;
  }

  #endpoint(): Endpoint {
    const { id, alive, enter, handlers, addressOf } = this.#options;
    return {
      id,
      alive,
      dials: (peer) => this.#peers.get(peer)?.includes(addressOf(peer)) === true,
      hello: () => this.#hello(),
      admit: (hello) => this.#admit(hello),
      onRejected: (peer, { code, reason }) => {
        if (this.#rejected.has(`${peer} ${code}`)) return;
        this.#rejected.add(`${peer} ${code}`);
        enter(() => handlers.onRejected(peer, code, reason));
      },
      onOpen: (peer, hello) => {
        enter(() => {
          this.#rejected.clear();
          this.#connected.set(peer, hello);
          handlers.onConnected(peer, hello);
        });
      },
      onClosed: (peer) => {
        enter(() => {
          if (this.#connected.delete(peer)) handlers.onDisconnected(peer);
        });
      },
      onFrame: (peer, bytes, bulk) => {
        enter(() => {
          if (bulk) this.#options.world.settle();
          this.#receive(peer, bytes as Buffer);
        });
      },
    };
  }

  #receive(peer: string, bytes: Buffer): void {
    this.#reader.push(bytes, (frame) => {
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

function bytesOf(frame: EncodedFrame): Buffer {
  const { head, attachments } = frame;
  if (attachments.length > 0) return Buffer.concat([head, ...attachments], frame.sizeBytes);
  return Buffer.isBuffer(head) ? head : Buffer.from(head.buffer, head.byteOffset, head.byteLength);
}
