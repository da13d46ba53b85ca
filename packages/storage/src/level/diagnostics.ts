import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hasCode } from '../errors.ts';

const MAX_FINDINGS = 20;
const MAX_LINE_CHARS = 300;
const FIRST_LINE_BYTES = 256;
const SUSPICIOUS = /dropping \d+ bytes|corruption|checksum mismatch/i;

/** How much of a `LOG` file was dealt with. Its beginning (a line with a time in microseconds) tells which file it was. */
export interface AcknowledgedReports {
  readonly beginning: string;
  readonly bytes: number;
}

export interface DamageReports {
  readonly findings: string[];
  /** The file as far as it was read now: to be acknowledged. */
  readonly read: AcknowledgedReports;
}

/**
 * Lines of LevelDB's own `LOG` file that tell of data it skipped or found damaged. With its checks as the binding
 * sets them it skips damaged log records in silence: these lines are the only trace. A clean truncation leaves none.
 * @param acknowledged lines of this file that are dealt with, and are left out
 */
export async function findDamageReports(
  databasePath: string,
  acknowledged: AcknowledgedReports | null = null,
): Promise<DamageReports> {
  const path = join(databasePath, 'LOG');
  const { beginning, sizeBytes } = await identify(path);
  const read = { beginning, bytes: sizeBytes };
  const known = acknowledged !== null && acknowledged.beginning === beginning && acknowledged.bytes <= sizeBytes;
  const start = known ? acknowledged.bytes : 0;
  if (start >= sizeBytes) return { findings: [], read };
  const findings: string[] = [];
  const stream = createReadStream(path, { encoding: 'latin1', start, end: sizeBytes - 1 });
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  try {
    for await (const line of lines) {
      if (SUSPICIOUS.test(line) && findings.length < MAX_FINDINGS) findings.push(line.slice(0, MAX_LINE_CHARS));
    }
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error;
  } finally {
    lines.close();
    stream.destroy();
  }
  return { findings, read };
}

/** First line and size; empty and 0 when there is no file. */
async function identify(path: string): Promise<{ beginning: string; sizeBytes: number }> {
  let file: FileHandle;
  try {
    file = await open(path, 'r');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return { beginning: '', sizeBytes: 0 };
    throw error;
  }
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(FIRST_LINE_BYTES), 0, FIRST_LINE_BYTES, 0);
    const beginning = buffer.toString('latin1', 0, bytesRead).split('\n', 1)[0] ?? '';
    return { beginning, sizeBytes: size };
  } finally {
    await file.close();
  }
}
