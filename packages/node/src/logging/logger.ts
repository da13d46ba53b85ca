import { Writable } from 'node:stream';
import { isatty } from 'node:tty';
import pino, { type DestinationStream, type LoggerOptions, type Logger as PinoLogger } from 'pino';
import pretty from 'pino-pretty';
import type { NodeConfig } from '../config/index.ts';

/** The logger that every part of a node is given. */
export type Logger = PinoLogger;

const STDOUT = 1;
/** Lines that wait for a slow reader of standard output; beyond that lines are dropped and counted. */
const MAX_WAITING_CHARS = 4 * 1024 * 1024;

/** Buffered, so that a reader that stopped reading cannot stop the node. Flushed when the process exits. */
function jsonDestination(reportDropped: (lines: number) => void): DestinationStream {
  const destination = pino.destination({ dest: STDOUT, sync: false, minLength: 0, maxLength: MAX_WAITING_CHARS });
  let dropped = 0;
  destination.on('drop', () => {
    dropped++;
  });
  destination.on('drain', () => {
    if (dropped === 0) return;
    const lines = dropped;
    dropped = 0;
    reportDropped(lines);
  });
  return destination;
}

/** pino-pretty writes to streams only. */
function asStream(destination: DestinationStream): Writable {
  return new Writable({
    decodeStrings: false,
    write: (line: string, _encoding, done) => {
      destination.write(line);
      done();
    },
  });
}

/**
 * The logger of a node: JSON lines with the level as a word, ISO time and the node's id as `node`;
 * lines for people when `log.pretty` says so, or on a terminal.
 *
 * @param destination where lines go instead of standard output
 */
export function createLogger(config: Pick<NodeConfig, 'nodeId' | 'log'>, destination?: DestinationStream): Logger {
  const options: LoggerOptions = {
    level: config.log.level,
    base: { node: config.nodeId },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  const usePretty = config.log.pretty === 'auto' ? destination === undefined && isatty(STDOUT) : config.log.pretty;
  if (usePretty) {
    const stream = pretty({
      colorize: destination === undefined && isatty(STDOUT) && process.env['NO_COLOR'] === undefined,
      translateTime: 'SYS:HH:MM:ss.l',
      ignore: 'node,component',
      messageFormat: '{node} {msg}',
      // A terminal is read by a person who may press Ctrl-C: nothing may be lost in a buffer then.
      sync: true,
      destination: destination === undefined ? STDOUT : asStream(destination),
    });
    return pino(options, stream);
  }
  if (destination !== undefined) return pino(options, destination);
  const logger: Logger = pino(
    options,
    jsonDestination((lines) => {
      logger.warn({ lines }, 'log lines were dropped: standard output was not read fast enough');
    }),
  );
  return logger;
}
