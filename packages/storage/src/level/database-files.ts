import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode } from '../errors.ts';

const CURRENT = /^(MANIFEST-\d+)\n$/;
const HOLDS_DATA = /\.(?:ldb|sst|log)$/;

/**
 * Why LevelDB would not find its own data again, in words, or null. Without its file `CURRENT` LevelDB takes the directory
 * for a new database and deletes everything in it, without a word. The first opening writes CURRENT before any file that
 * holds data, so one that is missing beside data was lost.
 */
export async function findLostFiles(databasePath: string): Promise<string | null> {
  let names: string[];
  try {
    names = await readdir(databasePath);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  if (!names.includes('CURRENT')) {
    const data = await findData(databasePath, names);
    return data === null ? null : `the file CURRENT is missing beside ${data}`;
  }
  let text: string;
  try {
    text = await readFile(join(databasePath, 'CURRENT'), 'latin1');
  } catch (error) {
    if (hasCode(error, 'EISDIR')) return 'CURRENT is no file';
    // Another process has the database open: its lock will tell.
    if (hasCode(error, 'ENOENT')) return null;
    throw error;
  }
  const manifest = CURRENT.exec(text)?.[1];
  if (manifest === undefined) return 'the file CURRENT names no manifest';
  return names.includes(manifest) ? null : `the file CURRENT names ${manifest}, which is not there`;
}

async function findData(databasePath: string, names: readonly string[]): Promise<string | null> {
  for (const name of names.filter((each) => HOLDS_DATA.test(each))) {
    try {
      if ((await stat(join(databasePath, name))).size > 0) return name;
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  }
  return null;
}
