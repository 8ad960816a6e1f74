// Icons, drawn on 16 by 16. They say nothing that a text beside them does not, so they
// are hidden from screen readers.
import {s} from './dom.js';

const shapes = {
  android: ['M5 1.8h6a1.2 1.2 0 0 1 1.2 1.2v10a1.2 1.2 0 0 1-1.2 1.2H5A1.2 1.2 0 0 1 3.8 13V3A1.2 1.2 0 0 1 5 1.8Z', 'M7 12h2'],
  ios: ['M5 1.8h6a1.6 1.6 0 0 1 1.6 1.6v9.2a1.6 1.6 0 0 1-1.6 1.6H5a1.6 1.6 0 0 1-1.6-1.6V3.4A1.6 1.6 0 0 1 5 1.8Z', 'M6.8 3.8h2.4'],
  desktop: ['M2 3h12v8H2Z', 'M8 11v2.6', 'M5 13.6h6'],
  web: ['M8 1.9a6.1 6.1 0 1 0 0 12.2 6.1 6.1 0 0 0 0-12.2Z', 'M2 8h12', 'M8 1.9c4 4 4 8.2 0 12.2-4-4-4-8.2 0-12.2'],
  bot: ['M3 6h10v7H3Z', 'M8 3.2V6', 'M6 9v1', 'M10 9v1', 'M1.5 8.5v2.5', 'M14.5 8.5v2.5'],
  other: ['M8 1.9a6.1 6.1 0 1 0 0 12.2 6.1 6.1 0 0 0 0-12.2Z', 'M6.2 6.3a1.8 1.8 0 1 1 2.6 1.6c-.6.3-.8.6-.8 1.2', 'M8 11.3v.2'],
  search: ['M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9Z', 'm10.3 10.3 3.4 3.4'],
  next: ['m6 3.5 4.5 4.5L6 12.5'],
  back: ['M10 3.5 5.5 8l4.5 4.5'],
  close: ['m4 4 8 8', 'm12 4-8 8'],
  check: ['m3.5 8.5 3 3 6-7'],
  warn: ['M8 2.2 14.3 13.3H1.7Z', 'M8 6.5v3', 'M8 11.3v.2'],
  down: ['M8 2.5v8', 'm4.5 7.5 3.5 3.5 3.5-3.5', 'M3 13.5h10'],
  user: ['M8 2.3a2.7 2.7 0 1 0 0 5.4 2.7 2.7 0 0 0 0-5.4Z', 'M2.8 13.7c.5-2.7 2.5-4 5.2-4s4.7 1.3 5.2 4'],
  key: ['M5.5 6.5a3 3 0 1 0 2.8 4L13.5 5.3V3h-2.3L6.6 7.6'],
};

export function icon(name) {
  return s('svg', {class: 'icon', viewBox: '0 0 16 16', width: 16, height: 16, 'aria-hidden': 'true', focusable: 'false'},
    (shapes[name] ?? shapes.other).map((d) => s('path', {d})));
}

// mark is the console's own sign.
export function mark(size) {
  return s('svg', {viewBox: '0 0 32 32', width: size, height: size, 'aria-hidden': 'true', class: 'mark'},
    s('rect', {width: 32, height: 32, rx: 8, class: 'mark-ground'}),
    s('path', {d: 'M10.5 15.5v-4a5.5 5.5 0 0 1 11 0v4', class: 'mark-line'}),
    s('rect', {x: 7.5, y: 14.5, width: 17, height: 11.5, rx: 3, class: 'mark-shape'}),
    s('circle', {cx: 16, cy: 19.5, r: 2, class: 'mark-ground'}));
}
