import type { Hello } from '@quorate/protocol';
import type { Rejection } from './admission.ts';

/** Node ids and directory ids are claims: no more of them are remembered than this. */
const MAX_REMEMBERED = 256;

interface Start {
  readonly incarnation: number;
  readonly session: string;
}

/**
 * Finds out that two processes run on the same data directory, one of them on a copy or on an older state of it: each
 * start of a directory has a greater incarnation than the one before, so another session that comes with the same
 * directory and no greater incarnation is no later start of it. It might have forgotten votes and entries.
 */
export class DirectoryMemory {
  /** Last admitted start by node and directory, the one that was admitted longest ago first. */
  private readonly starts = new Map<string, Start>();

  check(hello: Hello): Rejection | null {
    const known = this.starts.get(keyOf(hello));
    if (known === undefined || known.session === hello.session) return null;
    if (Number(hello.incarnation) > known.incarnation) return null;
    const { nodeId, directoryId, incarnation } = hello;
    const seen = `${nodeId} comes with start ${incarnation} of data directory ${directoryId}, start `;
    const advice = `stop ${nodeId} and start it with the original, or with an empty data directory to be admitted anew`;
    return {
      code: 'COPIED_DIRECTORY',
      reason: `${seen}${String(known.incarnation)} was seen: the directory is a copy, or an older state; ${advice}`,
    };
  }

  /** To be called for every hello that is admitted. */
  remember(hello: Hello): void {
    // A node that does not tell its directory can not be known again by it.
    if (hello.directoryId === '') return;
    const key = keyOf(hello);
    // A process may go on to greater incarnations; its hellos on different connections arrive in any order.
    const incarnation = Math.max(Number(hello.incarnation), this.starts.get(key)?.incarnation ?? 0);
    this.starts.delete(key);
    this.starts.set(key, { incarnation, session: hello.session });
    if (this.starts.size <= MAX_REMEMBERED) return;
    for (const oldest of this.starts.keys()) {
      this.starts.delete(oldest);
      return;
    }
  }
}

function keyOf(hello: Hello): string {
  return `${hello.nodeId}\n${hello.directoryId}`;
}
