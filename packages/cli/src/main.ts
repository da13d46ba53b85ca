import { describeFailure, printFailure } from './failure.ts';
import { HELP } from './help.ts';
import { UsageError } from './usage-error.ts';

type Command = (args: readonly string[]) => Promise<number> | number;

/** Each command is loaded when it is called: most need nothing of a node. */
const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['start', async (args) => (await import('./commands/start.ts')).start(args)],
  ['dev', async (args) => (await import('./commands/dev.ts')).dev(args)],
  ['status', async (args) => (await import('./commands/status.ts')).status(args)],
  ['join', async (args) => (await import('./commands/join.ts')).join(args)],
  ['remove', async (args) => (await import('./commands/remove.ts')).remove(args)],
  ['transfer-leader', async (args) => (await import('./commands/transfer-leader.ts')).transferLeader(args)],
  ['settings', async (args) => (await import('./commands/settings.ts')).settings(args)],
  ['user', async (args) => (await import('./commands/user.ts')).user(args)],
  ['acl', async (args) => (await import('./commands/acl.ts')).acl(args)],
  ['ban', async (args) => (await import('./commands/ban.ts')).ban(args)],
  ['version', async () => (await import('./commands/version.ts')).version()],
  ['help', help],
]);

const ALIASES: ReadonlyMap<string, string> = new Map([
  ['--help', 'help'],
  ['-h', 'help'],
  ['--version', 'version'],
  ['-v', 'version'],
]);

async function unknownCommand(name: string): Promise<UsageError> {
  const { nearest } = await import('@quorate/node');
  const near = nearest(name, COMMANDS.keys());
  const hint = near === undefined ? 'see `quorate help`' : `did you mean ${near}?`;
  return new UsageError(`unknown command ${JSON.stringify(name)}: ${hint}`);
}

/** `quorate help [COMMAND]`. */
async function help(args: readonly string[]): Promise<number> {
  const [topic] = args;
  if (topic === undefined || topic === 'help' || topic === 'version') {
    process.stdout.write(HELP);
    return 0;
  }
  const command = COMMANDS.get(topic);
  if (command === undefined) throw await unknownCommand(topic);
  return command(['--help']);
}

/**
 * The `quorate` command.
 *
 * @param args the command line after the program's name
 * @returns the exit code: 0 done, 1 failed, 2 command line not understood
 */
export async function main(args: readonly string[]): Promise<number> {
  const [given = 'help', ...rest] = args;
  try {
    const command = COMMANDS.get(ALIASES.get(given) ?? given);
    if (command === undefined) throw await unknownCommand(given);
    return await command(rest);
  } catch (error) {
    const { sentence, foreseen } = describeFailure(error);
    printFailure(sentence);
    if (!foreseen && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}
