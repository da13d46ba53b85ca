import type { ClientSocket, Connection } from '@quorate/broker';
import type { Rng } from '../world/random.ts';
import type { World } from '../world/world.ts';

/** The client's end. */
export interface ClientEnd {
  readonly name: string;
  onData(bytes: Buffer): void;
  /** The server closed, or the connection broke. Once. */
  onClosed(): void;
}

/** The server's surroundings: its process, and who watches what it says. */
export interface ServerEnd {
  readonly nodeId: string;
  readonly enter: (task: () => void) => void;
  readonly wrote: (wire: Wire, bytes: Buffer) => void;
}

export interface WireProfile {
  readonly fastestMs: number;
  readonly slowestMs: number;
  /** Bytes on their way to the client beyond which the server's socket counts them as buffered. */
  readonly kernelBytes: number;
}

/** One stream: bytes arrive in order, in pieces. */
interface Stream {
  lastArrivalMs: number;
  /** Arrivals that wait because the way is stalled or the receiver does not read. */
  readonly held: (() => void)[];
}

const MAX_PIECES = 3;

/**
 * A client's TCP connection to a node, both ends of it. It may deliver in pieces, stall, break with everything under way lost, or
 * vanish so that the server does not see that the client is gone.
 */
export class Wire implements ClientSocket {
  readonly remoteAddress: string;
  readonly peerCertificate = null;
  readonly serverEnd: ServerEnd;
  /** The node's side of it. Set right after the node has accepted it. */
  connection: Connection | null = null;
  readonly #client: ClientEnd;
  readonly #world: World;
  readonly #rng: Rng;
  readonly #profile: WireProfile;
  readonly #up: Stream = { lastArrivalMs: 0, held: [] };
  readonly #down: Stream = { lastArrivalMs: 0, held: [] };
  /** When the server's side was closed, if it was. */
  serverClosedMs = Number.POSITIVE_INFINITY;
  #stalled = false;
  #serverReads = true;
  #serverOpen = true;
  #clientOpen = true;
  #inFlightBytes = 0;

  constructor(world: World, rng: Rng, profile: WireProfile, client: ClientEnd, serverEnd: ServerEnd) {
    this.#world = world;
    this.#rng = rng;
    this.#profile = profile;
    this.#client = client;
    this.serverEnd = serverEnd;
    this.remoteAddress = client.name;
  }

  get clientName(): string {
    return this.#client.name;
  }

  // What the broker uses.

  get bufferedBytes(): number {
    return Math.max(0, this.#inFlightBytes - this.#profile.kernelBytes);
  }

  write(bytes: Buffer): void {
    if (!this.#serverOpen) return;
    this.serverEnd.wrote(this, bytes);
    if (!this.#clientOpen) return;
    this.#inFlightBytes += bytes.length;
    for (const piece of this.#pieces(bytes)) {
      this.#travel(this.#down, () => {
        const before = this.bufferedBytes;
        this.#inFlightBytes -= piece.length;
        if (this.#clientOpen) this.#client.onData(piece);
        if (before > 0 && this.bufferedBytes === 0) this.#enter(() => this.connection?.drained());
      });
    }
  }

  pause(): void {
    this.#serverReads = false;
  }

  resume(): void {
    if (this.#serverReads) return;
    this.#serverReads = true;
    this.#release(this.#up);
  }

  end(): void {
    if (!this.#serverOpen) return;
    this.#closeServer();
    this.#travel(this.#down, () => this.#clientSeesEnd());
  }

  destroy(): void {
    this.end();
  }

  // What the client uses.

  send(bytes: Buffer): void {
    if (!this.#clientOpen) return;
    for (const piece of this.#pieces(bytes)) {
      this.#travel(this.#up, () => {
        if (this.#serverOpen) this.connection?.receive(piece);
      });
    }
  }

  /** The client goes; what it sent before still arrives. */
  close(): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    this.#stalled = false;
    // A server that does not read does not see the end of the stream behind what it has not read, but it sees a reset.
    this.#serverReads = true;
    this.#release(this.#up);
    this.#travel(this.#up, () => this.#serverSeesEnd());
  }

  /** A reset: both ends see it, what is under way is lost. */
  break(): void {
    if (this.#clientOpen) {
      this.#clientOpen = false;
      this.#world.after(this.#rng.between(0.1, 5), () => this.#client.onClosed());
    }
    this.#world.after(this.#rng.between(0.1, 5), () => this.#enter(() => this.#serverSeesEnd()));
    this.#lose();
  }

  /** The client is gone and the server is not told: no FIN, no RST. */
  vanish(): void {
    this.#clientOpen = false;
    this.#lose();
  }

  /** Nothing gets through in either direction, until `unstall`. */
  stall(): void {
    this.#stalled = true;
  }

  unstall(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    this.#release(this.#up);
    this.#release(this.#down);
  }

  /** The node's process is gone. With `silently` the client is not told either. */
  serverDied(silently: boolean): void {
    this.#closeServer();
    if (silently || !this.#clientOpen) return;
    this.#travel(this.#down, () => this.#clientSeesEnd());
  }

  #closeServer(): void {
    if (!this.#serverOpen) return;
    this.#serverOpen = false;
    this.serverClosedMs = this.#world.nowMs;
  }

  #clientSeesEnd(): void {
    if (!this.#clientOpen) return;
    this.#clientOpen = false;
    this.#client.onClosed();
    this.#travel(this.#up, () => this.#serverSeesEnd());
  }

  #serverSeesEnd(): void {
    this.#closeServer();
    this.connection?.socketClosed();
  }

  #lose(): void {
    this.#up.held.length = 0;
    this.#down.held.length = 0;
    this.#inFlightBytes = 0;
    this.#up.lastArrivalMs = Number.POSITIVE_INFINITY;
    this.#down.lastArrivalMs = Number.POSITIVE_INFINITY;
  }

  #pieces(bytes: Buffer): Buffer[] {
    if (bytes.length < 2 || !this.#rng.chance(0.2)) return [bytes];
    const cuts = [0, bytes.length];
    for (let i = 1 + this.#rng.below(MAX_PIECES - 1); i > 0; i--) cuts.push(this.#rng.below(bytes.length));
    cuts.sort((a, b) => a - b);
    const pieces: Buffer[] = [];
    for (let i = 1; i < cuts.length; i++) {
      const piece = bytes.subarray(cuts[i - 1], cuts[i]);
      if (piece.length > 0) pieces.push(piece);
    }
    return pieces;
  }

  #travel(stream: Stream, arrive: () => void): void {
    const { fastestMs, slowestMs } = this.#profile;
    stream.lastArrivalMs = Math.max(stream.lastArrivalMs, this.#world.nowMs + this.#rng.skewed(fastestMs, slowestMs));
    if (stream.lastArrivalMs === Number.POSITIVE_INFINITY) return;
    this.#world.at(stream.lastArrivalMs, () => {
      if (stream.lastArrivalMs === Number.POSITIVE_INFINITY) return;
      stream.held.push(arrive);
      this.#release(stream);
    });
  }

  #release(stream: Stream): void {
    if (this.#stalled) return;
    if (stream === this.#down) {
      for (let arrive = stream.held.shift(); arrive !== undefined; arrive = stream.held.shift()) arrive();
      return;
    }
    // One event of the node per arrival; a server that stops reading in between keeps the rest waiting.
    if (stream.held.length > 0) this.#enter(() => this.#deliverUp());
  }

  #deliverUp(): void {
    while (this.#serverReads && !this.#stalled) {
      const arrive = this.#up.held.shift();
      if (arrive === undefined) return;
      arrive();
    }
  }

  #enter(task: () => void): void {
    this.serverEnd.enter(task);
  }
}
