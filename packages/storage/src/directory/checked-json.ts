import { crc32 } from 'node:zlib';

/** The text of a small file: its format and content as JSON, with a checksum over both. */
export function encodeChecked(format: number, content: Readonly<Record<string, unknown>>): string {
  const checksum = crc32(JSON.stringify([format, content]));
  return `${JSON.stringify({ format, checksum, content }, null, 2)}\n`;
}

/** The content, or the reason why the text is not what `encodeChecked` wrote. */
export function decodeChecked(format: number, text: string): Record<string, unknown> | string {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    return `it is no JSON: ${(error as Error).message}`;
  }
  if (typeof found !== 'object' || found === null) return 'it is no object';
  const { format: foundFormat, checksum, content } = found as Record<string, unknown>;
  if (foundFormat !== format) return `it has the format ${String(foundFormat)}, not ${format}`;
  if (typeof content !== 'object' || content === null) return 'it has no content';
  if (checksum !== crc32(JSON.stringify([format, content]))) return 'its checksum does not match its content';
  return content as Record<string, unknown>;
}
