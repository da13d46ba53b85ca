import { getJson, isRecord, reasonOf } from '../api.ts';
import { askForChange } from '../change.ts';
import { CommandError } from '../command-error.ts';
import { parseFlags } from '../flags.ts';
import { SETTINGS_HELP } from '../help.ts';
import { findNode } from '../some-node.ts';
import { UsageError } from '../usage-error.ts';

const PATH = '/api/v1/settings';
const MAX_SETTINGS = 16;

/** `quorate settings`. */
export async function settings(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('settings', args, { url: 'value' }, MAX_SETTINGS);
  if (flags.switches.has('help')) {
    process.stdout.write(SETTINGS_HELP);
    return 0;
  }
  const body = changesOf(flags.positionals);
  const { url } = await findNode(flags.values.get('url'));
  const isChange = Object.keys(body).length > 0;
  const answer = isChange
    ? await askForChange(url, { method: 'PUT', path: PATH, body, what: 'change the settings' })
    : await current(url);
  for (const [key, value] of Object.entries(answer)) process.stdout.write(`${key}=${String(value)}\n`);
  return 0;
}

/** Whole numbers become numbers; what a setting can be is the node's to say. */
function changesOf(given: readonly string[]): Record<string, string | number> {
  const changes: Record<string, string | number> = {};
  for (const each of given) {
    const at = each.indexOf('=');
    if (at <= 0 || at === each.length - 1) {
      throw new UsageError(`setting ${JSON.stringify(each)}: expected KEY=VALUE, see \`quorate settings --help\``);
    }
    const key = each.slice(0, at);
    if (Object.hasOwn(changes, key)) throw new UsageError(`setting ${key} is given twice`);
    const value = each.slice(at + 1);
    changes[key] = /^\d{1,15}$/.test(value) ? Number(value) : value;
  }
  return changes;
}

async function current(baseUrl: string): Promise<Readonly<Record<string, unknown>>> {
  const { status, body } = await getJson(new URL(PATH, baseUrl).href).catch((error: unknown) => {
    throw new CommandError(`${baseUrl} cannot be reached: ${reasonOf(error)}`);
  });
  if (status === 200 && isRecord(body)) return body;
  const reason = isRecord(body) && typeof body['reason'] === 'string' ? body['reason'] : 'is it a Quorate node?';
  throw new CommandError(`${baseUrl} answered ${String(status)}: ${reason}`);
}
