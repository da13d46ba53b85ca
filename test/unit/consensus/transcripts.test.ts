/**
 * Transcripts: one readable file per part of the protocol, commands and what comes of them. They are documentation and
 * test in one. With QUORATE_UPDATE_TRANSCRIPTS=1 the answers are written anew; read the difference before keeping it.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { assert, suite } from '../../support/suite.ts';
import { Script } from './support/script.ts';

const test = suite('consensus transcripts');
const directory = new URL('transcripts/', import.meta.url);

/** Prose begins with `#`, a command with `>`; what follows a command up to the next such line is its answer. */
function play(text: string): string {
  const script = new Script();
  const out: string[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith('#') && !line.startsWith('> ') && line !== '') continue;
    if (line !== '' || out.at(-1) !== '') out.push(line);
    if (line.startsWith('> ')) out.push(...script.run(line.slice(2)).map((answer) => `  ${answer}`));
  }
  return out.join('\n');
}

const files = readdirSync(directory)
  .filter((name) => name.endsWith('.txt'))
  .sort();

for (const name of files) {
  test(name.replace('.txt', ''), () => {
    const file = new URL(name, directory);
    const expected = readFileSync(file, 'utf8');
    const actual = play(expected);
    if (process.env['QUORATE_UPDATE_TRANSCRIPTS'] === '1') writeFileSync(file, actual);
    else assert.is(actual, expected);
  });
}

test('there is a transcript for every part of the protocol', () => {
  assert.ok(files.length >= 22, files.join(' '));
});

test.run();
