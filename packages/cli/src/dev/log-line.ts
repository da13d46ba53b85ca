interface LogLine {
  readonly time?: unknown;
  readonly level?: unknown;
  readonly msg?: unknown;
  readonly node?: unknown;
}

function parse(line: string): (LogLine & Readonly<Record<string, unknown>>) | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    return JSON.parse(line) as LogLine & Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

/** One line of a node's log for a terminal that shows several nodes; lines that are not JSON stay as they are. */
export function formatLogLine(id: string, line: string): string {
  const parsed = parse(line);
  if (parsed === undefined) return `${id} | ${line}`;
  const { time, level, msg, node: _node, ...rest } = parsed;
  const clock = typeof time === 'string' ? time.slice(11, 23) : '';
  const details = Object.entries(rest).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return [id, '|', clock, String(level).padEnd(5), String(msg), ...details].join(' ');
}
