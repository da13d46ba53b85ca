import { createServer } from 'node:net';
import { CommandError } from '../command-error.ts';
import { HOST, type NodePlan } from './plan.ts';

/** Undefined when the port is free, else the error code. */
function tryPort(port: number): Promise<string | undefined> {
  return new Promise((done) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      done(error.code ?? error.message);
    });
    server.listen({ host: HOST, port, exclusive: true }, () => {
      server.close(() => {
        done(undefined);
      });
    });
  });
}

/** @throws {CommandError} that names the first port of the plan that cannot be used, and the flag to move it */
export async function demandFreePorts(plan: readonly NodePlan[]): Promise<void> {
  for (const node of plan) {
    for (const [name, port, flag] of [
      ['MQTT', node.mqttPort, '--mqtt-port'],
      ['HTTP', node.httpPort, '--http-port'],
      ['peer', node.peerPort, '--peer-port'],
    ] as const) {
      const code = await tryPort(port);
      if (code === undefined) continue;
      const what = `${HOST}:${String(port)} (${name} port of ${node.id})`;
      const problem = code === 'EADDRINUSE' ? 'is in use by another process' : `cannot be used (${code})`;
      throw new CommandError(`${what} ${problem}: stop that one, or move all ${name} ports with ${flag}`);
    }
  }
}
