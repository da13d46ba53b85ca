import { readFile } from 'node:fs/promises';
import { CommandError } from './command-error.ts';

const MAX_BYTES = 4_096;

function withoutNewline(text: string): string {
  return text.replace(/\r?\n$/, '');
}

function passwordOf(text: string, from: string): string {
  const password = withoutNewline(text);
  if (password === '') throw new CommandError(`${from} has no password: expected one line`);
  if (/[\r\n]/.test(password)) throw new CommandError(`${from} has more than one line: expected the password alone`);
  return password;
}

async function fromStdin(): Promise<string> {
  let text = '';
  for await (const chunk of process.stdin.setEncoding('utf8')) {
    text += String(chunk);
    if (text.length > MAX_BYTES) throw new CommandError('standard input is too long for a password');
  }
  return passwordOf(text, 'standard input');
}

/** Asks on the terminal and shows nothing of what is typed. */
function ask(question: string): Promise<string> {
  const { stdin, stderr } = process;
  return new Promise((resolve, reject) => {
    let typed = '';
    const end = (): void => {
      stdin.off('data', onData);
      stdin.setRawMode(false);
      stdin.pause();
      stderr.write('\n');
    };
    const onData = (chunk: string): void => {
      for (const character of chunk) {
        if (character === '\r' || character === '\n') {
          end();
          resolve(typed);
          return;
        }
        if (character === '\u0003' || character === '\u0004') {
          end();
          reject(new CommandError('no password was given'));
          return;
        }
        if (character === '\u007f' || character === '\b') typed = [...typed].slice(0, -1).join('');
        else if (typed.length < MAX_BYTES) typed += character;
      }
    };
    // First: what is typed at the sight of the question must not be shown.
    stdin.setRawMode(true);
    stderr.write(question);
    stdin.setEncoding('utf8');
    stdin.on('data', onData);
    stdin.resume();
  });
}

/**
 * A password from a file, standard input, or the terminal, where it is asked for twice. Never from the command line, which
 * every user of a machine can read.
 *
 * @param file path, `-` for standard input; undefined when none was named
 * @throws {CommandError} when there is none, or the two differ
 */
export async function readPassword(file: string | undefined, whose: string): Promise<string> {
  if (file !== undefined && file !== '-') return passwordOf(await readFile(file, 'utf8'), file);
  if (file === '-' || !process.stdin.isTTY) return await fromStdin();
  const password = passwordOf(await ask(`New password of ${whose}: `), 'the first line');
  if ((await ask('The same again: ')) !== password)
    throw new CommandError('the two passwords differ: nothing was changed');
  return password;
}
