// Lists that come by page. Only the page that is shown is kept, so that a list of a
// million is as fast as one of ten.
import {h, show} from './dom.js';
import {icon} from './icons.js';

const most = 8; // calls for one page: the API may answer with short or empty ones

// pages makes a list. load(token, signal) answers {items, next}; draw(items) makes an
// element of them; note(answer) makes the text beside the buttons.
export function pages({load, draw, note, empty, signal, size}) {
  const body = h('div', {class: 'list-body', 'aria-live': 'off'});
  const said = h('span', {class: 'muted', role: 'status'});
  const newer = h('button', {type: 'button', disabled: true, onclick: () => go(stack.length - 2)}, icon('back'), 'Newer');
  const older = h('button', {type: 'button', disabled: true, onclick: () => go(stack.length)}, 'Older', icon('next'));
  const bar = h('div', {class: 'pager'}, said, h('span', {class: 'spring'}), newer, older);
  const element = h('div', {class: 'list'}, body, bar);
  let stack = []; // tokens of the pages up to the one that is shown
  let next = '';

  async function go(index) {
    const token = index < stack.length ? stack[index] : next;
    body.setAttribute('aria-busy', 'true');
    newer.disabled = older.disabled = true;
    try {
      const {items, answer, rest} = await collect(token);
      stack = [...stack.slice(0, index), token];
      next = rest;
      if (items.length > 0) show(body, draw(items));
      else show(body, h('p', {class: 'empty'}, rest ? 'Nothing so far. There is more to look through.' : empty));
      show(said, note ? note(answer, items, index, size) : '');
    } catch (failure) {
      if (failure.name === 'AbortError') return;
      show(body, h('div', {class: 'empty', role: 'alert'}, h('p', null, failure.message),
        h('button', {type: 'button', onclick: () => go(index)}, 'Try again')));
    } finally {
      body.removeAttribute('aria-busy');
      newer.disabled = stack.length < 2;
      older.disabled = next === '';
      bar.hidden = stack.length < 2 && next === '' && said.textContent === '';
    }
  }

  async function collect(token) {
    const items = [];
    let first = null;
    let rest = token;
    for (let i = 0; i < most; i++) {
      const answer = await load(rest, signal);
      first ??= answer;
      items.push(...answer.items);
      rest = answer.next;
      if (!rest || items.length >= size / 2) break;
    }
    return {items, answer: first, rest};
  }

  return {element, first: () => go(0), again: () => go(Math.max(stack.length - 1, 0))};
}

// table is one whose first column names its rows.
export function table(label, columns, rows) {
  return h('div', {class: 'table-box', role: 'region', 'aria-label': label, tabindex: 0},
    h('table', null,
      h('thead', null, h('tr', null, columns.map((c) => h('th', {scope: 'col', class: c.class}, c.label ?? c)))),
      h('tbody', null, rows)));
}
