import { reasonOf, StorageError } from './errors.ts';

/**
 * Lets one write at a time into a store, and none after the first error.
 *
 * LevelDB loses later acknowledged writes after one failed append to its log: the first error of any kind therefore
 * poisons the store for good, and every later call rejects with the very same error object.
 */
export class WriteGate {
  readonly #store: string;
  readonly #path: string;
  #error: StorageError | null = null;
  #busy = false;
  #status: 'new' | 'opening' | 'open' | 'closed' = 'new';

  constructor(store: string, path: string) {
    this.#store = store;
    this.#path = path;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** The error that poisoned the store, or null. */
  get error(): StorageError | null {
    return this.#error;
  }

  get isOpen(): boolean {
    return this.#status === 'open';
  }

  /** Before open: only once. */
  beginOpen(): void {
    if (this.#error !== null) throw this.#error;
    if (this.#status !== 'new') throw this.#notOpen('open');
    this.#status = 'opening';
  }

  endOpen(): void {
    this.#status = 'open';
  }

  /** Before close. False if there is nothing to close any more. */
  beginClose(): boolean {
    const wasOpen = this.#status === 'open';
    this.#status = 'closed';
    return wasOpen;
  }

  /** Throws unless the store is open and healthy. */
  check(action: string): void {
    if (this.#error !== null) throw this.#error;
    if (this.#status !== 'open') throw this.#notOpen(action);
  }

  /** Takes the one place for a write. A second write is a fault of the caller and poisons the store. */
  enter(action: string): void {
    this.check(action);
    if (this.#busy) {
      this.#error = new StorageError('WRITE_IN_FLIGHT', { store: this.#store, action });
      throw this.#error;
    }
    this.#busy = true;
  }

  /** Gives the place back; call it whether the write succeeded or not. */
  leave(): void {
    this.#busy = false;
  }

  /** Poisons the store with `cause`, unless it already is poisoned. Returns the error to throw. */
  fail(action: string, cause: unknown): StorageError {
    if (this.#error === null) {
      this.#error =
        cause instanceof StorageError
          ? cause
          : new StorageError('STORAGE_FAILED', { action, path: this.#path, reason: reasonOf(cause) }, cause);
    }
    return this.#error;
  }

  #notOpen(action: string): StorageError {
    const status = this.#status === 'open' ? 'open already' : `not open (${this.#status})`;
    return new StorageError('STORE_NOT_OPEN', { store: this.#store, status, action });
  }
}
