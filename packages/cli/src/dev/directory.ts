import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError } from '../command-error.ts';

/** Marks a directory as one of `quorate dev`, and says for how many nodes. */
const MARKER = 'cluster.json';

async function contentsOf(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

async function nodesOf(path: string): Promise<number> {
  const marker = join(path, MARKER);
  const parsed: unknown = JSON.parse(await readFile(marker, 'utf8'));
  const nodes = typeof parsed === 'object' && parsed !== null && 'nodes' in parsed ? parsed.nodes : undefined;
  if (typeof nodes === 'number') return nodes;
  throw new CommandError(`${marker} does not say how many nodes there are: start with --fresh`);
}

/**
 * Makes the directory of a development cluster ready.
 *
 * @param fresh removes what an earlier cluster left; only from a directory that `quorate dev` made
 * @throws {CommandError} when the directory holds something else, or a cluster of another size
 */
export async function prepareDirectory(path: string, nodes: number, fresh: boolean): Promise<void> {
  const contents = await contentsOf(path);
  if (contents.length > 0 && !contents.includes(MARKER)) {
    throw new CommandError(`${path} holds something else than a cluster of \`quorate dev\`: name another --data-dir`);
  }
  if (contents.length > 0 && fresh) await rm(path, { recursive: true });
  else if (contents.length > 0) {
    const found = await nodesOf(path);
    if (found !== nodes) {
      const ways = `use --nodes ${String(found)}, --fresh or another --data-dir`;
      throw new CommandError(`${path} holds a cluster of ${String(found)} nodes, not ${String(nodes)}: ${ways}`);
    }
  }
  await mkdir(path, { recursive: true });
  await writeFile(join(path, MARKER), `${JSON.stringify({ nodes })}\n`);
}
