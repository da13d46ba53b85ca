import { askForChange } from '../change.ts';
import { onePositional, parseFlags } from '../flags.ts';
import { REMOVE_HELP } from '../help.ts';
import { findNode } from '../some-node.ts';

/** `quorate remove`. */
export async function remove(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('remove', args, { url: 'value' }, 1);
  if (flags.switches.has('help')) {
    process.stdout.write(REMOVE_HELP);
    return 0;
  }
  const id = onePositional('remove', flags, 'ID');
  const { url } = await findNode(flags.values.get('url'));
  const path = `/api/v1/members/${encodeURIComponent(id)}`;
  await askForChange(url, { method: 'DELETE', path, what: `remove ${id}` });
  process.stdout.write(`${id} is no member any more: if it still runs, stop it\n`);
  return 0;
}
