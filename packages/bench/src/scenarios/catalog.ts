/** The scenarios by name, in the order in which `all` runs them. */
import type { Qos } from '../codec.ts';
import { BenchError } from '../hosts.ts';
import type { Scenario } from '../types.ts';
import { connectScenario } from './connect.ts';
import { type LoadPlan, loadScenario } from './load.ts';

const PAIRS = {
  metric: 'delivered/s',
  qos: 1,
  publishers: 50,
  receivers: 1,
  window: 16,
  e2eWindow: 0,
  persistent: false,
  openLoop: false,
} as const satisfies Partial<LoadPlan>;

function fanout(name: string, qos: Qos): LoadPlan {
  return {
    ...PAIRS,
    name,
    title: `Fan-out 1:200, QoS ${qos}, 100 messages on their way`,
    qos,
    publishers: 1,
    receivers: 200,
    window: 100,
    e2eWindow: 100,
  };
}

const PLANS: readonly LoadPlan[] = [
  {
    ...PAIRS,
    name: 'pub',
    title: 'QoS 1 publish only, 50 publishers, window 16',
    metric: 'acked/s',
    receivers: 0,
  },
  { ...PAIRS, name: 'pairs', title: 'QoS 1 pairs 50:50 across nodes, window 16, clean sessions' },
  {
    ...PAIRS,
    name: 'pairs-persistent',
    title: 'QoS 1 pairs 50:50 across nodes, window 16, persistent sessions',
    persistent: true,
  },
  {
    ...PAIRS,
    name: 'qos0',
    title: 'QoS 0 pairs 50:50 across nodes, 100 messages on their way per pair',
    qos: 0,
    e2eWindow: 100,
  },
  fanout('fanout', 0),
  fanout('fanout1', 1),
  {
    ...PAIRS,
    name: 'latency',
    title: 'QoS 1, one publisher, window 1: time to the ack',
    metric: 'ack p50 ms',
    publishers: 1,
    receivers: 0,
    window: 1,
  },
  { ...PAIRS, name: 'qos2', title: 'QoS 2 pairs 20:20 across nodes, window 16', qos: 2, publishers: 20 },
  {
    ...PAIRS,
    name: 'rate',
    title: 'QoS 1 pairs 50:50 at a fixed rate, latency from the due time',
    openLoop: true,
  },
];

/** Every scenario there is. */
export const SCENARIOS: readonly Scenario[] = [...PLANS.map(loadScenario), connectScenario];

/**
 * The scenarios that a list like `pub,pairs` or `all` names, in the list's order.
 * @throws BenchError for an unknown name
 */
export function selectScenarios(list: string): Scenario[] {
  if (list === 'all') return [...SCENARIOS];
  return list.split(',').map((name) => {
    const scenario = SCENARIOS.find((candidate) => candidate.name === name.trim());
    if (scenario !== undefined) return scenario;
    const known = SCENARIOS.map((candidate) => candidate.name).join(', ');
    throw new BenchError(`There is no scenario "${name}"; known are: all, ${known}.`);
  });
}

/** QoS a scenario's verdict is judged by; the connect scenario carries no messages. */
export function scenarioQos(name: string): Qos {
  return PLANS.find((plan) => plan.name === name)?.qos ?? 0;
}
