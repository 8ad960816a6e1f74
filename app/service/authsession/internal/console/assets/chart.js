// Charts over time, as SVG: columns and lines. The pointer and the arrow keys move a
// cursor along the points; a screen reader hears the newest and the highest.
import {h, s, show} from './dom.js';
import {timeOfDay} from './format.js';

const height = 168;
const edge = {top: 10, right: 8, bottom: 22, left: 44};

// chart makes one. kind is columns or line; write turns a value into text.
export function chart({kind, label, write = String}) {
  const tip = h('div', {class: 'chart-tip', role: 'status', hidden: true});
  const figure = h('figure', {class: 'chart'});
  let points = [];
  let at = -1; // the point under the cursor

  function draw() {
    const width = Math.max(figure.clientWidth, 240);
    if (points.length === 0) {
      show(figure, h('p', {class: 'chart-empty muted'}, 'No figures yet'));
      return;
    }
    const top = ceiling(Math.max(...points.map((p) => p.value)));
    const inner = {width: width - edge.left - edge.right, height: height - edge.top - edge.bottom};
    const first = points[0].at.getTime();
    const span = points[points.length - 1].at.getTime() - first;
    // Columns stand side by side; a line's points stand at their times, gaps included.
    const along = (i) => (kind === 'columns' ? (i + 0.5) / points.length : span > 0 ? (points[i].at - first) / span : 1);
    const x = (i) => edge.left + along(i) * inner.width;
    const y = (value) => edge.top + inner.height * (1 - value / top);
    const lines = [0, 0.5, 1].map((part) => [
      s('line', {class: 'grid', x1: edge.left, x2: width - edge.right, y1: y(top * part), y2: y(top * part)}),
      s('text', {class: 'tick', x: edge.left - 8, y: y(top * part) + 4, 'text-anchor': 'end'}, write(top * part)),
    ]);
    const newest = points[points.length - 1];
    const highest = points.reduce((a, b) => (b.value > a.value ? b : a));
    const image = s('svg', {
      width, height, viewBox: `0 0 ${width} ${height}`, role: 'img', tabindex: 0, class: 'plot',
      'aria-label': `${label}: ${write(newest.value)} at ${timeOfDay(newest.at)}, at most ${write(highest.value)} at ${timeOfDay(highest.at)}`,
    },
    lines,
    kind === 'columns' ? columns(x, y, inner.width / points.length) : line(x, y),
    s('text', {class: 'tick', x: edge.left, y: height - 6}, timeOfDay(points[0].at)),
    s('text', {class: 'tick', x: width - edge.right, y: height - 6, 'text-anchor': 'end'}, timeOfDay(newest.at)));
    image.addEventListener('pointermove', (e) => {
      move(nearest((e.clientX - image.getBoundingClientRect().left - edge.left) / inner.width));
    });
    image.addEventListener('pointerleave', () => move(-1));
    image.addEventListener('blur', () => move(-1));
    image.addEventListener('keydown', (e) => {
      const to = {ArrowLeft: at < 0 ? points.length - 1 : at - 1, ArrowRight: at + 1, Home: 0, End: points.length - 1}[e.key];
      if (to === undefined) return;
      e.preventDefault();
      move(Math.min(Math.max(to, 0), points.length - 1));
    });
    const cursor = s('line', {class: 'cursor', y1: edge.top, y2: height - edge.bottom, visibility: 'hidden'});
    image.append(cursor);
    show(figure, image, tip);

    function nearest(part) {
      if (part < 0 || part > 1) return -1;
      const far = (i) => Math.abs(along(i) - part);
      return points.reduce((best, _, i) => (far(i) < far(best) ? i : best), 0);
    }

    function move(to) {
      at = to >= 0 && to < points.length ? to : -1;
      tip.hidden = at < 0;
      cursor.setAttribute('visibility', at < 0 ? 'hidden' : 'visible');
      if (at < 0) return;
      cursor.setAttribute('x1', x(at));
      cursor.setAttribute('x2', x(at));
      show(tip, h('strong', null, write(points[at].value)), ` ${timeOfDay(points[at].at)}`);
      tip.style.left = `${Math.min(Math.max(x(at), 60), width - 60)}px`;
    }
  }

  function columns(x, y, step) {
    const wide = Math.max(step * 0.68, 1);
    return points.map((p, i) => s('rect', {
      class: i === points.length - 1 ? 'column running' : 'column',
      x: x(i) - wide / 2, y: y(p.value), width: wide, height: Math.max(y(0) - y(p.value), p.value > 0 ? 1 : 0), rx: Math.min(2, wide / 3),
    }));
  }

  function line(x, y) {
    const way = points.map((p, i) => `${i === 0 ? 'M' : 'L'}${x(i).toFixed(1)} ${y(p.value).toFixed(1)}`).join('');
    const last = points.length - 1;
    return [
      points.length > 1 && s('path', {class: 'area', d: `${way}L${x(last).toFixed(1)} ${y(0)}L${x(0).toFixed(1)} ${y(0)}Z`}),
      s('path', {class: 'line', d: way}),
      s('circle', {class: 'point', cx: x(last), cy: y(points[last].value), r: 3}),
    ];
  }

  const watch = new ResizeObserver(() => draw());
  watch.observe(figure);
  return {
    element: figure,
    update(list) {
      points = list;
      if (at < 0 && !figure.contains(document.activeElement)) draw();
    },
    stop: () => watch.disconnect(),
  };
}

// ceiling is the end of an axis: 1, 2 or 5 times a power of ten, even where it is
// halved, so that both ticks are round.
function ceiling(value) {
  if (value <= 2) return 2;
  const power = 10 ** Math.floor(Math.log10(value));
  return [2, 4, 6, 8, 10].map((n) => n * power).find((n) => n >= value) ?? 10 * power;
}

// shares is one bar that several numbers divide, with a legend.
export function shares(list, write) {
  const total = list.reduce((sum, part) => sum + part.value, 0);
  const percent = (value) => (total === 0 ? 0 : (100 * value) / total);
  let from = 0;
  const bar = s('svg', {class: 'shares', viewBox: '0 0 100 2', preserveAspectRatio: 'none', 'aria-hidden': 'true'},
    list.map((part, i) => {
      const piece = s('rect', {class: `share-${i}`, x: from, width: percent(part.value), height: 2});
      from += percent(part.value);
      return piece;
    }));
  return h('div', null, bar,
    h('ul', {class: 'legend'}, list.map((part, i) => h('li', null,
      h('span', {class: `swatch share-${i}`}), part.label, ' ',
      h('strong', null, write(part.value)), ' ',
      h('span', {class: 'muted'}, `${percent(part.value).toFixed(part.value > 0 && percent(part.value) < 10 ? 1 : 0)} %`)))));
}
