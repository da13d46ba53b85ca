// Generates packages/protocol/generated/ from src/peer/messages.proto.
//
//   node scripts/generate.mjs          writes the files
//   node scripts/generate.mjs --check  writes nothing; exits 1 if what is committed is stale
//
// The output stands outside src so that `tsc -b` alone is enough: the compiler sees only the declarations (through
// "#generated" in package.json) and has nothing to copy.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, 'generated');
const FILES = ['messages.js', 'messages.d.ts'];
const NOTE = '// Generated from src/peer/messages.proto by scripts/generate.mjs. Do not edit.\n';

/** Without Long, 64-bit fields are plain numbers. It must be gone before the code below takes its default values. */
const SETUP = `import $protobuf from "protobufjs/minimal.js";

$protobuf.util.Long = null;
$protobuf.configure();
`;

const OMIT = ['create', 'verify', 'convert', 'delimited', 'typeurl', 'service'].map((name) => `--no-${name}`);

function once(text, from, to) {
  if (text.split(from).length !== 2) throw new Error(`expected exactly one occurrence of: ${from}`);
  return text.replace(from, () => to);
}

function generate() {
  const require = createRequire(import.meta.url);
  const pbjs = join(dirname(require.resolve('protobufjs-cli/package.json')), 'bin', 'pbjs');
  const dir = mkdtempSync(join(tmpdir(), 'quorate-pbjs-'));
  try {
    const out = join(dir, 'messages.js');
    const options = ['-t', 'static-module', '-w', 'esm', '--force-number', ...OMIT, '-o', out, '-d'];
    execFileSync(process.execPath, [pbjs, ...options, join(root, 'src/peer/messages.proto')], { stdio: 'inherit' });
    const code = withoutDocs(readFileSync(out, 'utf8'));
    const types = readFileSync(join(dir, 'messages.d.ts'), 'utf8');
    return new Map([
      ['messages.js', NOTE + once(code, 'import $protobuf from "protobufjs/minimal.js";\n', SETUP)],
      ['messages.d.ts', NOTE + once(types, 'import Long = require("long");\n', '')],
    ]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** The declarations carry the same text. */
function withoutDocs(code) {
  return code.replace(/^ *\/\*\*[\s\S]*?\*\/\n\n?/gm, '');
}

function isStale(name, text) {
  try {
    return readFileSync(join(target, name), 'utf8') !== text;
  } catch {
    return true;
  }
}

const files = generate();
if (process.argv.includes('--check')) {
  const stale = FILES.filter((name) => isStale(name, files.get(name)));
  if (stale.length > 0) {
    console.error(
      `packages/protocol/generated: stale: ${stale.join(', ')}; run: npm run generate -w @quorate/protocol`,
    );
    process.exit(1);
  }
} else {
  mkdirSync(target, { recursive: true });
  for (const name of FILES) writeFileSync(join(target, name), files.get(name));
}
