import { askForChange } from '../change.ts';
import { CommandError } from '../command-error.ts';
import { integerFlag, onePositional, type ParsedFlags, parseFlags } from '../flags.ts';
import { JOIN_HELP } from '../help.ts';
import { JoinWatch } from '../join-watch.ts';
import type { JoinGoal } from '../member.ts';
import { findNode } from '../some-node.ts';
import { UsageError } from '../usage-error.ts';

const DEFAULT_TIMEOUT_SEC = 300;
const MAX_TIMEOUT_SEC = 86_400;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The parts of `n4=10.0.0.4:7001`. What an id and an address look like, the cluster says. */
function newMember(flags: ParsedFlags): { readonly id: string; readonly peer: string } {
  const given = onePositional('join', flags, 'ID=HOST:PORT');
  const [, id, peer] = /^([^=]+)=(.+:\d+)$/.exec(given) ?? [];
  if (id !== undefined && peer !== undefined) return { id, peer };
  throw new UsageError(`the node is ${JSON.stringify(given)}: expected ID=HOST:PORT, for example n4=10.0.0.4:7001`);
}

/** `quorate join`. */
export async function join(args: readonly string[]): Promise<number> {
  const flags = await parseFlags(
    'join',
    args,
    { url: 'value', learner: 'switch', replaces: 'value', 'no-wait': 'switch', 'timeout-sec': 'value' },
    1,
  );
  if (flags.switches.has('help')) {
    process.stdout.write(JOIN_HELP);
    return 0;
  }
  const { id, peer } = newMember(flags);
  const timeoutSec = integerFlag(flags, 'timeout-sec', DEFAULT_TIMEOUT_SEC, 1, MAX_TIMEOUT_SEC);
  const goal: JoinGoal = { id, voter: !flags.switches.has('learner'), replaces: flags.values.get('replaces') };
  if (!goal.voter && goal.replaces !== undefined) {
    throw new UsageError('flags --learner and --replaces exclude each other: only a voter takes the place of a member');
  }
  const found = await findNode(flags.values.get('url'));
  const { voter, replaces } = goal;
  const body = { id, peer, voter, ...(replaces === undefined ? {} : { replaces }) };
  const answer = await askForChange(found.url, { method: 'POST', path: '/api/v1/members', body, what: `join ${id}` });
  say(`${id} at ${peer} was accepted: ${String(answer['reason'])}`);
  if (flags.switches.has('no-wait')) return 0;
  const { joined, standing } = await new JoinWatch(found, goal, say).run(timeoutSec * 1000);
  if (joined) {
    say(`${id} ${standing}${replaces === undefined ? '' : `, ${replaces} has left`}`);
    return 0;
  }
  const until = `${id} is not a ${voter ? 'voter' : 'learner'} after ${String(timeoutSec)} s: it ${standing}`;
  throw new CommandError(
    `${until}. It goes on by itself: see \`quorate status\`; \`quorate remove ${id}\` takes it back`,
  );
}
