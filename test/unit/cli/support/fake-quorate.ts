import { createServer } from 'node:http';
import { main } from '@quorate/cli';

/*
 * `quorate` with a `start` that only pretends: an HTTP server that says what a cluster of three would say, with the
 * node of the lowest id that answers as the leader. `quorate dev` starts its nodes by running this script again.
 */

function flag(args: readonly string[], name: string): string {
  const at = args.indexOf(`--${name}`);
  return args[at + 1] ?? '';
}

interface Member {
  readonly id: string;
  readonly http: string;
}

async function alive(member: Member): Promise<boolean> {
  try {
    return (await fetch(`http://${member.http}/livez`)).ok;
  } catch {
    return false;
  }
}

function membersOf(args: readonly string[]): Member[] {
  const ownPeer = Number(flag(args, 'peer').split(':')[1]);
  const ownHttp = Number(flag(args, 'http').split(':')[1]);
  return flag(args, 'cluster')
    .split(',')
    .map((pair) => {
      const [id = '', address = ''] = pair.split('=');
      // As `quorate dev` counts ports.
      const port = ownHttp + Number(address.split(':')[1]) - ownPeer;
      return { id, http: `127.0.0.1:${String(port)}` };
    });
}

function fakeStart(args: readonly string[]): void {
  const members = membersOf(args);
  const clusterOf = async () => {
    const living = await Promise.all(members.map(alive));
    const leader = members.find((_, at) => living[at] === true)?.id ?? null;
    const nodes = members.map(({ id, http }, at) => {
      const role = living[at] !== true ? 'unreachable' : id === leader ? 'leader' : 'follower';
      return { id, role, http, mqtt: null, peer: null, self: id === flag(args, 'node-id') };
    });
    return { clusterId: 'fake', term: 1, leader, commitIndex: 1, appliedIndex: 1, nodes };
  };
  const server = createServer((request, response) => {
    const answer = request.url === '/api/v1/cluster' ? clusterOf() : Promise.resolve({ status: 'ready' });
    void answer.then((body) => response.end(JSON.stringify(body)));
  });
  if (process.env['FAKE_BROKEN'] === flag(args, 'node-id')) {
    process.stderr.write('quorate: it is broken\n');
    process.exit(1);
  }
  const [host = '', port = ''] = flag(args, 'http').split(':');
  server.listen(Number(port), host);
  process.stdout.write(`${JSON.stringify({ level: 'info', node: flag(args, 'node-id'), msg: 'started', time: '' })}\n`);
  const stop = (): void => process.exit(0);
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('disconnect', stop);
}

const args = process.argv.slice(2);
if (args[0] === 'start') fakeStart(args);
else process.exit(await main(args));
