import type { RunReport } from './run-report.ts';

/** Characters that XML 1.0 can not hold at all, not even escaped. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNWRITABLE = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

/** Text as it stands in XML or HTML, in an attribute too. */
export function escaped(text: string): string {
  return text
    .replace(UNWRITABLE, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** A run for a CI server: each checker is a test case. */
export function junitOf({ title, checks, durationMs, command }: RunReport): string {
  const count = (verdict: string): number => checks.filter((check) => check.verdict === verdict).length;
  const cases = checks.map(({ name, verdict, detail, anomalies, anomalyCount }) => {
    const head = `    <testcase classname="${escaped(title)}" name="${escaped(name)}"`;
    if (verdict === 'holds') return `${head}/>`;
    if (verdict !== 'broken') return `${head}><skipped message="${escaped(`${verdict}: ${detail}`)}"/></testcase>`;
    const sentences = anomalies.map(({ promise, kind, sentence }) => `${promise} ${kind}: ${sentence}`);
    const message = escaped(`${anomalyCount} anomalies; again: ${command}`);
    return `${head}><failure message="${message}">${escaped(sentences.join('\n'))}</failure></testcase>`;
  });
  const skipped = count('undecided') + count('not applicable');
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<testsuites>',
    `  <testsuite name="${escaped(title)}" tests="${checks.length}" failures="${count('broken')}" skipped="${skipped}" time="${(durationMs / 1000).toFixed(3)}">`,
    ...cases,
    '  </testsuite>',
    '</testsuites>',
    '',
  ].join('\n');
}
