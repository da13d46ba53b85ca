import type { Mutant } from './mutant.ts';

const RECOVERY = 'packages/storage/src/log/recovery.ts';
const LOG = 'packages/storage/src/log/level-log-store.ts';
const ENTRIES = 'packages/storage/src/log/entry-codec.ts';
const SUPERBLOCK = 'packages/storage/src/log/superblock.ts';
const DATABASE = 'packages/storage/src/level/level-database.ts';
const OPEN = 'packages/storage/src/directory/open.ts';
const SLOT = 'packages/storage/src/directory/state-slot.ts';
const GATE = 'packages/storage/src/write-gate.ts';

const DAMAGE = 'test/integration/storage/damage.test.ts';
const SUSPECT = 'test/integration/storage/suspect.test.ts';

function stored(name: string, breaks: string, file: string, edit: readonly [string, string], test: string): Mutant {
  const [search, replace] = edit;
  return { name, breaks, edits: [{ file, search, replace }], test, onDisksOnly: true };
}

/** Bugs of what is on real disks, in whose place the simulator has disks of its own. */
export const STORAGE: readonly Mutant[] = [
  stored(
    'entries-without-checksums',
    'an entry that is not as it was written is noticed',
    ENTRIES,
    ["  if (crc32(value.subarray(CHECKED_FROM), seedOf(type)) !== crc) return 'its checksum does not match';\n", ''],
    DAMAGE,
  ),
  stored(
    'entries-without-chain',
    'an entry that does not follow the one before it is noticed',
    RECOVERY,
    ['if (decoded.previousCrc !== lastCrc) {', 'if (decoded.previousCrc > 2 ** 32) {'],
    DAMAGE,
  ),
  stored(
    'an-end-nobody-misses',
    'a log that ends below what was durable is doubted',
    RECOVERY,
    ['if (lastIndex < content.highWaterIndex)', 'if (lastIndex < 0)'],
    SUSPECT,
  ),
  stored(
    'vote-in-one-slot',
    'a vote that only the superblock has is written to the log before anybody hears of it',
    RECOVERY,
    ['rewriteLog: order < 0', 'rewriteLog: false'],
    DAMAGE,
  ),
  stored(
    'a-log-nobody-misses',
    'a log that is gone beside its superblock is doubted',
    RECOVERY,
    ['if (stored === undefined && inUse) doubts', 'if (stored === undefined && !inUse) doubts'],
    SUSPECT,
  ),
  stored(
    'superblock-in-one-slot',
    'one slot of the superblock holds whatever happens to the other',
    SUPERBLOCK,
    ['(this.#sequence % SLOTS) * SLOT_BYTES', '0'],
    DAMAGE,
  ),
  stored(
    'edits-nobody-misses',
    'a manifest whose last edits are gone is doubted',
    DATABASE,
    ['if (lostEdits !== null) silent', 'if (lostEdits === undefined) silent'],
    'test/integration/storage/manifest.test.ts',
  ),
  stored(
    'records-dropped-in-silence',
    'what LevelDB drops of its log is noticed',
    DATABASE,
    ['const silent = await findSilentDamage(path);', 'const silent: string[] = [];'],
    DAMAGE,
  ),
  stored(
    'doubts-noted-too-late',
    'what was found in the log is noted before the state is opened',
    OPEN,
    [
      '    await suspicion.add({ reasons: log.doubts, highWaterIndex: 0, stateDoubtful: false });\n    stateSlot = await StateSlot.open(path, (name) => acknowledged[name] ?? null);\n',
      '    stateSlot = await StateSlot.open(path, (name) => acknowledged[name] ?? null);\n    await suspicion.add({ reasons: log.doubts, highWaterIndex: 0, stateDoubtful: false });\n',
    ],
    SUSPECT,
  ),
  stored(
    'a-pointer-nobody-misses',
    'a state whose pointer is gone is not taken for none',
    SLOT,
    ['if (pointer.installed === null) await demandPointer(path);', ''],
    'test/integration/storage/set-aside-damage.test.ts',
  ),
  stored(
    'writes-after-an-error',
    'after its first error a store takes no write any more',
    GATE,
    [
      '  check(action: string): void {\n    if (this.#error !== null) throw this.#error;\n',
      '  check(action: string): void {\n',
    ],
    'test/unit/storage/log-store.test.ts',
  ),
  stored(
    'cut-off-above-the-high-water-mark',
    'the mark of what is durable is lowered before entries under it are cut off',
    LOG,
    ['if (hardState !== null || this.#highWaterIndex > durableIndex)', 'if (hardState !== null)'],
    DAMAGE,
  ),
];
