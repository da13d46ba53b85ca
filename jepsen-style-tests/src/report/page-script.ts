/** Shows the figures of the interval under the pointer. */
export const PAGE_SCRIPT = `
const { intervalMs, rows } = JSON.parse(document.getElementById('course').textContent);
const chart = document.querySelector('.timeline svg');
const tip = document.querySelector('.tip');
const cursor = document.getElementById('cursor');
const { left, right, width, span } = Object.fromEntries(Object.entries(chart.dataset).map(([k, v]) => [k, Number(v)]));
const time = (ms) => ms >= 1000 ? (ms / 1000).toFixed(2) + ' s' : ms.toFixed(ms < 10 ? 2 : 0) + ' ms';
chart.addEventListener('pointermove', (event) => {
  const box = chart.getBoundingClientRect();
  const x = (event.clientX - box.left) * width / box.width;
  const at = Math.floor((x - left) / (width - left - right) * span / intervalMs);
  const row = rows[at];
  if (row === undefined || x < left) return hide();
  const [acknowledged, delivered, refused, p50, p99] = row;
  cursor.setAttribute('x1', x); cursor.setAttribute('x2', x); cursor.setAttribute('opacity', 0.45);
  tip.innerHTML = '<b>' + (at * intervalMs / 1000).toFixed(2) + ' s</b><br>' + acknowledged + ' acknowledged<br>' + delivered + ' delivered' +
    (refused ? '<br>' + refused + ' refused or unanswered' : '') +
    (acknowledged ? '<br>median ' + time(p50) + ', 99 % ' + time(p99) : '');
  const tipLeft = event.clientX - chart.parentElement.getBoundingClientRect().left;
  tip.style.left = (tipLeft + (tipLeft > box.width - 220 ? -190 : 16)) + 'px';
  tip.style.top = (event.clientY - chart.parentElement.getBoundingClientRect().top + 12) + 'px';
  tip.style.opacity = 1;
});
function hide() { tip.style.opacity = 0; cursor.setAttribute('opacity', 0); }
chart.addEventListener('pointerleave', hide);
`;
