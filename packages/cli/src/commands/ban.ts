import { askForChange } from '../change.ts';
import { type ParsedFlags, parseFlags } from '../flags.ts';
import { BAN_HELP } from '../help-identity.ts';
import { fetchAll } from '../listing.ts';
import { findNode } from '../some-node.ts';
import { runSubcommand } from '../subcommand.ts';
import { renderTable } from '../table.ts';
import { UsageError } from '../usage-error.ts';

/** What a ban can be of, as flags and as the HTTP API says it. */
const KINDS = [
  ['client', 'clientId'],
  ['user', 'user'],
  ['address', 'address'],
] as const;
const SUBJECT_FLAGS = { client: 'value', user: 'value', address: 'value' } as const;

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

interface Subject {
  readonly kind: string;
  readonly value: string;
}

function subjectOf(command: string, { values }: ParsedFlags): Subject {
  const given = KINDS.flatMap(([flag, kind]) => {
    const value = values.get(flag);
    return value === undefined ? [] : [{ kind, value }];
  });
  const [subject, ...more] = given;
  if (subject !== undefined && more.length === 0) return subject;
  throw new UsageError(`\`quorate ${command}\` needs one of --client ID, --user NAME and --address IP`);
}

/** Seconds of `90s`, `15m`, `12h` or `7d`. */
function durationOf(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const [, digits, unit = ''] = /^(\d{1,9})([smhd])$/.exec(given) ?? [];
  const seconds = Number(digits) * (UNITS[unit] ?? Number.NaN);
  if (seconds >= 1 && seconds <= 1_000_000_000) return seconds;
  throw new UsageError(`flag --for is ${JSON.stringify(given)}: expected a duration like 90s, 15m, 12h or 7d`);
}

async function add(args: readonly string[]): Promise<number> {
  const table = { url: 'value', ...SUBJECT_FLAGS, for: 'value', until: 'value', reason: 'value' } as const;
  const flags = await parseFlags('ban add', args, table);
  const { kind, value } = subjectOf('ban add', flags);
  const expiresInSec = durationOf(flags.values.get('for'));
  const until = flags.values.get('until');
  if (expiresInSec !== undefined && until !== undefined) {
    throw new UsageError('flags --for and --until exclude each other');
  }
  const reason = flags.values.get('reason');
  const { url } = await findNode(flags.values.get('url'));
  const body = {
    kind,
    value,
    ...(reason && { reason }),
    ...(expiresInSec && { expiresInSec }),
    ...(until && { until }),
  };
  const what = `ban ${kind} ${value}`;
  const ban = await askForChange(url, { method: 'POST', path: '/api/v1/bans', body, what });
  const end = typeof ban['expiresAt'] === 'string' ? `until ${ban['expiresAt']}` : 'until the ban is removed';
  process.stdout.write(`${kind} ${String(ban['value'])} is banned ${end}; its connections end\n`);
  return 0;
}

async function remove(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('ban remove', args, { url: 'value', ...SUBJECT_FLAGS });
  const { kind, value } = subjectOf('ban remove', flags);
  const { url } = await findNode(flags.values.get('url'));
  const path = `/api/v1/bans/${kind}/${encodeURIComponent(value)}`;
  await askForChange(url, { method: 'DELETE', path, what: `take back the ban of ${kind} ${value}` });
  process.stdout.write(`${kind} ${value} is not banned any more\n`);
  return 0;
}

async function list(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('ban list', args, { url: 'value' });
  const { url } = await findNode(flags.values.get('url'));
  const bans = await fetchAll(url, '/api/v1/bans');
  const rows = bans.map(({ kind, value, expiresAt, reason }) => [
    String(kind),
    String(value),
    typeof expiresAt === 'string' ? expiresAt : 'for ever',
    String(reason),
  ]);
  process.stdout.write(renderTable([['kind', 'value', 'until', 'reason'], ...rows]));
  return 0;
}

const PARTS = new Map([
  ['add', add],
  ['list', list],
  ['remove', remove],
]);

/** `quorate ban`. */
export async function ban(args: readonly string[]): Promise<number> {
  return await runSubcommand('ban', BAN_HELP, PARTS, args);
}
