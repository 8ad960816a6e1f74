// Live numbers. They are asked for while the page can be seen.
import {call, has} from './api.js';
import {chart, shares} from './chart.js';
import {h, show} from './dom.js';
import {deviceTypes, duration, number, when} from './format.js';
import {table} from './list.js';
import {badge, columns, row} from './login.js';

const every = 10000; // ms between two looks
const remembered = 360; // of what only this page keeps: an hour
const latest = 8;

export function overviewPage({signal}) {
  const full = has('GET', '/v1/overview');
  const tiles = h('div', {class: 'tiles', 'aria-busy': 'true'});
  const types = h('section', {class: 'card', 'aria-label': 'Live logins by device', hidden: true});
  const newest = h('section', {class: 'card flush', 'aria-label': 'Latest sign-ins', hidden: true});
  const cleanUps = full && h('section', {class: 'card flush', 'aria-label': 'Clean-ups'});
  const problem = h('p', {class: 'problem', role: 'alert', hidden: true});
  const signIns = full && chart({kind: 'columns', label: 'Sign-ins a minute', write: (n) => number(Math.round(n))});
  const online = chart({kind: 'line', label: full ? 'Logins online' : 'Live logins', write: (n) => number(Math.round(n))});
  const lag = full && chart({kind: 'line', label: 'Lag of events in seconds', write: (n) => `${Number(n.toFixed(1))} s`});
  const kept = {online: [], lag: []};
  let timer = 0;

  const remember = (list, value) => {
    list.push({at: new Date(), value});
    if (list.length > remembered) list.shift();
    return list;
  };

  async function look() {
    try {
      const now = await call('GET', full ? 'v1/overview' : 'v1/statistics', {signal});
      problem.hidden = true;
      draw(now);
    } catch (failure) {
      if (failure.name === 'AbortError') return;
      problem.hidden = false;
      show(problem, failure.message);
    }
    next();
  }

  function next() {
    clearTimeout(timer);
    if (!signal.aborted && !document.hidden) timer = setTimeout(look, every);
  }

  function draw(now) {
    const hour = full && now.sign_ins.reduce((sum, m) => sum + Number(m.count), 0);
    tiles.removeAttribute('aria-busy');
    types.hidden = false;
    show(tiles,
      tile('Live logins', now.live, '#/logins'),
      full && tile('Online', now.online, null, `used within ${duration(now.online_within)}`),
      full && tile('Sign-ins', hour, null, 'in the last hour'),
      tile('Unconfirmed', now.unconfirmed, null, 'live, not yet confirmed'),
      tile('Ended', now.ended, '#/logins?active=false', 'and still kept'));
    show(types, h('h2', null, 'Live logins by device'), shares(
      Object.entries(deviceTypes).map(([type, label]) => ({label, value: Number(now.live_by_device_type[type] ?? 0)})).sort((a, b) => b.value - a.value), number));
    if (now.online_samples) drawOnline(now);
    else online.update(remember(kept.online, Number(full ? now.online : now.live)));
    if (!full) return;
    signIns.update(now.sign_ins.map((m) => ({at: new Date(m.minute), value: Number(m.count)})));
    if (now.events.enabled) lag.update(remember(kept.lag, parseFloat(now.events.lag)));
    eventsCard.hidden = !now.events.enabled;
    drawHooks(now.webhooks);
    show(waiting, now.events.waiting === '0' ? 'none waits' : `${number(now.events.waiting)}${now.events.waiting_at_least ? ' or more' : ''} wait`);
    show(cleanUps, h('h2', null, 'Clean-ups'), now.clean_ups.length === 0 ? h('p', {class: 'empty'}, 'None has run since this node started.')
      : table('Clean-ups', ['When', 'Node', 'Result', {label: 'Ended', class: 'right'}, {label: 'Removed', class: 'right'}, {label: 'Took', class: 'right'}], now.clean_ups.slice(0, 6).map((c) => h('tr', null,
        h('th', {scope: 'row', class: 'nowrap'}, when(c.at)), h('td', null, c.node), h('td', null, c.result),
        h('td', {class: 'right'}, number(c.sessions)), h('td', {class: 'right'}, number(c.removed)), h('td', {class: 'right'}, c.took)))));
  }

  // What the node has kept, a number a minute or less, and the number of this moment.
  function drawOnline(now) {
    const samples = now.online_samples.map((o) => ({at: new Date(o.at), value: Number(o.count)}));
    online.update([...samples, {at: new Date(now.counted_at), value: Number(now.online)}].sort((a, b) => a.at - b.at));
    show(since, samples.length === 0 ? '' : `last ${duration(`${(Date.now() - samples[0].at) / 1000}s`)}`);
  }

  function drawHooks(hooks) {
    hooksCard.hidden = hooks.length === 0;
    const most = (n, atLeast) => `${number(n)}${atLeast ? '+' : ''}`;
    show(hooksCard, h('h2', null, 'Webhooks'), table('Webhooks', ['Name', 'To', {label: 'Batches behind', class: 'right'}, {label: 'Tried again', class: 'right'}, {label: 'Given up', class: 'right'}],
      hooks.map((w) => h('tr', null, h('th', {scope: 'row'}, w.name), w.removed ? h('td', null, badge('not configured', 'bad', 'The configuration of this node does not name it; its dead letters can be removed with authsession ctl webhooks purge')) : h('td', {class: 'mono'}, w.url), h('td', {class: 'right'}, number(w.behind)),
        h('td', {class: 'right'}, number(w.retrying)), h('td', {class: 'right'}, w.dead === '0' ? '0' : badge(most(w.dead, w.dead_at_least), 'bad', 'Events that were not delivered; authsession ctl webhooks dead lists them'))))));
  }

  async function lookAtLatest() {
    try {
      const {sessions} = await call('GET', 'v1/sessions', {signal, query: {page_size: latest, active: true}});
      newest.hidden = false;
      show(newest, h('h2', null, 'Latest sign-ins', h('a', {href: '#/logins', class: 'more'}, 'All logins')),
        sessions.length === 0 ? h('p', {class: 'empty'}, 'Nobody is signed in.') : table('Latest sign-ins', columns, sessions.map(row)));
    } catch { /* look tells of what cannot be reached */ }
  }

  const seen = () => {
    if (!document.hidden) look();
  };
  document.addEventListener('visibilitychange', seen);
  const since = h('span', {class: 'more muted'}, full ? '' : 'since this page was opened');
  const waiting = h('span', {class: 'more muted'});
  const eventsCard = full && h('section', {class: 'card', 'aria-label': 'Events'}, h('h2', null, 'Lag of events', waiting), lag.element);
  const hooksCard = full && h('section', {class: 'card flush', 'aria-label': 'Webhooks', hidden: true});
  look();
  lookAtLatest();

  return {
    title: 'Overview',
    body: h('div', {class: 'stack'}, problem, tiles,
      h('div', {class: 'columns even'},
        full && h('section', {class: 'card', 'aria-label': 'Sign-ins'}, h('h2', null, 'Sign-ins a minute'), signIns.element),
        h('section', {class: 'card', 'aria-label': full ? 'Online' : 'Live'}, h('h2', null, full ? 'Online' : 'Live logins', since), online.element)),
      types,
      newest,
      full && h('div', {class: 'columns even'}, eventsCard, cleanUps),
      hooksCard),
    stop() {
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
      for (const c of [signIns, online, lag]) c?.stop?.();
    },
  };
}

function tile(label, value, href, remark) {
  return h(href ? 'a' : 'div', {class: 'tile', href},
    h('div', {class: 'tile-label'}, label), h('div', {class: 'tile-value'}, number(value)), h('div', {class: 'tile-remark muted small'}, remark ?? '\u00a0'));
}
