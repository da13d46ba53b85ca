import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { BRIDGE, HUB_ADDRESS, netemLines, PREFIX_LENGTH, placeOf } from './commands.ts';

const run = promisify(execFile);

const PROBE_TIMEOUT_MS = 10_000;

/** How a network of hosts can be had on this machine. */
export type NetworkKind = 'root namespaces' | 'user namespaces' | 'proxies';

export interface Possibility {
  readonly kind: NetworkKind;
  /** For people: which it is, and for proxies why nothing better. */
  readonly sentence: string;
}

/** What is to be had inside of the namespaces. */
export type Shaping = { readonly way: 'netem' | 'relay' } | { readonly way: null; readonly why: string };

/*
 * A PID namespace, so that nothing outlives the run however it ends; a mount namespace for it and for small disks; a network
 * namespace for the hub.
 */
const NAMESPACES = ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'];

/** What stands in front of a command to run it in namespaces of its own. */
export function unshareCommand(kind: 'root namespaces' | 'user namespaces'): readonly string[] {
  return kind === 'root namespaces'
    ? ['unshare', ...NAMESPACES]
    : ['unshare', '--user', '--map-root-user', ...NAMESPACES];
}

/** The same that the real network does first, once. */
const PROBE = [
  'ip link set lo up',
  `ip link add ${BRIDGE} type bridge`,
  `ip address add ${HUB_ADDRESS}/${String(PREFIX_LENGTH)} dev ${BRIDGE}`,
  // Through its own namespace as through that of another process.
  'nsenter --net=/proc/$$/ns/net -- ip link add probe type veth peer name eth0',
  `ip link set probe master ${BRIDGE} up`,
].join(' && ');

/** Finds out what is possible here, by trying. */
export async function detectNetwork(): Promise<Possibility> {
  if (process.platform !== 'linux') {
    return proxies(`network namespaces are of Linux, this is ${process.platform}`);
  }
  const kind = process.getuid?.() === 0 ? 'root namespaces' : 'user namespaces';
  const [command = '', ...args] = [...unshareCommand(kind), 'sh', '-c', PROBE];
  try {
    await run(command, args, { timeout: PROBE_TIMEOUT_MS });
  } catch (error) {
    return proxies(reasonOf(error));
  }
  return { kind, sentence: sentenceOf(kind) };
}

/** For people: what hosts are. */
export function sentenceOf(kind: NetworkKind): string {
  if (kind === 'proxies') return 'Hosts are addresses on loopback with TCP proxies between them.';
  return `Each host is a network namespace ${kind === 'root namespaces' ? 'of root' : 'of a user, without root'}.`;
}

function proxies(why: string): Possibility {
  const sentence =
    'Hosts are addresses on loopback with TCP proxies between them, because namespaces are not possible here ' +
    `(${why}). On Linux they take iproute2, util-linux, and root or user namespaces.`;
  return { kind: 'proxies', sentence };
}

/** Looks, inside of the namespaces, how links can be made bad. netem is tried with the very lines that it will be given. */
export async function detectShaping(): Promise<Shaping> {
  const shape = { lossPct: 1, duplicatePct: 1, reorderPct: 1, delayMs: 1, jitterMs: 1 };
  const lines = netemLines([[placeOf('probe', 'node', 0), shape]]);
  // In a namespace of its own, so that nothing is left of it.
  const script = `ip link add eth0 type dummy && ip link set eth0 up && tc -batch - <<'END'\n${lines.join('\n')}\nEND`;
  const netem = await trial('unshare', ['--net', 'sh', '-c', script]);
  if (netem === null) return { way: 'netem' };
  const socat = await trial('socat', ['-V']);
  if (socat !== null) {
    return { way: null, why: `tc has no netem here (${netem}) and socat does not run (${socat}): install socat` };
  }
  const tun = await trial('unshare', ['--net', 'ip', 'tuntap', 'add', 'dev', 'tun0', 'mode', 'tun']);
  if (tun === null) return { way: 'relay' };
  return { way: null, why: `tc has no netem here (${netem}) and no TUN device can be made (${tun})` };
}

/** Null when it worked, else why not. */
async function trial(command: string, args: readonly string[]): Promise<string | null> {
  try {
    await run(command, args, { timeout: PROBE_TIMEOUT_MS });
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  const { code, stderr, message } = error as NodeJS.ErrnoException & { readonly stderr?: string };
  if (code === 'ENOENT') return message.replace(/^spawn (\S+) ENOENT$/, '$1 is not installed');
  const said = stderr?.trim().split('\n')[0] ?? '';
  return said === '' ? (message.split('\n')[0] ?? '') : said;
}
