import type { ClusterView } from '@quorate/node';
import { fetchCluster, reasonOf } from '../api.ts';
import { CommandError } from '../command-error.ts';
import { parseFlags } from '../flags.ts';
import { STATUS_HELP } from '../help.ts';
import { renderTable } from '../table.ts';
import { UsageError } from '../usage-error.ts';

const DEFAULT_URLS = ['http://127.0.0.1:18083', 'http://127.0.0.1:18084', 'http://127.0.0.1:18085'];

/** The cluster for people. */
export function renderCluster(cluster: ClusterView): string {
  const facts = [
    ['cluster', cluster.clusterId ?? 'not formed yet'],
    ['leader', cluster.leader ?? 'none'],
    ['term', String(cluster.term)],
    ['commit', String(cluster.commitIndex)],
    ['applied', String(cluster.appliedIndex)],
  ];
  const nodes = cluster.nodes.map((node) => [
    node.id,
    node.role,
    node.mqtt ?? '-',
    node.http ?? '-',
    node.peer ?? '-',
    node.self ? '<- answered' : '',
  ]);
  return `${renderTable(facts)}\n${renderTable([['id', 'role', 'mqtt', 'http', 'peer', ''], ...nodes])}`;
}

function checkUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url !== undefined && (url.protocol === 'http:' || url.protocol === 'https:')) return url.href;
  throw new UsageError(`flag --url is ${JSON.stringify(given)}: expected a URL, for example ${DEFAULT_URLS[0] ?? ''}`);
}

async function firstAnswer(urls: readonly string[]): Promise<ClusterView> {
  const [only, ...more] = urls;
  if (only !== undefined && more.length === 0) return fetchCluster(only);
  const reasons: string[] = [];
  for (const url of urls) {
    try {
      return await fetchCluster(url);
    } catch (error) {
      reasons.push(reasonOf(error));
    }
  }
  throw new CommandError(`no node found: ${reasons.join('; ')}. Name one with --url`);
}

/** `quorate status`. */
export async function status(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('status', args, { url: 'value' });
  if (flags.switches.has('help')) {
    process.stdout.write(STATUS_HELP);
    return 0;
  }
  const given = flags.values.get('url');
  const cluster = await firstAnswer(given === undefined ? DEFAULT_URLS : [checkUrl(given)]);
  process.stdout.write(renderCluster(cluster));
  return 0;
}
