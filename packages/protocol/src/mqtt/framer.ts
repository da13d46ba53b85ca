import { ProtocolError } from './errors.ts';

const EMPTY = Buffer.alloc(0);
/** What a packet that spans chunks gets to begin with, bytes. From there its buffer doubles. */
const INITIAL_ASSEMBLY_SIZE_BYTES = 1024;

/**
 * Cuts a byte stream into MQTT control packets (MQTT 5.0 section 2.1).
 *
 * A packet that lies whole in one chunk is a view of that chunk. One that spans chunks is gathered in a buffer of its own
 * that doubles with what has arrived and is not sized by what was announced: linear cost, and a client that announces much
 * and sends little holds little. Held are at most one packet and one chunk. No buffer is ever written again after its packet was handed out, so views of it
 * stay valid; they keep the whole chunk alive, so whoever stores a payload copies it.
 *
 * Use: `push` a chunk, then `next` until it is false. Chunks pushed before the earlier ones are used up are queued; a
 * caller that leaves packets waiting stops reading from the socket ({@link bufferedBytes} tells how much waits).
 */
export class PacketFramer {
  /**
   * Largest packet taken, fixed header included (the 5.0 Maximum Packet Size counts so), in bytes. May be changed between
   * packets: small until a client is authenticated.
   */
  maxPacketSizeBytes: number;
  /** First byte of the current packet: type and flags. */
  header = 0;
  /** The current packet's body is buffer[start .. end): all after the fixed header. Valid until `next` is called again. */
  buffer: Buffer = EMPTY;
  start = 0;
  end = 0;

  private chunk: Buffer = EMPTY;
  private position = 0;
  private queue: Buffer[] = [];
  private queuedBytes = 0;

  /** The packet being read: its fixed header so far (0 bytes seen = between packets), then its body. */
  private fixedHeaderBytes = 0;
  private firstByte = 0;
  private remainingLength = 0;
  private lengthKnown = false;
  /** Body bytes that came in earlier chunks: assembly[0 .. assembled). */
  private assembly: Buffer | null = null;
  private assembled = 0;
  private failure: ProtocolError | null = null;

  constructor(maxPacketSizeBytes: number) {
    if (!(maxPacketSizeBytes >= 2))
      throw new RangeError(`maxPacketSizeBytes must be at least 2, is ${maxPacketSizeBytes}`);
    this.maxPacketSizeBytes = maxPacketSizeBytes;
  }

  /** Takes the next bytes of the stream. The chunk belongs to the framer from now on and must not be written again. */
  push(chunk: Buffer): void {
    if (this.failure !== null || chunk.length === 0) return;
    if (this.position === this.chunk.length && this.queue.length === 0) {
      this.chunk = chunk;
      this.position = 0;
      return;
    }
    this.queue.push(chunk);
    this.queuedBytes += chunk.length;
  }

  /** Bytes taken by `push` and not yet handed out: queued chunks and the packet that is still incomplete. */
  get bufferedBytes(): number {
    const partial = this.fixedHeaderBytes + this.assembled;
    return this.chunk.length - this.position + this.queuedBytes + partial;
  }

  /**
   * Moves to the next whole packet; false when there is none yet.
   * @throws ProtocolError INVALID_REMAINING_LENGTH, PACKET_TOO_LARGE (before any of the body has arrived); from then on always the same
   */
  next(): boolean {
    if (this.failure !== null) throw this.failure;
    for (;;) {
      if (!this.lengthKnown) this.readFixedHeader();
      if (this.lengthKnown && this.takeBody()) return true;
      const chunk = this.queue.shift();
      if (chunk === undefined) {
        // Used up: an idle connection must not keep the last chunk alive.
        this.chunk = this.buffer = EMPTY;
        this.position = this.start = this.end = 0;
        return false;
      }
      this.queuedBytes -= chunk.length;
      this.chunk = chunk;
      this.position = 0;
    }
  }

  /** Reads as much of the fixed header as the chunk has: the first byte and up to four of remaining length (section 2.1.4). */
  private readFixedHeader(): void {
    const chunk = this.chunk;
    let position = this.position;
    let seen = this.fixedHeaderBytes;
    if (seen === 0 && position < chunk.length) {
      this.firstByte = chunk[position++]!;
      this.remainingLength = 0;
      seen = 1;
    }
    while (position < chunk.length) {
      const byte = chunk[position++]!;
      this.remainingLength |= (byte & 0x7f) << (7 * (seen - 1));
      seen++;
      if ((byte & 0x80) === 0) {
        if (byte === 0 && seen > 2) this.fail(new ProtocolError('INVALID_REMAINING_LENGTH'));
        this.lengthKnown = true;
        break;
      }
      if (seen === 5) this.fail(new ProtocolError('INVALID_REMAINING_LENGTH'));
    }
    this.position = position;
    this.fixedHeaderBytes = seen;
    if (this.lengthKnown && seen + this.remainingLength > this.maxPacketSizeBytes) {
      const sizes = `${seen + this.remainingLength} of at most ${this.maxPacketSizeBytes} bytes`;
      this.fail(new ProtocolError('PACKET_TOO_LARGE', sizes));
    }
  }

  /** True when the body is whole and handed out; otherwise what there is of it has been put aside. */
  private takeBody(): boolean {
    const missing = this.remainingLength - this.assembled;
    const available = this.chunk.length - this.position;
    if (available < missing) {
      if (available > 0) this.assemble(available);
      return false;
    }
    if (this.assembly === null) {
      this.buffer = this.chunk;
      this.start = this.position;
      this.end = this.position += missing;
    } else {
      this.assemble(missing);
      this.buffer = this.assembly;
      this.start = 0;
      this.end = this.assembled;
      this.assembly = null;
      this.assembled = 0;
    }
    this.header = this.firstByte;
    this.fixedHeaderBytes = 0;
    this.lengthKnown = false;
    return true;
  }

  /** Copies the next `count` bytes of the chunk behind what is already gathered. */
  private assemble(count: number): void {
    const needed = this.assembled + count;
    let target = this.assembly;
    if (target === null || target.length < needed) {
      const size = Math.min(this.remainingLength, Math.max(INITIAL_ASSEMBLY_SIZE_BYTES, 2 * needed));
      const grown = Buffer.allocUnsafeSlow(size);
      target?.copy(grown, 0, 0, this.assembled);
      this.assembly = target = grown;
    }
    this.chunk.copy(target, this.assembled, this.position, this.position + count);
    this.position += count;
    this.assembled = needed;
  }

  private fail(failure: ProtocolError): never {
    this.failure = failure;
    this.chunk = this.buffer = EMPTY;
    this.position = this.start = this.end = 0;
    this.queue = [];
    this.queuedBytes = 0;
    this.fixedHeaderBytes = 0;
    throw failure;
  }
}
