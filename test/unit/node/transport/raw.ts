import net from 'node:net';
import {
  decodeHello,
  encodeHello,
  encodeHelloReply,
  encodeNodeMessage,
  encodePing,
  type Frame,
  FrameReader,
  type Hello,
} from '@quorate/protocol';
import { bytesOf, hello } from '../../protocol/peer/support.ts';
import type { TestNode } from './support.ts';

/** Opens a connection to the node and writes. What comes back is thrown away. */
export function dial(node: TestNode, bytes: Buffer): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(node.address.port, '127.0.0.1', () => {
      socket.write(bytes);
      resolve(socket);
    });
    socket.on('error', reject);
    socket.resume();
  });
}

export function closed(socket: net.Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.destroyed) resolve();
    socket.on('error', () => undefined);
    socket.once('close', () => {
      resolve();
    });
  });
}

/** A connection that a {@link RawPeer} has accepted. */
export interface Accepted {
  readonly socket: net.Socket;
  readonly hello: Hello;
  readonly frames: Frame[];
}

/** A peer played by the test, frame by frame. */
export interface RawPeer {
  readonly port: number;
  /** What it says of itself; may be changed. */
  own: Hello;
  /** Connections that the node has opened, hello heard and answered. */
  readonly accepted: Accepted[];
  /** Opens a connection to the node and says hello. */
  call(changes?: Partial<Hello>): Promise<net.Socket>;
  destroy(): void;
}

/**
 * Listens, and answers every hello with its own.
 *
 * @param onAccepted called with every connection whose hello was answered
 */
export async function rawPeer(
  node: TestNode,
  own: Partial<Hello>,
  onAccepted: (accepted: Accepted) => void = () => undefined,
): Promise<RawPeer> {
  const sockets: net.Socket[] = [];
  const server = net.createServer((socket) => {
    const reader = new FrameReader({ maxFrameBytes: 1 << 26 });
    let connection: Accepted | null = null;
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      reader.push(chunk, (frame) => {
        if (connection !== null) connection.frames.push(frame);
        else {
          connection = { socket, hello: decodeHello(frame), frames: [] };
          socket.write(bytesOf(encodeHelloReply({ rejection: null, hello: peer.own })));
          peer.accepted.push(connection);
          onAccepted(connection);
        }
        return true;
      });
    });
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve((server.address() as net.AddressInfo).port);
    });
  });
  const peer: RawPeer = {
    port,
    own: { ...hello, clusterId: '', ...own },
    accepted: [],
    call: async (changes = {}) => {
      const socket = await dial(node, bytesOf(encodeHello({ ...peer.own, ...changes })));
      socket.on('error', () => undefined);
      sockets.push(socket);
      return socket;
    },
    destroy: () => {
      server.close();
      for (const each of sockets) each.destroy();
    },
  };
  return peer;
}

/** A peer that shakes hands in both directions and then neither reads nor writes. */
export async function stuckPeer(node: TestNode, id: string): Promise<{ finish: () => void; destroy: () => void }> {
  const peer = await rawPeer(node, { nodeId: id }, ({ socket }) => {
    socket.pause();
  });
  node.transport.setPeer(id, [{ host: '127.0.0.1', port: peer.port }]);
  const socket = await peer.call();
  socket.write(Buffer.concat([encodePing(), encodeNodeMessage(1, [])].map(bytesOf)));
  return {
    finish: () => peer.accepted[0]?.socket.end(),
    destroy: peer.destroy,
  };
}
