/** The command. */
import { runBench } from './bench.ts';

process.exitCode = await runBench(process.argv.slice(2), {
  print: (line) => process.stdout.write(`${line}\n`),
  note: (line) => process.stderr.write(`${line}\n`),
});
