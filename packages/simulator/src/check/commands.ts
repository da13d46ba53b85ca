import { type BatchHeader, ByteReader, type CommandType, readBatchHeader } from '@quorate/broker';

/** The commands of a batch; `visit` is given a reader that stands at the command's body and ends with it. */
export function forEachCommand(
  batch: Buffer,
  visit: (type: CommandType, reader: ByteReader, header: BatchHeader) => void,
): void {
  const header = readBatchHeader(batch);
  const reader = new ByteReader(batch);
  reader.at = header.bodyOffset;
  while (reader.at < batch.length) {
    const type = reader.u8() as CommandType;
    const next = reader.u32() + reader.at;
    reader.end = next;
    visit(type, reader, header);
    reader.at = next;
    reader.end = batch.length;
  }
}
