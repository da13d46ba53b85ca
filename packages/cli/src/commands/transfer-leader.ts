import { askForChange } from '../change.ts';
import { parseFlags } from '../flags.ts';
import { TRANSFER_LEADER_HELP } from '../help.ts';
import { findNode } from '../some-node.ts';

/** `quorate transfer-leader`. */
export async function transferLeader(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('transfer-leader', args, { url: 'value', to: 'value' });
  if (flags.switches.has('help')) {
    process.stdout.write(TRANSFER_LEADER_HELP);
    return 0;
  }
  const to = flags.values.get('to');
  const { url } = await findNode(flags.values.get('url'));
  const what = `hand leadership over${to === undefined ? '' : ` to ${to}`}`;
  const body = to === undefined ? {} : { to };
  const answer = await askForChange(url, { method: 'POST', path: '/api/v1/leader', body, what });
  process.stdout.write(`${String(answer['id'])} is the leader now (term ${String(answer['term'])})\n`);
  return 0;
}
