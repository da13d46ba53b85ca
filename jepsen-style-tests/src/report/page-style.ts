/** The looks of a report; light or dark as the reader's system is. */
export const PAGE_STYLE = `
:root {
  color-scheme: light dark;
  --paper: #fbfbfa; --card: #ffffff; --line: #e4e4e0; --text: #1d2124; --soft: #646b70; --faint: #9aa0a4;
  --good: #1a7f52; --good-back: #e4f4ec; --bad: #c0322b; --bad-back: #fbe7e5; --open: #8a6100; --open-back: #fbf1d9;
  --acknowledged: #3b76c4; --refused: #d2604f; --delivered: #2f9a8f; --p50: #6b4fbb; --p99: #b58ee6;
  --fault: #d98e2b; --fault-back: rgba(217, 142, 43, 0.13);
  --n1: #4c78a8; --n2: #72a15b; --n3: #b279a2; --n4: #d6a24a; --n5: #6d8f9c; --n6: #9d755d;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15181a; --card: #1d2123; --line: #31373a; --text: #e7e9ea; --soft: #a2a9ad; --faint: #737b80;
    --good: #62cf9a; --good-back: #17352a; --bad: #ff8a80; --bad-back: #43201e; --open: #e7bf62; --open-back: #3a3017;
    --acknowledged: #6ea3e8; --refused: #ee8576; --delivered: #58c4b8; --p50: #a58cf0; --p99: #6f5aa6;
    --fault: #e7a64c; --fault-back: rgba(231, 166, 76, 0.13);
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 24px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 40px 0 12px; }
h3 { font-size: 15px; margin: 0 0 4px; }
p { margin: 0 0 8px; }
code, pre { font: 12.5px/1.5 ui-monospace, SFMono-Regular, Menlo, monospace; }
.soft { color: var(--soft); }
.verdict { display: flex; gap: 16px; align-items: center; border-radius: 12px; padding: 18px 22px; margin: 20px 0; font-size: 18px; font-weight: 600; }
.verdict.good { background: var(--good-back); color: var(--good); }
.verdict.bad { background: var(--bad-back); color: var(--bad); }
.verdict svg { flex: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; }
.tile, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.tile { padding: 12px 16px; }
.tile b { display: block; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums; letter-spacing: -0.01em; }
.tile span { color: var(--soft); font-size: 13px; }
.card { padding: 16px 18px; margin-bottom: 12px; overflow-x: auto; }
.timeline { position: relative; padding: 8px 12px 12px; }
.timeline svg { display: block; width: 100%; height: auto; min-width: 760px; }
.timeline text { font: 11px system-ui, sans-serif; fill: var(--soft); }
.timeline .lane { fill: var(--text); font-weight: 600; font-size: 12px; }
.timeline .beyond { fill: var(--delivered); font-size: 9px; }
.timeline .grid { stroke: var(--line); stroke-width: 1; }
.timeline .on { fill: #ffffff; font-weight: 600; }
.timeline .over { fill: #2a1c04; font-weight: 600; }
.tip { position: absolute; pointer-events: none; background: var(--text); color: var(--paper); border-radius: 8px; padding: 8px 10px; font-size: 12px; line-height: 1.45; min-width: 170px; opacity: 0; transition: opacity 0.08s; z-index: 2; font-variant-numeric: tabular-nums; }
.tip b { font-size: 12.5px; }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin: 0 5px 0 14px; vertical-align: -1px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 500; color: var(--soft); font-size: 13px; padding: 4px 12px 6px 0; border-bottom: 1px solid var(--line); }
td { padding: 7px 12px 7px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
td.number, th.number { text-align: right; }
td.number { white-space: nowrap; }
.chip { display: inline-block; border-radius: 999px; padding: 1px 10px; font-size: 12.5px; font-weight: 600; white-space: nowrap; }
.chip.holds { background: var(--good-back); color: var(--good); }
.chip.broken { background: var(--bad-back); color: var(--bad); }
.chip.undecided { background: var(--open-back); color: var(--open); }
.chip.none { background: var(--line); color: var(--soft); }
pre { background: var(--paper); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px; overflow-x: auto; margin: 8px 0 0; }
pre.command { white-space: pre-wrap; overflow-wrap: anywhere; }
.node { margin: 10px 0 0; font-weight: 600; }
.more > .card { margin-top: 12px; }
.more { margin-bottom: 16px; }
details summary { cursor: pointer; color: var(--soft); margin-top: 8px; }
@media print { .tip { display: none; } }
`;
