/** Reads docs/conformance.md, and from the tests which statements they show. */

export interface TableRow {
  /** As the specification numbers it, without `MQTT-`. */
  readonly id: string;
  readonly says: string;
  readonly kind: string;
  /** Test files in backticks, or the reason. */
  readonly where: string;
  readonly files: readonly string[];
}

/** The rows below the heading of this version. */
export function readTable(document: string, version: string): TableRow[] {
  const [, after] = document.split(`\n## MQTT ${version}\n`.slice(document.startsWith('## ') ? 1 : 0));
  if (after === undefined) throw new Error(`no section on MQTT ${version}`);
  const [section] = after.split('\n## ') as [string];
  return [...section.matchAll(/^\| *(\d[\d.-]+-\d+) *\|([^|]*)\|([^|]*)\|([^|]*)\|$/gm)].map((found) => {
    const [, id, says, kind, where] = found.map((cell) => cell.trim()) as [string, string, string, string, string];
    return { id, says, kind, where, files: [...where.matchAll(/`([\w-]+)`/g)].map(([, file]) => file as string) };
  });
}

/** That a test of this file shows a statement. */
export interface Claim {
  readonly file: string;
  readonly version: string;
  readonly id: string;
}

/** Finds the calls of `shows` in the text of a test file. */
export function claimsOf(file: string, text: string): Claim[] {
  const found: Claim[] = [];
  for (const [, statements] of text.matchAll(/\bshows\(\s*test,\s*\{([^}]*)\}/g)) {
    for (const [, version, ids] of (statements as string).matchAll(/'v([\d.]+)':\s*'([^']*)'/g)) {
      for (const id of (ids as string).split(', ')) found.push({ file, version: version as string, id });
    }
  }
  return found;
}
