import type { HistoryEvent } from '../../../jepsen-style-tests/src/history/operation.ts';
import { type ReportedCheck, type RunReport, Tally } from '../../../jepsen-style-tests/src/report/run-report.ts';

/** Draws numbers from 0 to 1. */
type Draw = () => number;

function drawFrom(seed: number): Draw {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const FAULTS = [
  [6_000, 12_000, 'isolate leader', 'n1 from n2, n3 and its clients', 'n1'],
  [18_000, 19_400, 'kill -9', 'n2', 'n2'],
  [26_000, 34_000, 'packet loss', '20 % between n1 and n3', 'n3'],
  [29_000, 36_500, 'clock jumps', 'n2 by -31 s', 'n2'],
  [44_000, 44_200, 'leader transfer', 'n3 to n1', 'n3'],
] as const;

/** A minute of a cluster, as its clients might have written it down. */
export function sampleEvents(seed = 7): HistoryEvent[] {
  const draw = drawFrom(seed);
  const events: HistoryEvent[] = [
    { kind: 'leader', atMs: 300, leader: 'n1', term: 2 },
    { kind: 'leader', atMs: 6_900, leader: null, term: 2 },
    { kind: 'leader', atMs: 7_100, leader: 'n2', term: 3 },
    { kind: 'leader', atMs: 18_150, leader: 'n3', term: 4 },
    { kind: 'leader', atMs: 44_150, leader: 'n1', term: 5 },
  ];
  FAULTS.forEach(([beginMs, endMs, name, detail, node], fault) => {
    const base = { kind: 'nemesis', fault, name, detail, nodes: [node] } as const;
    events.push({ ...base, atMs: beginMs, phase: 'begin' }, { ...base, atMs: endMs, phase: 'end' });
  });
  let count = 0;
  for (let atMs = 500; atMs < 60_000; atMs += 4 + draw() * 6) {
    const value = `v${count++}`;
    const stuck = (atMs > 6_000 && atMs < 7_150) || (atMs > 18_000 && atMs < 18_200);
    const slow = atMs > 26_000 && atMs < 34_000 ? 40 + draw() * 200 : 0;
    const base = { client: `p${count % 6}`, node: `n${1 + (count % 3)}`, beginMs: atMs } as const;
    const outcome = stuck ? 'unknown' : 'ok';
    const endMs = atMs + (stuck ? 1_500 : 0.6 + draw() * 2 + slow);
    events.push({ ...base, kind: 'publish', endMs, topic: 'queue/a', value, qos: 1, retain: false, outcome });
    if (stuck) continue;
    events.push({
      ...base,
      kind: 'deliver',
      client: 's1',
      clientId: 's1',
      beginMs: endMs + 1,
      endMs: endMs + 1,
      topic: 'queue/a',
      value,
      qos: 1,
      retain: false,
      dup: false,
      packetId: 1 + (count % 60_000),
      first: true,
    });
  }
  return events;
}

export function sampleReport(checks: readonly ReportedCheck[], seed = 7): RunReport {
  const tally = new Tally(250);
  for (const event of sampleEvents(seed)) tally.add(event);
  const gaps = [1_130, 212, 268, 31, 24];
  return {
    title: 'Three nodes, queue, everything',
    facts: [
      ['Broker', 'quorate 0.1.0, three nodes, fsync on'],
      ['Network', 'a network namespace for each node and its clients'],
      ['Seed', String(seed)],
    ],
    command: `make jepsen SEED=${seed} TIME=60`,
    durationMs: tally.durationMs,
    checks,
    faults: tally.faults().map((fault, at) => ({ ...fault, gapMs: gaps[at] ?? null })),
    intervalMs: tally.intervalMs,
    intervals: tally.intervals,
    reigns: tally.reigns,
    totals: tally.totals,
    logs: new Map(),
  };
}

export const GOOD_CHECKS: readonly ReportedCheck[] = [
  {
    name: 'queue',
    verdict: 'holds',
    detail: '7,900 acknowledged messages, each at every subscriber',
    anomalies: [],
    anomalyCount: 0,
    kinds: {},
  },
  {
    name: 'total order',
    verdict: 'holds',
    detail: '3 subscribers agree on 7,900 messages',
    anomalies: [],
    anomalyCount: 0,
    kinds: {},
  },
  {
    name: 'register',
    verdict: 'undecided',
    detail: 'key r3: more than 100,000 configurations',
    anomalies: [],
    anomalyCount: 0,
    kinds: {},
  },
  {
    name: 'shared',
    verdict: 'not applicable',
    detail: 'the broker has no shared subscriptions',
    anomalies: [],
    anomalyCount: 0,
    kinds: {},
  },
];
