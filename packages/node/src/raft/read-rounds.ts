/**
 * Linearizable reads: those asked for in one turn share one read of the core. An id is unique per attempt; the core's
 * ids are unique likewise and only rise.
 */
export class ReadRounds {
  private nextId = 0;
  private nextCoreId: number;
  private asked: number[] = [];
  /** Readers of each read that the core works on. */
  private readonly rounds = new Map<number, readonly number[]>();
  private waiting = 0;

  /** @param firstCoreId the core's ids rise from here */
  constructor(firstCoreId = 0) {
    this.nextCoreId = firstCoreId;
  }

  /** Reads that have no answer yet. */
  get size(): number {
    return this.waiting;
  }

  /** Registers a read for the next round. */
  ask(): number {
    this.waiting++;
    const id = ++this.nextId;
    this.asked.push(id);
    return id;
  }

  /** An id for a read that is refused at once. */
  refuse(): number {
    return ++this.nextId;
  }

  /** Begins a round with all reads asked for so far. @returns the id for the core, or null when nobody asks */
  begin(): number | null {
    if (this.asked.length === 0) return null;
    const coreId = ++this.nextCoreId;
    this.rounds.set(coreId, this.asked);
    this.asked = [];
    return coreId;
  }

  /** The core has answered a round. @returns its readers */
  end(coreId: number): readonly number[] {
    const ids = this.rounds.get(coreId) ?? [];
    this.rounds.delete(coreId);
    this.waiting -= ids.length;
    return ids;
  }
}
