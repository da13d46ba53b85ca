/*
 * Puts the optional per-platform packages of Biome that a registry did not offer back into package-lock.json.
 *
 * `npm install` leaves an optional dependency that it cannot find out of the lock file, and `npm ci` then refuses
 * that lock file on every platform. All platform packages of Biome share one version and differ in os, cpu and libc,
 * which their names tell. Run after `npm install`; changes nothing when the lock file is complete.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const PREFIX = '@biomejs/cli-';
const path = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(path, 'utf8'));
const biome = lock.packages['node_modules/@biomejs/biome'];
let added = 0;
for (const [name, version] of Object.entries(biome.optionalDependencies)) {
  const key = `node_modules/${name}`;
  if (lock.packages[key] !== undefined || !name.startsWith(PREFIX)) continue;
  const [os, cpu, musl] = name.slice(PREFIX.length).split('-');
  lock.packages[key] = {
    version,
    cpu: [cpu],
    dev: true,
    ...(os === 'linux' ? { libc: [musl ?? 'glibc'] } : {}),
    license: biome.license,
    optional: true,
    os: [os],
    engines: biome.engines,
  };
  added++;
}
if (added > 0) {
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : 1));
  lock.packages = Object.fromEntries(sorted);
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
}
console.log(`package-lock.json: ${added} platform packages added`);
