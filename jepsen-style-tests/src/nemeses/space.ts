import { execFileSync } from 'node:child_process';
import { closeSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { diskUnavailable, freeze, thaw } from '../cluster/disks.ts';
import type { Random } from '../random.ts';
import { leaderOrAny, type Nemesis, type NemesisContext } from './nemesis.ts';

/* Disks that are full, and disks that stand still: on small file systems of the run's own. */

const FILLER = 'not-of-the-broker';
const BLOCK_BYTES = 256 * 1024;

/** File systems that stand still at this moment: they must be thawed also when the run ends early. */
const frozen = new Set<string>();

process.on('exit', () => {
  for (const folder of frozen) {
    try {
      execFileSync('fsfreeze', ['-u', folder], { stdio: 'ignore' });
    } catch {
      // There is nothing more that can be done about it.
    }
  }
});

async function chooseNode(context: NemesisContext, random: Random): Promise<{ id: string; dataDir: string } | null> {
  const id = random.chance(50) ? await leaderOrAny(context, random) : null;
  const nodes = context.cluster.nodes.filter((node) => node.running);
  if (nodes.length === 0) return null;
  const node = nodes.find((each) => each.id === id) ?? random.pick(nodes);
  return { id: node.id, dataDir: node.dataDir };
}

/** Writes a file until there is no room left. @returns its size */
export function fillUp(file: string): number {
  const block = Buffer.alloc(BLOCK_BYTES, 0x5a);
  const handle = openSync(file, 'w');
  let written = 0;
  try {
    for (;;) {
      const { bavail, bsize } = statfsSync(file);
      const room = Math.min(block.length, bavail * bsize);
      if (room <= 0) return written;
      written += writeSync(handle, block, 0, room);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    return written;
  } finally {
    closeSync(handle);
  }
}

const full: Nemesis = {
  name: 'disk full',
  touches: 'space',
  unavailable: ({ disk }) =>
    disk === 'own' ? "data directories lie on the machine's own disk, which must not be filled" : diskUnavailable(disk),
  begin: async (context, random) => {
    const node = await chooseNode(context, random);
    if (node === null) return null;
    const file = join(node.dataDir, FILLER);
    context.cluster.excuse(node.id, 'its disk is full');
    const bytes = fillUp(file);
    return {
      detail: `${(bytes / 1024 / 1024).toFixed(1)} MiB of something else on the disk of ${node.id}: it is full`,
      nodes: [node.id],
      end: async () => {
        rmSync(file, { force: true });
        const handle = context.cluster.nodes.find((each) => each.id === node.id);
        if (handle?.running === false) await handle.start();
      },
    };
  },
};

const stall: Nemesis = {
  name: 'disk stall',
  touches: 'space',
  unavailable: ({ disk }) =>
    disk === 'ext4'
      ? diskUnavailable('ext4')
      : 'only a file system of its own (ext4 in a file, as root) can stand still',
  begin: async (context, random) => {
    const node = await chooseNode(context, random);
    if (node === null) return null;
    frozen.add(node.dataDir);
    await freeze(node.dataDir);
    return {
      detail: `whoever writes to the disk of ${node.id} waits`,
      nodes: [node.id],
      end: async () => {
        await thaw(node.dataDir);
        frozen.delete(node.dataDir);
      },
    };
  },
};

/** Faults of disks that lose nothing. */
export const SPACE: readonly Nemesis[] = [full, stall];
