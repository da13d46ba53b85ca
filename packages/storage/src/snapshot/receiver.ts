import { asBuffer } from '../bytes.ts';
import { decodeChecked, encodeChecked } from '../directory/checked-json.ts';
import { StorageError } from '../errors.ts';
import type { Folder, FolderWriter } from '../folder/folder.ts';
import { FOOTER_BYTES, PREAMBLE_BYTES } from './format.ts';
import { SnapshotFile } from './reader.ts';
import type { SnapshotInfo, SnapshotReceiver, StepHook } from './types.ts';
import { SYNC_EVERY_BYTES } from './writer.ts';

const PART = 'incoming.part';
const OFFER = 'incoming.json';
const OFFER_FORMAT = 1;
const MAX_OFFER_BYTES = 1 << 20;
const ID = /^[0-9a-f]{32}$/;

export interface ReceiverOptions {
  readonly folder: Folder;
  readonly maxBytes: number;
  readonly onStep: StepHook;
  /** Opens a whole snapshot; null when it is not there. */
  readonly find: (id: string) => Promise<SnapshotFile | null>;
  /** Puts a verified file among the whole ones. */
  readonly keep: (name: string, info: SnapshotInfo) => Promise<void>;
}

/** What is coming in. `file` is null when all of it is here and among the whole snapshots already. */
interface Incoming {
  readonly offer: SnapshotInfo;
  readonly file: FolderWriter | null;
  syncedBytes: number;
}

/** One incoming file and a note of what it is to become. Nothing else is touched before `finish` has verified it. */
export class FolderSnapshotReceiver implements SnapshotReceiver {
  readonly #options: ReceiverOptions;
  readonly #folder: Folder;
  #incoming: Incoming | null = null;
  #busy = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#folder = options.folder;
  }

  async begin(offer: SnapshotInfo): Promise<number> {
    return await this.#alone(offer.id, async () => {
      this.#checkOffer(offer);
      if (this.#incoming === null) this.#incoming = await this.#recover();
      if (this.#incoming !== null && sameOffer(this.#incoming.offer, offer)) return offsetOf(this.#incoming);
      await this.#drop();
      const there = await this.#options.find(offer.id).catch(() => null);
      if (there !== null) {
        await there.close();
        if (sameOffer(there.info, offer)) {
          this.#incoming = { offer, file: null, syncedBytes: offer.sizeBytes };
          return offer.sizeBytes;
        }
      }
      await this.#options.onStep('note what is coming in');
      await this.#folder.replace(OFFER, encodeChecked(OFFER_FORMAT, toPlain(offer)));
      this.#incoming = { offer, file: await this.#folder.create(PART), syncedBytes: 0 };
      return 0;
    });
  }

  async resumeOffset(): Promise<{ readonly id: string; readonly offset: number } | null> {
    return await this.#alone('that is coming in', async () => {
      if (this.#incoming === null) this.#incoming = await this.#recover();
      const incoming = this.#incoming;
      return incoming === null ? null : { id: incoming.offer.id, offset: offsetOf(incoming) };
    });
  }

  async write(offset: number, chunk: Uint8Array): Promise<number> {
    return await this.#alone(this.#incoming?.offer.id ?? 'that is coming in', async () => {
      const incoming = this.#begun();
      const { offer, file } = incoming;
      const have = offsetOf(incoming);
      if (offset > have) throw refused(offer.id, `bytes ${have} to ${offset} are missing`);
      if (offset + chunk.length > offer.sizeBytes) throw refused(offer.id, `it has more than ${offer.sizeBytes} bytes`);
      const fresh = chunk.subarray(have - offset);
      if (file === null || fresh.length === 0) return have;
      await file.append(fresh);
      if (file.sizeBytes - incoming.syncedBytes >= SYNC_EVERY_BYTES) {
        await file.sync();
        incoming.syncedBytes = file.sizeBytes;
      }
      return file.sizeBytes;
    });
  }

  async finish(): Promise<SnapshotInfo> {
    return await this.#alone(this.#incoming?.offer.id ?? 'that is coming in', async () => {
      const { offer, file } = this.#begun();
      if (file === null) {
        this.#incoming = null;
        return offer;
      }
      if (file.sizeBytes < offer.sizeBytes) {
        throw refused(offer.id, `only ${file.sizeBytes} of ${offer.sizeBytes} bytes have come`);
      }
      await this.#options.onStep('sync what has come in');
      await file.sync();
      try {
        await this.#verify(offer);
      } catch (error) {
        // Not worth going on with: the next attempt begins anew.
        if (error instanceof StorageError && error.code.startsWith('SNAPSHOT_')) await this.#drop();
        throw error;
      }
      await file.close();
      this.#incoming = null;
      await this.#options.keep(PART, offer);
      await this.#options.onStep('forget what was coming in');
      await this.#folder.remove(OFFER);
      return offer;
    });
  }

  async abandon(): Promise<void> {
    await this.#alone('that is coming in', async () => await this.#drop());
  }

  /** Keeps what can be gone on with and deletes the rest. */
  async removeLeftovers(): Promise<void> {
    const names = await this.#folder.list();
    if (!names.includes(PART) && !names.includes(OFFER)) return;
    if (!names.includes(PART) || (await this.#readOffer()) === null) await this.#drop();
  }

  async close(): Promise<void> {
    const incoming = this.#incoming;
    this.#incoming = null;
    await incoming?.file?.close();
  }

  async #verify(offer: SnapshotInfo): Promise<void> {
    const path = `${this.#folder.path}/${PART}`;
    const reader = await this.#openPart();
    if (reader === null) throw new StorageError('SNAPSHOT_CORRUPTED', { path, reason: 'it is not there' });
    try {
      if (!sameOffer(reader.info, offer)) {
        throw new StorageError('SNAPSHOT_CORRUPTED', { path, reason: 'its header is not what was offered' });
      }
      await reader.verify();
    } finally {
      await reader.close();
    }
  }

  /** What a process before this one was receiving, cut off behind the last sound chunk. */
  async #recover(): Promise<Incoming | null> {
    const offer = await this.#readOffer();
    if (offer === null) return null;
    const length = await this.#soundLength(offer);
    if (length === null) return null;
    return { offer, file: await this.#folder.resume(PART, length), syncedBytes: 0 };
  }

  async #soundLength(offer: SnapshotInfo): Promise<number | null> {
    const part = await this.#folder.open(PART);
    if (part === null) return null;
    if (part.sizeBytes < PREAMBLE_BYTES) {
      await part.close();
      return 0;
    }
    let reader: SnapshotFile;
    try {
      reader = await SnapshotFile.open(part, PART);
    } catch {
      // Not even the header is whole.
      return 0;
    }
    try {
      if (!sameOffer({ ...reader.info, sizeBytes: offer.sizeBytes }, offer)) return 0;
      const sound = await reader.soundPrefix();
      // Behind the chunks only the footer is left: it comes again.
      return Math.min(sound, offer.sizeBytes - FOOTER_BYTES);
    } finally {
      await reader.close();
    }
  }

  async #openPart(): Promise<SnapshotFile | null> {
    const part = await this.#folder.open(PART);
    return part === null ? null : await SnapshotFile.open(part, `${this.#folder.path}/${PART}`);
  }

  async #readOffer(): Promise<SnapshotInfo | null> {
    const file = await this.#folder.open(OFFER);
    if (file === null) return null;
    try {
      const plain = decodeChecked(OFFER_FORMAT, (await file.read(0, MAX_OFFER_BYTES)).toString('utf8'));
      return typeof plain === 'string' ? null : fromPlain(plain);
    } finally {
      await file.close();
    }
  }

  async #drop(): Promise<void> {
    await this.close();
    // The note last: with it alone nothing is gone on with.
    await this.#folder.remove(PART);
    await this.#folder.remove(OFFER);
  }

  #checkOffer({ id, sizeBytes }: SnapshotInfo): void {
    const { maxBytes } = this.#options;
    if (!ID.test(id)) throw refused(JSON.stringify(id.slice(0, 64)), 'that is no id of a snapshot');
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < PREAMBLE_BYTES + FOOTER_BYTES || sizeBytes > maxBytes) {
      throw refused(id, `a size of ${sizeBytes} bytes is out of range (at most ${maxBytes})`);
    }
  }

  #begun(): Incoming {
    if (this.#incoming === null) throw refused('that is coming in', 'nothing was begun');
    return this.#incoming;
  }

  async #alone<T>(id: string, body: () => Promise<T>): Promise<T> {
    if (this.#busy) throw refused(id, 'another call of the receiver is in flight');
    this.#busy = true;
    try {
      return await body();
    } finally {
      this.#busy = false;
    }
  }
}

function offsetOf({ offer, file }: Incoming): number {
  return file === null ? offer.sizeBytes : file.sizeBytes;
}

function sameOffer(a: SnapshotInfo, b: SnapshotInfo): boolean {
  return (
    a.id === b.id &&
    a.sizeBytes === b.sizeBytes &&
    a.index === b.index &&
    a.term === b.term &&
    a.stampMs === b.stampMs &&
    a.clusterId === b.clusterId &&
    a.machineVersion === b.machineVersion &&
    asBuffer(a.configuration).equals(asBuffer(b.configuration))
  );
}

function refused(id: string, reason: string): StorageError {
  return new StorageError('SNAPSHOT_REFUSED', { id, reason });
}

function toPlain({ configuration, ...rest }: SnapshotInfo): Record<string, unknown> {
  return { ...rest, configuration: asBuffer(configuration).toString('base64') };
}

/** The checksum held: the members are what `toPlain` wrote. */
function fromPlain(plain: Record<string, unknown>): SnapshotInfo {
  const { configuration, ...rest } = plain as unknown as Omit<SnapshotInfo, 'configuration'> & {
    configuration: string;
  };
  return { ...rest, configuration: Uint8Array.from(Buffer.from(configuration, 'base64')) };
}
