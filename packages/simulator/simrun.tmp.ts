import { simulate } from '@quorate/simulator';
const seed = Number(process.argv[2]); const n = Number(process.argv[3] ?? 1); const secs = Number(process.argv[4] ?? 20);
const t0 = performance.now(); let v = 0, ev=0; const fails: Record<string, number[]> = {};
for (let s = seed; s < seed + n; s++) {
  const r = await simulate({ seed: s, seconds: secs, trace: n === 1 });
  v += r.virtualMs; ev += r.events;
  if (n === 1) { console.log(r.trace.slice(-Number(process.argv[5] ?? 60)).join('\n')); console.log(r.violation, r.traceHash, r.counts, r.events); }
  else if (r.violation) { (fails[r.violation.invariant] ??= []).push(s); if (fails[r.violation.invariant].length <= 3) console.log(s, r.violation.invariant, r.violation.message.slice(0, 600)); }
}
const s = (performance.now() - t0) / 1000;
console.log({ seeds: n, real: s.toFixed(1), virtualPerReal: (v / 1000 / s).toFixed(1), eventsPerSec: (ev/s)|0 }, fails);
