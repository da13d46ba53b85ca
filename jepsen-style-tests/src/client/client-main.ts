import { createInterface } from 'node:readline';
import { Clients } from './clients.ts';
import type { ClientPlan, ClientReport } from './plan.ts';

/*
 * A process with many clients, on one host of the network. Reads its plan and then commands from standard input, a line each;
 * tells on standard output how it fares, as JSON lines. When standard input ends without `stop`, its coordinator is gone and
 * it goes too.
 */

const LOOK_MS = 50;
const COUNTS_MS = 1_000;

function tell(report: ClientReport): void {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exit(1);
}

async function stop(clients: Clients, timers: readonly NodeJS.Timeout[]): Promise<void> {
  for (const timer of timers) clearInterval(timer);
  await clients.stop();
  tell(clients.counts());
  tell({ event: 'stopped' });
}

async function main(): Promise<void> {
  const lines = createInterface({ input: process.stdin });
  let clients: Clients | null = null;
  let timers: NodeJS.Timeout[] = [];
  for await (const line of lines) {
    if (clients === null) {
      const started = new Clients(JSON.parse(line) as ClientPlan);
      clients = started;
      started.start();
      const look = setInterval(() => {
        if (!started.ready) return;
        clearInterval(look);
        tell({ event: 'ready' });
      }, LOOK_MS);
      timers = [look, setInterval(() => tell(started.counts()), COUNTS_MS)];
    } else if (line === 'drain') {
      clients.drain();
    } else if (line === 'stop') {
      await stop(clients, timers);
      lines.close();
      process.stdin.destroy();
      return;
    } else {
      throw new Error(`no command ${line}; there are drain and stop`);
    }
  }
  process.exit(clients === null ? 0 : 1);
}

process.on('uncaughtException', fail);
process.on('unhandledRejection', fail);
main().catch(fail);
