import { parseArgs } from 'node:util';
import { checkDeployment } from './run/deployed.ts';
import { summaryOf } from './run/summary.ts';

const USAGE = `Checks a cluster that is running: clients on all its nodes keep books, and the books are compared with what MQTT and
Quorate promise. Nothing is done to the cluster; break it yourself meanwhile.

Usage: node jepsen-style-tests/dist/deployed-main.js --nodes HOST:PORT,HOST:PORT,... [options]

  --nodes HOST:PORT,...   where each node takes MQTT clients, without TLS
  --seconds N             how long clients work; 30 by default
  --workloads NAME,...    some of them; by default all that the broker can do
  --rate N                about how many publications a second; 200 by default
  --seed N                repeat a run's choices
  --report DIR            where histories and report go; a new folder for temporary files by default
  --username NAME         and the password in the environment: JEPSEN_MQTT_PASSWORD

Exit code: 0 nothing was found, 1 something was, 2 it could not be checked.`;

/** @throws when it is no number from 1 */
function numberOf(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value < 1) throw new Error(`--${name} must be a number from 1 on, got '${text}'`);
  return value;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string' },
      seconds: { type: 'string' },
      workloads: { type: 'string' },
      rate: { type: 'string' },
      seed: { type: 'string' },
      report: { type: 'string' },
      username: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true || values.nodes === undefined) {
    console.log(USAGE);
    return values.help === true ? 0 : 2;
  }
  const ratePerSec = numberOf('rate', values.rate);
  const seed = numberOf('seed', values.seed);
  const password = process.env['JEPSEN_MQTT_PASSWORD'];
  const result = await checkDeployment({
    nodes: values.nodes.split(','),
    seconds: numberOf('seconds', values.seconds) ?? 30,
    ...(values.workloads !== undefined && { workloads: values.workloads.split(',') }),
    ...(ratePerSec !== undefined && { ratePerSec }),
    ...(seed !== undefined && { seed }),
    ...(values.report !== undefined && { folder: values.report }),
    ...(values.username !== undefined && { username: values.username }),
    ...(password !== undefined && { password }),
    onProgress: ({ acknowledged, unacknowledged, deliveries }) =>
      process.stderr.write(`${acknowledged} acknowledged, ${unacknowledged} not, ${deliveries} delivered\n`),
  });
  for (const [name, why] of result.skipped) console.log(`${name}: left out, ${why}`);
  console.log(summaryOf(result));
  console.log(`seed ${result.seed}; histories in ${result.folder}`);
  console.log(result.files.map((file) => `  ${file}`).join('\n'));
  if (!result.drain.settled) return 1;
  return { ok: 0, anomalies: 1, undecided: 2 }[result.verdict];
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 2;
  },
);
