import { KEYS, type KeyEntry } from './keys.ts';

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

function defaultOf(entry: KeyEntry): string {
  return entry.key.required ? 'required' : `default: ${entry.key.defaultText ?? ''}`;
}

/** Every key with flag, default, what is expected and what it does, as plain text `width` columns wide. */
export function configHelp(width = 100): string {
  return KEYS.map((entry) => {
    const flag = entry.key.flag === undefined ? '' : `, --${entry.key.flag}`;
    const body = `${entry.key.doc} Expects ${entry.key.expected}.`;
    const lines = wrap(body, width - INDENT).map((line) => ' '.repeat(INDENT) + line);
    return [`  ${entry.path}${flag}  (${defaultOf(entry)})`, ...lines].join('\n');
  }).join('\n');
}

/** The same as a Markdown table, for the documentation. */
export function configMarkdown(): string {
  const cell = (content: string): string => content.replaceAll('|', '\\|');
  const rows = KEYS.map((entry) => {
    const names = [`\`${entry.path}\``, ...(entry.key.flag === undefined ? [] : [`\`--${entry.key.flag}\``])].join(
      '<br>',
    );
    const columns = [names, defaultOf(entry).replace('default: ', ''), entry.key.expected, entry.key.doc];
    return `| ${columns.map(cell).join(' | ')} |`;
  });
  return ['| key | default | expected | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}
