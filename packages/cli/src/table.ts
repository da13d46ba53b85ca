/**
 * Rows as aligned columns, two spaces apart.
 *
 * @param rows the first one is the heading
 * @param indent spaces before every line
 */
export function renderTable(rows: readonly (readonly string[])[], indent = 0): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows
    .map((row) => ' '.repeat(indent) + row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}
