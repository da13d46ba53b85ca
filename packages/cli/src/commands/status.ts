import type { ClusterView } from '@quorate/node';
import { parseFlags } from '../flags.ts';
import { STATUS_HELP } from '../help.ts';
import { describeRole } from '../member.ts';
import { findNode } from '../some-node.ts';
import { renderTable } from '../table.ts';

/** The cluster for people. */
export function renderCluster(cluster: ClusterView): string {
  const facts = [
    ['cluster', cluster.clusterId ?? 'not formed yet'],
    ['leader', cluster.leader ?? 'none'],
    ['term', String(cluster.term)],
    ['commit', String(cluster.commitIndex)],
    ['applied', String(cluster.appliedIndex)],
    ...(cluster.warnings ?? []).map(({ code, reason }) => ['warning', `${code}: ${reason}`]),
  ];
  const nodes = cluster.nodes.map((node) => [
    node.id,
    describeRole(node),
    node.mqtt ?? '-',
    node.http ?? '-',
    node.peer ?? '-',
    node.self ? '<- answered' : '',
  ]);
  return `${renderTable(facts)}\n${renderTable([['id', 'role', 'mqtt', 'http', 'peer', ''], ...nodes])}`;
}

/** `quorate status`. */
export async function status(args: readonly string[]): Promise<number> {
  const flags = await parseFlags('status', args, { url: 'value' });
  if (flags.switches.has('help')) {
    process.stdout.write(STATUS_HELP);
    return 0;
  }
  const { cluster } = await findNode(flags.values.get('url'));
  process.stdout.write(renderCluster(cluster));
  return 0;
}
