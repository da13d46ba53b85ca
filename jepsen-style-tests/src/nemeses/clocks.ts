import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { insideOf } from '../network/inside.ts';
import type { Random } from '../random.ts';
import { inBackground, pause } from './background.ts';
import type { Nemesis } from './nemesis.ts';

/*
 * Clocks that jump and drift, by libfaketime in the broker's process. Only the wall clock: an operating system steps that one,
 * and never CLOCK_MONOTONIC, on which a broker may rely for lengths of time. The clients' processes have the true time.
 */

const run = promisify(execFile);

/** The one for programs with threads. Below the library folders of Debian and Ubuntu, Fedora, Arch and Alpine. */
const LIBRARY = /^libfaketimeMT\.so/;
const FOLDERS = ['/usr/lib/faketime', '/usr/lib64/faketime', '/usr/local/lib/faketime', '/usr/lib'];

const SECOND_MS = 1_000;
const DAY_SEC = 86_400;

function findLibrary(): string | null {
  const multiarch = existsSync('/usr/lib')
    ? readdirSync('/usr/lib')
        .filter((name) => name.includes('-linux-'))
        .map((name) => join('/usr/lib', name, 'faketime'))
    : [];
  for (const folder of [...multiarch, ...FOLDERS]) {
    if (!existsSync(folder)) continue;
    const name = readdirSync(folder).find((each) => LIBRARY.test(each));
    if (name !== undefined) return join(folder, name);
  }
  return null;
}

/** The wall clocks of nodes. */
export class Clocks {
  private readonly folder: string;
  private readonly library: string;

  private constructor(folder: string, library: string) {
    this.folder = folder;
    this.library = library;
  }

  /**
   * Looks for what it takes.
   *
   * @param folder for one file per node
   */
  static async open(folder: string): Promise<{ readonly clocks: Clocks } | { readonly unavailable: string }> {
    const library = findLibrary();
    if (library === null) return { unavailable: 'libfaketimeMT.so.1 was not found: install libfaketime' };
    if (insideOf() === null) return { unavailable: 'libfaketime leaves shared memory behind, outside of namespaces' };
    // Each process that is killed leaves a semaphore there, by its PID: in a folder of the run alone.
    await run('mount', ['-t', 'tmpfs', 'partition-test', '/dev/shm']);
    mkdirSync(folder, { recursive: true });
    return { clocks: new Clocks(folder, library) };
  }

  /** With what a node's process has to be started so that its clock can be changed. */
  environmentOf(id: string): Readonly<Record<string, string>> {
    if (!existsSync(this.fileOf(id))) this.set(id, '+0');
    return {
      LD_PRELOAD: this.library,
      FAKETIME_TIMESTAMP_FILE: this.fileOf(id),
      // Seconds after which the file is read again.
      FAKETIME_CACHE_DURATION: '1',
      // Both names have been in use.
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
      // Times of files are the kernel's.
      NO_FAKE_STAT: '1',
    };
  }

  /** `+3600`, `-0.5`, `+0 x1.1` (this much faster since the process started). Seen by the node within about a second. */
  set(id: string, spec: string): void {
    // At once: the library must not read half a line.
    writeFileSync(`${this.fileOf(id)}.new`, `${spec}\n`);
    renameSync(`${this.fileOf(id)}.new`, this.fileOf(id));
  }

  private fileOf(id: string): string {
    return join(this.folder, `${id}.clock`);
  }
}

function jumpSec(random: Random): number {
  const sizes = [1, 10, 60, 3_600, DAY_SEC, 30 * DAY_SEC, 365 * DAY_SEC];
  return (random.chance(50) ? 1 : -1) * random.pick(sizes) * random.between(1, 3);
}

function signed(seconds: number): string {
  return `${seconds < 0 ? '-' : '+'}${String(Math.abs(seconds))}`;
}

/** `steer` changes clocks while the fault lasts; afterwards they are true again, which is another jump. */
function clockFault(
  name: string,
  begin: (clocks: Clocks, victims: readonly string[], random: Random) => Steering,
): Nemesis {
  return {
    name,
    touches: 'clocks',
    unavailable: ({ clocksUnavailable }) => clocksUnavailable,
    begin: async (context, random) => {
      const { clocks } = context;
      if (clocks === null) return null;
      const all = context.cluster.nodes.map((node) => node.id);
      const victims = random.shuffled(all).slice(0, random.between(1, all.length));
      const { detail, end } = begin(clocks, victims, random);
      return {
        detail,
        nodes: victims,
        out: [],
        end: async () => {
          await end?.();
          for (const id of victims) clocks.set(id, '+0');
        },
      };
    },
  };
}

interface Steering {
  readonly detail: string;
  readonly end?: () => Promise<void>;
}

/** Faults of clocks. */
export const CLOCKS: readonly Nemesis[] = [
  clockFault('clock jump', (clocks, victims, random) => {
    const jumps = victims.map((id) => [id, signed(jumpSec(random))] as const);
    for (const [id, spec] of jumps) clocks.set(id, spec);
    return { detail: `wall clocks: ${jumps.map(([id, spec]) => `${id} ${spec} s`).join(', ')}` };
  }),
  clockFault('clock strobe', (clocks, victims, random) => {
    const strobe = inBackground(async (signal) => {
      for (;;) {
        for (const id of victims) clocks.set(id, signed(jumpSec(random)));
        await pause(random.between(SECOND_MS, 3 * SECOND_MS), signal);
      }
    });
    return { detail: `wall clocks of ${victims.join(', ')} jump every 1 to 3 s`, end: () => strobe.end() };
  }),
  clockFault('clock drift', (clocks, victims, random) => {
    const rates = victims.map((id) => [id, (random.pick([50, 80, 95, 105, 120, 200]) / 100).toFixed(2)] as const);
    for (const [id, rate] of rates) clocks.set(id, `+0 x${rate}`);
    return { detail: `wall clocks run at ${rates.map(([id, rate]) => `${id} ${rate}`).join(', ')} of the true speed` };
  }),
];
