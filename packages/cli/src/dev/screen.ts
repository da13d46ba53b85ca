import type { ClusterView } from '@quorate/node';
import { renderTable } from '../table.ts';
import type { Exit } from './child.ts';
import { baseUrl, commandLine, HOST, type NodePlan } from './plan.ts';

const DEFAULT_URL = `http://${HOST}:18083`;

/** What is shown once, when the cluster is ready. */
export interface Screen {
  readonly plan: readonly NodePlan[];
  readonly cluster: ClusterView;
  readonly pids: ReadonlyMap<string, number | undefined>;
  readonly readyAfterMs: number;
}

/** Table, things to try, where the logs are. */
export function renderScreen(screen: Screen): string {
  const { plan, cluster, pids } = screen;
  const [first, last] = [plan[0], plan.at(-1)];
  if (first === undefined || last === undefined) throw new Error('a cluster has at least one node');
  const rows = plan.map((node) => [
    node.id,
    cluster.nodes.find((member) => member.id === node.id)?.role ?? '-',
    `${HOST}:${String(node.mqttPort)}`,
    `${HOST}:${String(node.httpPort)}`,
    `${HOST}:${String(node.peerPort)}`,
    String(pids.get(node.id) ?? '-'),
  ]);
  const status = baseUrl(first) === DEFAULT_URL ? 'npx quorate status' : `npx quorate status --url ${baseUrl(first)}`;
  const leaderPid = cluster.leader === null ? undefined : pids.get(cluster.leader);
  const attempts = [
    `mosquitto_sub -p ${String(last.mqttPort)} -t 'demo/#' -q 1 -v`,
    `mosquitto_pub -p ${String(first.mqttPort)} -t demo/hello -m hello -q 1`,
    `curl -s ${baseUrl(last)}/api/v1/leader`,
    status,
    ...(leaderPid === undefined || plan.length < 3
      ? []
      : [`kill -9 ${String(leaderPid)}   # the leader: the others go on`]),
  ];
  const readyAfterSec = (screen.readyAfterMs / 1000).toFixed(1);
  const size = plan.length === 1 ? 'one node' : `${String(plan.length)} nodes`;
  return [
    `\nQuorate: ${size}, ready after ${readyAfterSec} s, leader ${cluster.leader ?? 'none'}\n\n`,
    renderTable([['node', 'role', 'mqtt', 'http', 'peer', 'pid'], ...rows], 2),
    '\nTry it from another terminal:\n\n',
    attempts.map((line) => `  ${line}\n`).join(''),
    `\nLogs: ${plan.map((node) => node.logFile).join(' ')}\n`,
    'Ctrl-C stops all nodes.\n\n',
  ].join('');
}

/** What is said when a node ends by itself. */
export function renderExit(node: NodePlan, exit: Exit, running: number): string {
  const why = exit.sentence === undefined ? exit.how : `${exit.how}: ${exit.sentence}`;
  const others = running === 0 ? 'No node is left.' : `${String(running)} of the others keep running.`;
  return `${node.id} ended (${why}). ${others} To start it again, from another terminal:\n\n  ${commandLine(node)}\n\n`;
}
