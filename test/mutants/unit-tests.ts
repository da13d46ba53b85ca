import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** What tests of packages read. */
const TESTS = ['test/unit', 'test/integration/storage', 'test/support'] as const;
const LIMIT_MS = 180_000;
/** Of what a test that fails prints. */
const SHOWN_CHARACTERS = 300;

/** Runs test files against the sources of packages in a folder of their own, in which some files have another text. */
export class UnitTests {
  readonly #root: string;
  readonly #folder: string;
  readonly #packages: readonly string[];
  /** Test files that are known to pass without a bug. */
  readonly #sound = new Set<string>();
  #count = 0;

  /**
   * @param root of the checkout
   * @param folder outside of it, in which `node_modules` leads to what the checkout has installed
   * @param packages whose sources are copied; all others are the checkout's
   */
  constructor(root: string, folder: string, packages: readonly string[]) {
    this.#root = root;
    this.#folder = folder;
    this.#packages = packages;
  }

  /**
   * Whether the test file fails with the changed files, and passes without.
   *
   * @param test by its path from the root
   * @param changed texts of files by their paths from the root
   * @throws Error when it fails without them too: then it proves nothing
   */
  async fails(test: string, changed: ReadonlyMap<string, string>): Promise<boolean> {
    if (!this.#sound.has(test)) {
      const said = await this.#run(test, new Map());
      if (said !== null) throw new Error(`${test} fails without a bug: ${said}`);
      this.#sound.add(test);
    }
    return (await this.#run(test, changed)) !== null;
  }

  /** @returns null when it passes, else the end of what it prints */
  async #run(test: string, changed: ReadonlyMap<string, string>): Promise<string | null> {
    const copy = this.#create(changed);
    const args = ['--conditions=source', '--import', 'tsx', test];
    const child = spawn(process.execPath, args, { cwd: copy, stdio: ['ignore', 'pipe', 'pipe'], timeout: LIMIT_MS });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (data: Buffer) => (said += data.toString()));
    const [code] = (await once(child, 'close')) as [number | null];
    rmSync(copy, { recursive: true });
    return code === 0 ? null : said.slice(-SHOWN_CHARACTERS);
  }

  #create(changed: ReadonlyMap<string, string>): string {
    const copy = join(this.#folder, `tests${++this.#count}`);
    for (const name of this.#packages) {
      const from = join(this.#root, 'packages', name);
      const to = join(copy, 'packages', name);
      mkdirSync(to, { recursive: true });
      cpSync(join(from, 'package.json'), join(to, 'package.json'));
      cpSync(join(from, 'src'), join(to, 'src'), { recursive: true });
      if (name === 'protocol') cpSync(join(from, 'generated'), join(to, 'generated'), { recursive: true });
      mkdirSync(join(copy, 'node_modules', '@quorate'), { recursive: true });
      symlinkSync(to, join(copy, 'node_modules', '@quorate', name));
    }
    for (const path of TESTS) cpSync(join(this.#root, path), join(copy, path), { recursive: true });
    cpSync(join(this.#root, 'tsconfig.base.json'), join(copy, 'tsconfig.base.json'));
    cpSync(join(this.#root, 'package.json'), join(copy, 'package.json'));
    for (const [file, text] of changed) writeFileSync(join(copy, file), text);
    return copy;
  }
}
