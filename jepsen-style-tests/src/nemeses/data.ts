import { closeSync, fsyncSync, openSync, readdirSync, readSync, statSync, truncateSync, writeSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeHandle } from '../cluster/cluster.ts';
import type { Random } from '../random.ts';
import { isWhole, type Nemesis, type NemesisContext } from './nemesis.ts';

/*
 * Disks that lose or change what was written, of one node only, while it is down. What is acknowledged is on a majority of
 * disks, so only a minority may be damaged at once: such a fault begins only while every node is a voter and ready, which a
 * damaged one is only after the others have taken it in anew.
 */

/** How long a node may take to find that it can not start with what it has, or to become a voter again. */
const VERDICT_MS = 8_000;
const VERDICT_ROUND_MS = 100;
/** Empty and tiny files are marks, not data. */
const LEAST_BYTES = 16;
/** Locks are not data either. */
const NOT_DATA = /(^|\/)(LOCK|LOG(\.old)?|lock|[^/]*\.pid|lost\+found)$/;

/** Files below a folder that hold data, in an order of their names. */
export function dataFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => !NOT_DATA.test(name))
    .map((name) => join(folder, name))
    .filter((file) => {
      const entry = statSync(file);
      return entry.isFile() && entry.size >= LEAST_BYTES;
    })
    .sort();
}

/** Inverts some bits of one byte. @returns where */
export function flipByte(file: string, random: Random): number {
  const at = random.below(statSync(file).size);
  const handle = openSync(file, 'r+');
  try {
    const byte = Buffer.alloc(1);
    readSync(handle, byte, 0, 1, at);
    byte[0] = (byte[0] as number) ^ random.between(1, 255);
    writeSync(handle, byte, 0, 1, at);
    fsyncSync(handle);
    return at;
  } finally {
    closeSync(handle);
  }
}

/** Cuts a file off. @returns its new size */
export function truncateSomewhere(file: string, random: Random): number {
  const size = random.below(statSync(file).size);
  truncateSync(file, size);
  return size;
}

/**
 * Starts a node on damaged data. A broker may refuse to start with it and say so; then what its operator does is to start it
 * with an empty directory.
 */
async function startDamaged(node: NodeHandle, context: NemesisContext): Promise<void> {
  await node.start();
  context.cluster.excuse(node.id, 'its data is damaged');
  await verdict(node, context);
  if (node.running) return;
  context.note(`${node.id} ended on its damaged data (${node.logFile} says why): started anew with an empty directory`);
  await node.wipe();
  await node.start();
  // Until it has its vote again the others have one node less to spare, which the next fault must not be blamed for.
  await verdict(node, context);
}

/** Waits until the cluster has the node again, or the node has ended; not for longer than either should take. */
async function verdict(node: NodeHandle, { cluster }: NemesisContext): Promise<void> {
  for (let leftMs = VERDICT_MS; leftMs > 0 && node.running; leftMs -= VERDICT_ROUND_MS) {
    await delay(VERDICT_ROUND_MS);
    if (node.running && (await cluster.isWhole?.()) === true) return;
  }
}

function damage(name: string, break_: (node: NodeHandle, random: Random) => Promise<string>): Nemesis {
  return {
    name,
    touches: 'data',
    unavailable: ({ nodeCount }) => (nodeCount >= 3 ? null : 'with fewer than three nodes one disk is not a minority'),
    begin: async (context, random) => {
      if (!(await isWhole(context))) return null;
      const node = random.pick(context.cluster.nodes);
      await node.kill();
      const detail = await break_(node, random);
      return { detail: `${node.id}: ${detail}`, nodes: [node.id], end: () => startDamaged(node, context) };
    },
  };
}

/** Faults of disks that lose something. */
export const DATA: readonly Nemesis[] = [
  damage('flipped bytes', (node, random) => {
    const flips = Array.from({ length: random.between(1, 8) }, () => {
      const file = random.pick(dataFiles(node.dataDir));
      return `${relative(node.dataDir, file)} at ${String(flipByte(file, random))}`;
    });
    return Promise.resolve(`bytes changed in ${flips.join(', ')}`);
  }),
  damage('truncated file', (node, random) => {
    const file = random.pick(dataFiles(node.dataDir));
    const size = truncateSomewhere(file, random);
    return Promise.resolve(`${relative(node.dataDir, file)} cut off at ${String(size)} bytes`);
  }),
  damage('wiped node', async (node) => {
    await node.wipe();
    return 'all of its data deleted';
  }),
];
