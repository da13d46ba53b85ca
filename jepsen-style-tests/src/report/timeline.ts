import { escaped } from './junit.ts';
import { quantile, type Reign, type ReportedFault, type RunReport } from './run-report.ts';

const WIDTH = 1120;
const LEFT = 108;
const RIGHT = 14;
const FAULT_ROW = 20;
const LANE_GAP = 26;
const LEADER_HEIGHT = 20;
const RATE_HEIGHT = 120;
const LATENCY_HEIGHT = 100;
const AXIS_HEIGHT = 22;
const COLOURS = 6;
/** Of the letters in a band: to leave out a name that has no room. */
const LETTER = 6.2;
/** Between what stands in one row. */
const BAND_GAP = 8;

/** Peaks are cut off and marked above this many times what all but some intervals stay below. */
const USUAL_SHARE = 0.97;
const ABOVE_USUAL = 1.5;

/** A run in steps. */
type Course = Pick<RunReport, 'intervals' | 'intervalMs'>;

/** Where a moment stands from left to right. */
type Scale = (atMs: number) => number;

/**
 * Faults, leaders, throughput and latency over one time axis. Drawn for eyes: a gap in the blue area below an amber band is what
 * a fault cost.
 */
export function timeline(
  report: Pick<RunReport, 'durationMs' | 'faults' | 'reigns' | 'intervals' | 'intervalMs'>,
): string {
  const { durationMs, faults, reigns, intervals, intervalMs } = report;
  const course: Course = { intervals, intervalMs };
  const spanMs = Math.max(1000, durationMs);
  const x: Scale = (atMs) => LEFT + ((WIDTH - LEFT - RIGHT) * Math.max(0, Math.min(atMs, spanMs))) / spanMs;
  const rows = stacked(faults, x);
  const faultsHeight = Math.max(1, rows.length) * FAULT_ROW;
  const leaderTop = 8 + faultsHeight + LANE_GAP - 8;
  const rateTop = leaderTop + LEADER_HEIGHT + LANE_GAP;
  const latencyTop = rateTop + RATE_HEIGHT + LANE_GAP;
  const bottom = latencyTop + LATENCY_HEIGHT;
  const parts = [
    ...faults.map((fault) => shade(fault, x, leaderTop - 6, bottom)),
    axis(spanMs, x, bottom),
    lane('Faults', 22),
    ...rows.flatMap((row, at) => row.map((band) => drawn(band, 8 + at * FAULT_ROW))),
    lane('Leader', leaderTop + 14),
    ...reigns.map((reign) => segment(reign, x, leaderTop, spanMs, nodesOf(reigns))),
    ...rates(course, x, rateTop),
    ...latencies(course, x, latencyTop),
    `<line id="cursor" x1="0" x2="0" y1="4" y2="${bottom}" stroke="var(--text)" stroke-width="1" opacity="0"/>`,
  ];
  const height = bottom + AXIS_HEIGHT;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="Faults, leaders, throughput and latency over time" data-left="${LEFT}" data-right="${RIGHT}" data-width="${WIDTH}" data-span="${spanMs}">${parts.join('')}</svg>`;
}

/** A fault as a band with its name. */
interface Band {
  readonly fault: ReportedFault;
  readonly from: number;
  readonly width: number;
  /** A name without room in its band stands behind it, and where it would leave the picture, in front. */
  readonly name: 'inside' | 'behind' | 'before';
  /** Where band and name begin and end. */
  readonly left: number;
  readonly right: number;
}

function bandOf(fault: ReportedFault, x: Scale): Band {
  const from = x(fault.beginMs);
  const width = Math.max(3, x(fault.endMs) - from);
  const letters = fault.name.length * LETTER;
  const fits = from + width + 4 + letters <= WIDTH;
  const name = width - 8 >= letters ? 'inside' : fits ? 'behind' : 'before';
  const left = name === 'before' ? from - 4 - letters : from;
  const right = from + width + (name === 'behind' ? 4 + letters : 0);
  return { fault, from, width, name, left, right };
}

/** Bands that overlap, their names included, go into rows of their own. */
function stacked(faults: readonly ReportedFault[], x: Scale): Band[][] {
  const rows: Band[][] = [];
  for (const fault of faults) {
    const band = bandOf(fault, x);
    const isApart = (other: Band): boolean =>
      other.right + BAND_GAP <= band.left || band.right + BAND_GAP <= other.left;
    const row = rows.find((each) => each.every(isApart));
    if (row === undefined) rows.push([band]);
    else row.push(band);
  }
  return rows;
}

function lane(name: string, y: number): string {
  return `<text class="lane" x="0" y="${y}">${name}</text>`;
}

function shade({ beginMs, endMs }: ReportedFault, x: Scale, top: number, bottom: number): string {
  const width = Math.max(1, x(endMs) - x(beginMs));
  return `<rect x="${x(beginMs).toFixed(1)}" y="${top}" width="${width.toFixed(1)}" height="${bottom - top}" fill="var(--fault-back)"/>`;
}

function drawn({ fault, from, width, name }: Band, y: number): string {
  const title = escaped(`${fault.name}: ${fault.detail} (${seconds1(fault.beginMs)} to ${seconds1(fault.endMs)})`);
  const at = { inside: from + 5, before: from - 4, behind: from + width + 4 }[name];
  const how = { inside: ' class="over"', before: ' text-anchor="end"', behind: '' }[name];
  return `<g><title>${title}</title><rect x="${from.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${FAULT_ROW - 4}" rx="4" fill="var(--fault)"/><text${how} x="${at.toFixed(1)}" y="${y + 12}">${escaped(fault.name)}</text></g>`;
}

function nodesOf(reigns: readonly Reign[]): string[] {
  return [...new Set(reigns.map(({ leader }) => leader))].sort();
}

function segment(
  { leader, term, beginMs, endMs }: Reign,
  x: Scale,
  y: number,
  spanMs: number,
  nodes: readonly string[],
): string {
  const from = x(beginMs);
  const width = Math.max(2, x(Math.min(endMs, spanMs)) - from);
  const colour = (nodes.indexOf(leader) % COLOURS) + 1;
  const text = width > (leader.length + 1) * LETTER + 6 ? escaped(leader) : '';
  return `<g><title>${escaped(`${leader} leads term ${term} from ${seconds1(beginMs)}`)}</title><rect x="${from.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${LEADER_HEIGHT}" rx="4" fill="var(--n${colour})"/><text class="on" x="${(from + 6).toFixed(1)}" y="${y + 14}">${text}</text></g>`;
}

function rates({ intervals, intervalMs }: Course, x: Scale, top: number): string[] {
  const perSecond = 1000 / intervalMs;
  const middle = (at: number): string => x((at + 0.5) * intervalMs).toFixed(1);
  const peaks = intervals.map(({ acknowledged, delivered }) => Math.max(acknowledged, delivered) * perSecond);
  const most = Math.max(1, ...peaks);
  // All that waited comes at once when a fault ends: such a peak must not make all the rest a line at the bottom.
  const usual = quantile(sorted(peaks.filter((peak) => peak > 0)), USUAL_SHARE);
  const ceiling = niceCeiling(Math.min(most, Math.max(1, usual * ABOVE_USUAL)));
  const y = (value: number): number => top + RATE_HEIGHT * (1 - Math.min(1, value / ceiling));
  const beyond = peaks.flatMap((peak, at) =>
    peak <= ceiling
      ? []
      : [
          `<text x="${middle(at)}" y="${top + 9}" text-anchor="middle" class="beyond">▲<title>${Math.round(peak)} per second</title></text>`,
        ],
  );
  const area = intervals.map(({ acknowledged }, at) => `${middle(at)},${y(acknowledged * perSecond).toFixed(1)}`);
  const base = y(0).toFixed(1);
  const last = middle(Math.max(0, intervals.length - 1));
  const delivered = intervals.map(({ delivered: count }, at) => `${middle(at)},${y(count * perSecond).toFixed(1)}`);
  const bad = intervals.flatMap(({ failed, unknown }, at) => {
    if (failed + unknown === 0) return [];
    const height = Math.max(2, Math.min(RATE_HEIGHT, (RATE_HEIGHT * (failed + unknown) * perSecond) / ceiling));
    const width = Math.max(1.5, x(intervalMs) - x(0) - 0.5);
    return [
      `<rect x="${x(at * intervalMs).toFixed(1)}" y="${(top + RATE_HEIGHT - height).toFixed(1)}" width="${width.toFixed(1)}" height="${height.toFixed(1)}" fill="var(--refused)"/>`,
    ];
  });
  return [
    lane('Messages', top + 12),
    `<text x="0" y="${top + 28}">per second</text>`,
    ...rulers(top, RATE_HEIGHT, [0, ceiling / 2, ceiling], y, (value) => String(value)),
    `<polygon points="${middle(0)},${base} ${area.join(' ')} ${last},${base}" fill="var(--acknowledged)" opacity="0.32"/>`,
    `<polyline points="${area.join(' ')}" fill="none" stroke="var(--acknowledged)" stroke-width="1.6"/>`,
    `<polyline points="${delivered.join(' ')}" fill="none" stroke="var(--delivered)" stroke-width="1.4" stroke-dasharray="4 3"/>`,
    ...bad,
    ...beyond,
  ];
}

/** On a logarithmic scale: a fault makes them a thousand times longer. */
function latencies({ intervals, intervalMs }: Course, x: Scale, top: number): string[] {
  const low = 0.1;
  const high = 10_000;
  const share = (value: number): number => Math.log(Math.min(high, Math.max(low, value)) / low) / Math.log(high / low);
  const y = (value: number): number => top + LATENCY_HEIGHT * (1 - share(value));
  const line = (of: number): string[] => {
    const runs: string[] = [];
    let points: string[] = [];
    intervals.forEach(({ latenciesMs }, at) => {
      if (latenciesMs.length === 0) {
        if (points.length > 0) runs.push(points.join(' '));
        points = [];
      } else points.push(`${x((at + 0.5) * intervalMs).toFixed(1)},${y(quantile(sorted(latenciesMs), of)).toFixed(1)}`);
    });
    return points.length > 0 ? [...runs, points.join(' ')] : runs;
  };
  const drawn = (of: number, colour: string): string[] =>
    line(of).map((points) => `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.6"/>`);
  return [
    lane('Latency', top + 12),
    `<text x="0" y="${top + 28}">of acks</text>`,
    ...rulers(top, LATENCY_HEIGHT, [0.1, 1, 10, 100, 1000, 10_000], y, (value) =>
      value >= 1000 ? `${value / 1000} s` : `${value} ms`,
    ),
    ...drawn(0.99, 'var(--p99)'),
    ...drawn(0.5, 'var(--p50)'),
  ];
}

function rulers(
  top: number,
  height: number,
  values: readonly number[],
  y: (value: number) => number,
  name: (value: number) => string,
): string[] {
  return values.map((value) => {
    const at = Math.min(top + height, y(value)).toFixed(1);
    return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text x="${LEFT - 6}" y="${(Number(at) + 4).toFixed(1)}" text-anchor="end">${name(value)}</text>`;
  });
}

function axis(spanMs: number, x: Scale, bottom: number): string {
  const stepSec = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600].find((step) => spanMs / 1000 / step <= 14) ?? 1200;
  const ticks: string[] = [];
  for (let at = 0; at * 1000 <= spanMs; at += stepSec) {
    ticks.push(
      `<line class="grid" x1="${x(at * 1000).toFixed(1)}" x2="${x(at * 1000).toFixed(1)}" y1="4" y2="${bottom}"/><text x="${x(at * 1000).toFixed(1)}" y="${bottom + 16}" text-anchor="middle">${at} s</text>`,
    );
  }
  return ticks.join('');
}

/** The next of 1, 2, 4, 5, 10, 20, ... */
function niceCeiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 4, 5, 10].find((factor) => factor * power >= value) ?? 10);
}

export function sorted(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b);
}

function seconds1(atMs: number): string {
  return `${(atMs / 1000).toFixed(1)} s`;
}
