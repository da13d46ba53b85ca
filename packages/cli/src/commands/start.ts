import type * as Node from '@quorate/node';
import type { Logger, NodeConfig, SupervisedNode } from '@quorate/node';
import { describeFailure, printFailure } from '../failure.ts';
import { type FlagTable, type ParsedFlags, parseFlags } from '../flags.ts';
import { START_HELP } from '../help.ts';
import { listenForStop } from '../stop-signal.ts';

type NodePackage = typeof Node;

/**
 * Says why in one line, also in the log: that may be all that is kept. The stack goes to the log for a fault of the program, else nowhere
 * but at level debug.
 */
function fail(error: unknown, config?: NodeConfig, logger?: Logger): number {
  const { sentence, foreseen } = describeFailure(error, config);
  if (foreseen) logger?.fatal(sentence);
  else logger?.fatal({ err: error }, 'the node ends');
  printFailure(sentence);
  if (logger?.isLevelEnabled('debug') === true && error instanceof Error) {
    process.stderr.write(`${error.stack ?? error.message}\n`);
  }
  return 1;
}

/** After an error that nobody caught the state of the process is unknown: it ends and acknowledges nothing more. */
function endOnUncaught(config: NodeConfig, logger: Logger): void {
  const end = (error: unknown): void => {
    process.exit(fail(error, config, logger));
  };
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
}

async function runNode(node: NodePackage, config: NodeConfig): Promise<number> {
  const logger = node.createLogger(config);
  endOnUncaught(config, logger);
  for (const warning of node.configWarnings(config)) logger.warn(warning);
  let running: SupervisedNode | undefined;
  const stopNow = (): void => {
    printFailure('stopped at once by a second signal');
    process.exit(1);
  };
  const stopSignal = listenForStop(stopNow, () => void running?.reloadCertificates());
  try {
    running = node.runNode(config, logger);
    const failure = await Promise.race([stopSignal.requested, running.failed]);
    if (failure !== undefined) return fail(failure, config, logger);
    await running.stop();
    return 0;
  } catch (error) {
    return fail(error, config, logger);
  } finally {
    stopSignal.dispose();
  }
}

function configOf(node: NodePackage, flags: ParsedFlags): NodeConfig {
  const { config: file, ...rest } = Object.fromEntries(flags.values);
  return node.loadConfig({ flags: rest, env: process.env, file });
}

/** `quorate start`: runs until a signal or a failure. */
export async function start(args: readonly string[]): Promise<number> {
  const node = await import('@quorate/node');
  const keys = [...node.KEYS_BY_FLAG.keys()].map((flag) => [flag, 'value'] as const);
  const table: FlagTable = { ...Object.fromEntries(keys), config: 'value' };
  const flags = await parseFlags('start', args, table);
  if (flags.switches.has('help')) {
    process.stdout.write(`${START_HELP}${node.configHelp(process.stdout.columns ?? 100)}\n`);
    return 0;
  }
  let config: NodeConfig;
  try {
    config = configOf(node, flags);
  } catch (error) {
    return fail(error);
  }
  return runNode(node, config);
}
