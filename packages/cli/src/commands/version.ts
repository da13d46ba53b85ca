import { readFileSync } from 'node:fs';

/** The release, from the package. */
export function release(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const parsed = JSON.parse(text) as { readonly version: string };
  return parsed.version;
}

/** `quorate version`. */
export function version(): number {
  process.stdout.write(`quorate ${release()} (Node.js ${process.version})\n`);
  return 0;
}
