import { pathsOf } from './groups.ts';
import { type Group, isKey, type Key } from './key-types.ts';
import { KEYS } from './keys.ts';

/** What is said about one key. */
interface Row {
  readonly path: string;
  readonly key: Key<unknown>;
}

function keyAt(group: Group, path: string): Key<unknown> {
  const entry = path.split('.').reduce<Group | Key<unknown> | undefined>((at, name) => (at as Group)[name], group);
  if (entry === undefined || !isKey(entry)) throw new Error(`no key ${path}`);
  return entry;
}

/** Every key, a list followed by the keys of its items: `listeners[].bind`. */
const ROWS: readonly Row[] = KEYS.flatMap(({ path, key }) => {
  const { items } = key;
  const rows: Row[] = [{ path, key }];
  if (items === undefined) return rows;
  return [...rows, ...pathsOf(items, '').map((each) => ({ path: `${path}[].${each}`, key: keyAt(items, each) }))];
});

const INDENT = 6;

function wrap(sentence: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of sentence.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = '';
    }
    line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}

function defaultOf(entry: Row): string {
  return entry.key.required ? 'required' : `default: ${entry.key.defaultText ?? ''}`;
}

/** Every key with flag, default, what is expected and what it does, as plain text `width` columns wide. */
export function configHelp(width = 100): string {
  return ROWS.map((entry) => {
    const flag = entry.key.flag === undefined ? '' : `, --${entry.key.flag}`;
    const body = `${entry.key.doc} Expects ${entry.key.expected}.`;
    const lines = wrap(body, width - INDENT).map((line) => ' '.repeat(INDENT) + line);
    return [`  ${entry.path}${flag}  (${defaultOf(entry)})`, ...lines].join('\n');
  }).join('\n');
}

/** The same as a Markdown table, for the documentation. */
export function configMarkdown(): string {
  const cell = (content: string): string => content.replaceAll('|', '\\|');
  const rows = ROWS.map((entry) => {
    const names = [`\`${entry.path}\``, ...(entry.key.flag === undefined ? [] : [`\`--${entry.key.flag}\``])].join(
      '<br>',
    );
    const columns = [names, defaultOf(entry).replace('default: ', ''), entry.key.expected, entry.key.doc];
    return `| ${columns.map(cell).join(' | ')} |`;
  });
  return ['| key | default | expected | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}
