import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { hasCode } from '../errors.ts';

const MAX_FINDINGS = 20;
const MAX_LINE_CHARS = 300;
const SUSPICIOUS = /dropping \d+ bytes|corruption|checksum mismatch/i;

/**
 * Lines of LevelDB's own `LOG` file that tell of data it skipped or found damaged. With its checks as the binding
 * sets them it skips damaged log records in silence: these lines are the only trace. A clean truncation leaves none.
 */
export async function findDamageReports(databasePath: string): Promise<string[]> {
  const findings: string[] = [];
  const stream = createReadStream(join(databasePath, 'LOG'), { encoding: 'latin1' });
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
  return findings;
}
