import type { SnapshotReader, StateRecord } from '@quorate/storage';

/**
 * A reader of the same snapshot whose `forEach` hands each slice of records to `onRecords` too, before its visitor gets
 * it: the state in memory is built while the database is filled, and the file is read once.
 *
 * The records are trusted only when `forEach` has resolved: drop what was built from them when it rejects. An error that
 * `onRecords` throws ends `forEach`. It may be called once only, or the second consumer would get every record twice;
 * `verify` and `read` are those of the reader itself. Closing the one closes the other.
 */
export function teeSnapshot(
  reader: SnapshotReader,
  onRecords: (records: readonly StateRecord[]) => void,
): SnapshotReader {
  let used = false;
  return {
    info: reader.info,
    read: async (offset, maxBytes) => await reader.read(offset, maxBytes),
    verify: async () => await reader.verify(),
    forEach: async (visit) => {
      if (used) throw new Error('the records of a snapshot were handed to its second consumer before');
      used = true;
      return await reader.forEach(async (records) => {
        onRecords(records);
        await visit(records);
      });
    },
    close: async () => await reader.close(),
  };
}
