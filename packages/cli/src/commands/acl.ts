import { askForChange } from '../change.ts';
import { type FlagTable, integerFlag, onePositional, type ParsedFlags, parseFlags } from '../flags.ts';
import { ACL_HELP } from '../help-identity.ts';
import { fetchAll } from '../listing.ts';
import { findNode } from '../some-node.ts';
import { runSubcommand } from '../subcommand.ts';
import { renderTable } from '../table.ts';
import { UsageError } from '../usage-error.ts';

const MAX_TOPICS = 64;
const MAX_POSITION = 1_000;

function oneOf<T extends string>(what: string, given: string | undefined, values: readonly T[]): T {
  const found = values.find((value) => value === given);
  if (found !== undefined) return found;
  throw new UsageError(`${what} is ${JSON.stringify(given ?? '')}: expected ${values.join(', ')}`);
}

function whoOf({ values, switches }: ParsedFlags): unknown {
  const given: unknown[] = [];
  for (const [flag, key] of [
    ['user', 'user'],
    ['client', 'clientId'],
    ['address', 'address'],
  ] as const) {
    const value = values.get(flag);
    if (value !== undefined) given.push({ [key]: value });
  }
  for (const name of ['authenticated', 'anonymous']) if (switches.has(name)) given.push(name);
  if (given.length > 1) {
    throw new UsageError('flags --user, --client, --address, --authenticated and --anonymous exclude each other');
  }
  return given[0] ?? 'all';
}

function qosList(given: string | undefined): readonly number[] | null {
  if (given === undefined) return null;
  if (/^[012](,[012]){0,2}$/.test(given)) return given.split(',').map(Number);
  throw new UsageError(`flag --qos is ${JSON.stringify(given)}: expected some of 0, 1 and 2, like 0,1`);
}

function retainOf(given: string | undefined): boolean | null {
  return given === undefined ? null : oneOf('flag --retain', given, ['true', 'false']) === 'true';
}

const ADD_FLAGS: FlagTable = {
  ...{ url: 'value', user: 'value', client: 'value', address: 'value', authenticated: 'switch', anonymous: 'switch' },
  ...{ qos: 'value', retain: 'value', position: 'value', id: 'value' },
};

async function add(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('acl add', args, ADD_FLAGS, MAX_TOPICS + 2);
  const [permissionGiven, actionGiven, ...topics] = flags.positionals;
  const permission = oneOf('the first argument', permissionGiven, ['allow', 'deny']);
  const action = oneOf('the second argument', actionGiven, ['publish', 'subscribe', 'all']);
  if (topics.length === 0) throw new UsageError('`quorate acl add` needs a topic filter: see `quorate acl --help`');
  const who = whoOf(flags);
  const id = flags.values.get('id');
  const position = flags.values.has('position') ? integerFlag(flags, 'position', 0, 0, MAX_POSITION) : undefined;
  const rest = { qos: qosList(flags.values.get('qos')), retain: retainOf(flags.values.get('retain')) };
  const body = {
    ...{ permission, who, action, topics, ...rest },
    ...(id === undefined ? {} : { id }),
    ...(position === undefined ? {} : { position }),
  };
  const { url } = await findNode(flags.values.get('url'));
  const rule = await askForChange(url, { method: 'POST', path: '/api/v1/acl/rules', body, what: 'add the rule' });
  process.stdout.write(`rule ${String(rule['id'])} was added\n`);
  return 0;
}

async function remove(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('acl remove', args, { url: 'value' }, 1);
  const id = onePositional('acl remove', flags, 'ID');
  const { url } = await findNode(flags.values.get('url'));
  const path = `/api/v1/acl/rules/${encodeURIComponent(id)}`;
  await askForChange(url, { method: 'DELETE', path, what: `remove rule ${id}` });
  process.stdout.write(`rule ${id} is gone\n`);
  return 0;
}

function showWho(who: unknown): string {
  if (typeof who === 'string') return who;
  const [[kind, value] = ['', '']] = Object.entries(who as Readonly<Record<string, string>>);
  return `${kind === 'clientId' ? 'client' : kind} ${value}`;
}

function showLimits(qos: unknown, retain: unknown): string {
  const parts = [
    Array.isArray(qos) ? `qos ${qos.join(',')}` : '',
    typeof retain === 'boolean' ? `retain ${String(retain)}` : '',
  ];
  return parts.filter((part) => part !== '').join(' ');
}

async function list(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('acl list', args, { url: 'value' });
  const { url } = await findNode(flags.values.get('url'));
  const rules = await fetchAll(url, '/api/v1/acl/rules');
  const rows = rules.map(({ id, permission, who, action, topics, qos, retain }, at) => [
    ...[String(at), String(id), String(permission), showWho(who), String(action)],
    ...[(topics as readonly string[]).join('  '), showLimits(qos, retain)],
  ]);
  process.stdout.write(renderTable([['', 'id', 'permission', 'who', 'action', 'topics', 'only'], ...rows]));
  return 0;
}

async function test(args: readonly string[]): Promise<number> {
  const table = {
    url: 'value',
    user: 'value',
    client: 'value',
    address: 'value',
    qos: 'value',
    retain: 'switch',
  } as const;
  const flags = await parseFlags('acl test', args, table, 2);
  const action = oneOf('the first argument', flags.positionals[0], ['publish', 'subscribe']);
  const topic = flags.positionals[1];
  if (topic === undefined) throw new UsageError('`quorate acl test` needs a topic: see `quorate acl --help`');
  const { values, switches } = flags;
  const body = {
    ...{ action, topic, qos: integerFlag(flags, 'qos', 0, 0, 2), retain: switches.has('retain') },
    ...{
      clientId: values.get('client') ?? '',
      userName: values.get('user') ?? null,
      address: values.get('address') ?? '',
    },
  };
  const { url } = await findNode(values.get('url'));
  const answer = await askForChange(url, { method: 'POST', path: '/api/v1/acl/test', body, what: 'test the rules' });
  process.stdout.write(`${answer['allowed'] === true ? 'allowed' : 'denied'}: ${String(answer['reason'])}\n`);
  return 0;
}

const PARTS = new Map([
  ['list', list],
  ['add', add],
  ['remove', remove],
  ['test', test],
]);

/** `quorate acl`. */
export async function acl(args: readonly string[]): Promise<number> {
  return await runSubcommand('acl', ACL_HELP, PARTS, args);
}
