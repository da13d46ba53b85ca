import { askForChange } from '../change.ts';
import { type FlagTable, onePositional, type ParsedFlags, parseFlags } from '../flags.ts';
import { USER_HELP } from '../help-identity.ts';
import { fetchAll } from '../listing.ts';
import { readPassword } from '../prompt.ts';
import { findNode } from '../some-node.ts';
import { runSubcommand } from '../subcommand.ts';
import { renderTable } from '../table.ts';
import { UsageError } from '../usage-error.ts';

const WITH_PASSWORD: FlagTable = { url: 'value', 'password-file': 'value' };

function pathOf(name: string): string {
  return `/api/v1/users/${encodeURIComponent(name)}`;
}

function say(line: string): number {
  process.stdout.write(`${line}\n`);
  return 0;
}

/** True or false for the switches --superuser and --no-superuser, undefined without either. */
function superuserOf({ switches }: ParsedFlags): boolean | undefined {
  const [yes, no] = [switches.has('superuser'), switches.has('no-superuser')];
  if (yes && no) throw new UsageError('flags --superuser and --no-superuser exclude each other');
  return yes ? true : no ? false : undefined;
}

async function add(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('user add', args, { ...WITH_PASSWORD, superuser: 'switch' }, 1);
  const name = onePositional('user add', flags, 'NAME');
  const { url } = await findNode(flags.values.get('url'));
  const password = await readPassword(flags.values.get('password-file'), name);
  const superuser = flags.switches.has('superuser');
  const body = { name, password, superuser };
  await askForChange(url, { method: 'POST', path: '/api/v1/users', body, what: `add user ${name}` });
  return say(`user ${name} was added${superuser ? ', a superuser' : ''}`);
}

async function passwd(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('user passwd', args, WITH_PASSWORD, 1);
  const name = onePositional('user passwd', flags, 'NAME');
  const { url } = await findNode(flags.values.get('url'));
  const password = await readPassword(flags.values.get('password-file'), name);
  const what = `change the password of ${name}`;
  await askForChange(url, { method: 'PATCH', path: pathOf(name), body: { password }, what });
  return say(`user ${name} has a new password; connections made with the old one end`);
}

async function set(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('user set', args, { url: 'value', superuser: 'switch', 'no-superuser': 'switch' }, 1);
  const name = onePositional('user set', flags, 'NAME');
  const superuser = superuserOf(flags);
  if (superuser === undefined) throw new UsageError('`quorate user set` needs --superuser or --no-superuser');
  const { url } = await findNode(flags.values.get('url'));
  await askForChange(url, { method: 'PATCH', path: pathOf(name), body: { superuser }, what: `change user ${name}` });
  return say(`user ${name} is ${superuser ? 'a superuser now' : 'no superuser any more'}`);
}

async function remove(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('user remove', args, { url: 'value' }, 1);
  const name = onePositional('user remove', flags, 'NAME');
  const { url } = await findNode(flags.values.get('url'));
  await askForChange(url, { method: 'DELETE', path: pathOf(name), what: `remove user ${name}` });
  return say(`user ${name} is gone; its connections end`);
}

async function list(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('user list', args, { url: 'value' });
  const { url } = await findNode(flags.values.get('url'));
  const users = await fetchAll(url, '/api/v1/users');
  const rows = users.map((user) => [String(user['name']), user['superuser'] === true ? 'superuser' : '']);
  process.stdout.write(renderTable([['user', ''], ...rows]));
  return 0;
}

const PARTS = new Map([
  ['add', add],
  ['passwd', passwd],
  ['set', set],
  ['list', list],
  ['remove', remove],
]);

/** `quorate user`. */
export async function user(args: readonly string[]): Promise<number> {
  return await runSubcommand('user', USER_HELP, PARTS, args);
}
