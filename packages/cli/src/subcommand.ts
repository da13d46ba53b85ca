import { UsageError } from './usage-error.ts';

type Subcommand = (args: readonly string[]) => Promise<number>;

/**
 * Runs the part of a command that its first argument names; help is shown without one.
 *
 * @throws {UsageError} when there is no such part
 */
export async function runSubcommand(
  command: string,
  help: string,
  parts: ReadonlyMap<string, Subcommand>,
  args: readonly string[],
): Promise<number> {
  const [name, ...rest] = args;
  if (name === '--help' || name === '-h') {
    process.stdout.write(help);
    return 0;
  }
  const names = [...parts.keys()];
  if (name === undefined || name.startsWith('-'))
    throw new UsageError(`\`quorate ${command}\` needs one of ${names.join(', ')}`);
  const part = parts.get(name);
  if (part === undefined) {
    const expected = `expected one of ${names.join(', ')}; see \`quorate ${command} --help\``;
    throw new UsageError(`unknown command ${JSON.stringify(`${command} ${name}`)}: ${expected}`);
  }
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(help);
    return 0;
  }
  return await part(rest);
}
