import type { DocumentCommand } from './commands.ts';
import { Heap } from './heap.ts';
import { StateLimits } from './limits.ts';
import type { CommandResult, DocumentOutcome, StateSink } from './sink.ts';
import type { State } from './state.ts';

/**
 * Who uses which collection. The state machine does not look: to it a collection is a number from 0 to 255, so that a
 * later version can add one. Stored: never reuse a value.
 */
export const DocumentCollection = { users: 1, aclRules: 2, bans: 3, secrets: 4 } as const;

/** A small named value that all nodes agree on. Never changed in place. */
export interface DocumentRecord {
  readonly collection: number;
  /** Unique in its collection. */
  readonly name: string;
  /**
   * Log index of the entry that put it: greater with every change that anybody can have seen, also when the document was
   * deleted in between.
   */
  readonly revision: number;
  /** Cluster clock at which it is gone, or Infinity. */
  readonly expiresAtMs: number;
  /** Its own copy: nothing else holds on to it. */
  readonly bytes: Uint8Array;
}

interface Expiry {
  readonly dueMs: number;
  readonly collection: number;
  readonly name: string;
}

/** A total order, so that every node forgets documents in the same one. */
function before(a: Expiry, b: Expiry): boolean {
  if (a.dueMs !== b.dueMs) return a.dueMs < b.dueMs;
  if (a.collection !== b.collection) return a.collection < b.collection;
  return a.name < b.name;
}

/** Entries of the expiry heap that no longer hold, in excess of which it is built anew. */
const STALE_EXPIRIES = 1024;

/** All documents. The order in a collection is that of filling, which a restored node does not share. */
export class Documents {
  readonly #collections = new Map<number, Map<string, DocumentRecord>>();
  /** Entries are not cancelled: one counts only while its document still expires then. */
  readonly #expiries = new Heap<Expiry>(before);
  #expiring = 0;
  #size = 0;

  /** In all collections. */
  get size(): number {
    return this.#size;
  }

  /** How many will expire. */
  get expiring(): number {
    return this.#expiring;
  }

  /** Entries of the expiry heap, stale ones included. */
  get pendingExpiries(): number {
    return this.#expiries.size;
  }

  /** When the first one expires, one that was replaced included; Infinity without any. */
  get firstExpiryMs(): number {
    return this.#expiries.first?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  get(collection: number, name: string): DocumentRecord | undefined {
    return this.#collections.get(collection)?.get(name);
  }

  count(collection: number): number {
    return this.#collections.get(collection)?.size ?? 0;
  }

  /** The documents of a collection, or of all. */
  *values(collection?: number): IterableIterator<DocumentRecord> {
    if (collection !== undefined) yield* this.#collections.get(collection)?.values() ?? [];
    else for (const documents of this.#collections.values()) yield* documents.values();
  }

  set(document: DocumentRecord): void {
    const { collection, name, expiresAtMs } = document;
    let documents = this.#collections.get(collection);
    if (documents === undefined) {
      documents = new Map();
      this.#collections.set(collection, documents);
    }
    const replaced = documents.get(name);
    if (replaced === undefined) this.#size++;
    else if (expires(replaced)) this.#expiring--;
    documents.set(name, document);
    if (!expires(document)) return;
    this.#expiring++;
    this.#expiries.push({ dueMs: expiresAtMs, collection, name });
    this.#dropStaleExpiries();
  }

  /** @returns false when there was none */
  delete(collection: number, name: string): boolean {
    const documents = this.#collections.get(collection);
    const document = documents?.get(name);
    if (documents === undefined || document === undefined) return false;
    documents.delete(name);
    if (documents.size === 0) this.#collections.delete(collection);
    this.#size--;
    if (expires(document)) this.#expiring--;
    return true;
  }

  /** The document that expired first, if any did by `nowMs`; the caller deletes it. */
  firstExpired(nowMs: number): DocumentRecord | null {
    for (;;) {
      const { first } = this.#expiries;
      if (first === undefined || first.dueMs > nowMs) return null;
      this.#expiries.pop();
      const document = this.get(first.collection, first.name);
      if (document !== undefined && document.expiresAtMs === first.dueMs) return document;
    }
  }

  /** One that is put again and again leaves many entries that no longer hold. */
  #dropStaleExpiries(): void {
    if (this.#expiries.size <= 4 * this.#size + STALE_EXPIRIES) return;
    this.#expiries.clear();
    for (const document of this.values()) {
      const { expiresAtMs: dueMs, collection, name } = document;
      if (expires(document)) this.#expiries.push({ dueMs, collection, name });
    }
  }
}

function expires(document: DocumentRecord): boolean {
  return document.expiresAtMs !== Number.POSITIVE_INFINITY;
}

/** Puts or deletes a document, if it still is as the command expects it to be. */
export function applyDocument(state: State, sink: StateSink, command: DocumentCommand): CommandResult {
  const { collection, name, expected, content } = command;
  const { documents } = state;
  const known = documents.get(collection, name);
  const holds =
    expected === 'any' ||
    (expected === 'absent'
      ? known === undefined
      : expected === 'present'
        ? known !== undefined
        : expected === known?.revision);
  if (!holds) return outcome('conflict', known?.revision ?? null);
  if (content === null) {
    if (known === undefined) return outcome('unchanged', null);
    forgetDocument(state, sink, known);
    return outcome('changed', null);
  }
  if (known === undefined && documents.count(collection) >= state.limits.documentsPerCollection) {
    return outcome('tooMany', null);
  }
  const tooLong = content.bytes.length > StateLimits.documentBytes || name.length > StateLimits.documentNameLength;
  if (tooLong || name === '') return outcome('tooLarge', known?.revision ?? null);
  const document: DocumentRecord = {
    collection,
    name,
    revision: state.appliedIndex,
    expiresAtMs: dueAfter(state.nowMs, content.expiresInMs),
    // The bytes are a view of a log entry, which is not to live as long as the document.
    bytes: new Uint8Array(content.bytes),
  };
  state.changingDocument(collection, name, document);
  documents.set(document);
  sink.documentChanged?.(collection, name, document);
  return outcome('changed', document.revision);
}

/** A time that no record can hold is as good as never. */
function dueAfter(nowMs: number, durationMs: number | null): number {
  const dueMs = durationMs === null ? Number.POSITIVE_INFINITY : nowMs + durationMs;
  return Number.isSafeInteger(dueMs) ? dueMs : Number.POSITIVE_INFINITY;
}

/** Takes out a document that was deleted or has expired. */
export function forgetDocument(state: State, sink: StateSink, { collection, name }: DocumentRecord): void {
  state.changingDocument(collection, name, null);
  state.documents.delete(collection, name);
  sink.documentChanged?.(collection, name, null);
}

function outcome(what: DocumentOutcome, revision: number | null): CommandResult {
  return { kind: 'document', outcome: what, revision };
}
