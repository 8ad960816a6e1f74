// All logins, by page and filter; and one login.
import {call, has, may} from './api.js';
import {field, select, tell} from './dialog.js';
import {h} from './dom.js';
import {actor, app, deviceTypes, exact, name, number, place, reason, when} from './format.js';
import {icon} from './icons.js';
import {pages, table} from './list.js';
import {columns, live, row, state} from './login.js';
import {endOne} from './revoke.js';

const size = 50;
const path = '/v1/sessions';

export function loginsPage({query, go, signal}) {
  const can = (parameter) => has('GET', path, parameter);
  const search = can('q')
    ? h('input', {type: 'search', value: query.get('q') ?? '', placeholder: 'User, address, network, device, app'})
    : h('input', {type: 'search', value: query.get('user_id') ?? '', inputmode: 'numeric', placeholder: 'User id'});
  const active = select({true: 'Live', false: 'Ended', any: 'Live and ended'}, query.get('active') ?? 'true');
  const type = select({'': 'Any device', ...deviceTypes}, query.get('device_type'));
  const appID = h('input', {value: query.get('api_id') ?? '', inputmode: 'numeric', class: 'short', placeholder: 'Any'});
  const country = can('country') && h('input', {value: query.get('country') ?? '', maxlength: 2, class: 'short', placeholder: 'Any', autocapitalize: 'characters'});
  const sort = can('sort') && select({signed_in: 'First seen, latest first', last_active: 'Last active, latest first', idle: 'Idle longest first'}, query.get('sort') ?? 'signed_in');

  const chosen = () => ({
    [can('q') ? 'q' : 'user_id']: search.value.trim(),
    active: active.value === 'true' ? '' : active.value,
    device_type: type.value,
    api_id: appID.value.trim(),
    country: country ? country.value.trim().toUpperCase() : '',
    sort: sort && sort.value !== 'signed_in' && active.value === 'true' ? sort.value : '',
  });
  const apply = (e) => {
    e?.preventDefault();
    go('/logins', chosen());
  };
  const asked = chosen();
  if (sort) sort.disabled = active.value !== 'true';

  const list = pages({
    size, signal,
    empty: 'No login is like this.',
    async load(token, abort) {
      const answer = await call('GET', 'v1/sessions', {signal: abort, query: {
        ...asked, active: active.value === 'any' ? '' : active.value, page_size: size, page_token: token,
        total: can('total') && !token ? true : '',
      }});
      return {items: answer.sessions, next: answer.next_page_token, total: answer.total, atLeast: answer.total_at_least};
    },
    draw: (logins) => table('Logins', columns, logins.map(row)),
    note: totals(),
  });
  list.first();

  return {
    title: 'Logins',
    actions: may('sessions:revoke') && has('POST', '/v1/sessions:revoke') && h('a', {class: 'button', href: `#/end?${new URLSearchParams({device_type: type.value, country: asked.country, api_id: asked.api_id})}`}, 'End by filter…'),
    body: h('div', null,
      h('form', {class: 'filters', role: 'search', onsubmit: apply, onchange: apply},
        h('div', {class: 'grow'}, field(can('q') ? 'Find' : 'User', search)), field('State', active), field('Device', type),
        country && field('Country', country), field('App id', appID), sort && field('Order', sort),
        h('button', {type: 'submit', class: 'sr'}, 'Apply')),
      list.element),
  };
}

// totals remembers what the first page said of the whole.
function totals() {
  let all = null;
  return (answer, items, index, each) => {
    if (answer.total !== undefined && answer.total !== null && index === 0) all = answer;
    if (items.length === 0) return '';
    const shown = `${number(index * each + 1)}–${number(index * each + items.length)}`;
    // The service counts now and then: a total that is older than the page may be less.
    if (!all || Number(all.total) < index * each + items.length) return shown;
    return `${shown} of ${number(all.total)}${all.atLeast ? ' or more' : ''}`;
  };
}

export async function loginPage({args: [hash], signal, reload}) {
  const login = await call('GET', `v1/sessions/${hash}`, {signal});
  const facts = [
    ['User', h('a', {href: `#/users/${login.user_id}`, class: 'mono'}, login.user_id)],
    ['App', app(login)],
    ['App id', login.api_id ? h('span', {class: 'mono'}, login.api_id) : '—'],
    ['Device type', deviceTypes[login.device_type]],
    ['API layer', login.layer || 'Not announced'],
    ['Language', login.lang_code || '—'],
    ['First seen', exact(login.signed_in)],
    ['Last active', exact(login.last_active)],
    live(login) && ['Expires unless used', exact(login.expires_at)],
    !live(login) && ['Ended', exact(login.revoked_at)],
    !live(login) && ['Why', reason(login.revoke_reason)],
    !live(login) && login.revoked_by && ['By whom', actor(login.revoked_by)],
    login.revoke_note && ['Reason given', login.revoke_note],
    login.revoke_ticket && ['Ticket', login.revoke_ticket],
    ['Login', h('span', {class: 'mono'}, login.hash)],
    ['Auth key', h('span', {class: 'mono'}, login.auth_key_id)],
  ].filter(Boolean);
  return {
    title: name(login),
    back: {href: `#/users/${login.user_id}`, text: `User ${login.user_id}`},
    badge: state(login),
    actions: live(login) && may('sessions:revoke') && h('button', {type: 'button', class: 'danger', onclick: () => endOne(login, reload)}, 'End login…'),
    body: h('div', {class: 'columns'},
      h('section', {class: 'card', 'aria-label': 'Facts'}, h('dl', {class: 'facts'}, facts.map(([term, value]) => [h('dt', null, term), h('dd', null, value)]))),
      h('section', {class: 'card flush', 'aria-label': 'Addresses'}, h('h2', null, 'Used from'),
        login.addresses.length === 0 ? h('p', {class: 'empty'}, 'No address is known.') : table('Addresses', ['Address', 'Place', 'First seen', 'Last seen'],
          login.addresses.map((a) => h('tr', null, h('th', {scope: 'row', class: 'mono'}, a.ip), h('td', null, place(a) ?? '—'),
            h('td', {class: 'nowrap'}, when(a.first_seen)), h('td', {class: 'nowrap'}, when(a.last_seen))))))),
  };
}

// find leads from what somebody has typed to a page.
export async function find(text, go) {
  const [, kind, id] = /^(?:(user|login|hash|key):)?\s*(-?\d{1,20})$/.exec(text) ?? [];
  if (!id) return go('/logins', has('GET', path, 'q') ? {q: text} : {});
  // Ids of users are short and never negative; hashes and keys are any 64 bits.
  if (kind === 'user' || (!kind && !id.startsWith('-') && id.length < 16)) return go(`/users/${id}`);
  try {
    if (kind !== 'key') {
      const login = await call('GET', `v1/sessions/${id}`).catch(absent);
      if (login) return go(`/logins/${login.hash}`);
    }
    const login = await call('GET', `v1/keys/${id}/session`).catch(absent);
    if (login) return go(`/logins/${login.hash}`);
    if (!kind && !id.startsWith('-')) return go(`/users/${id}`);
    tell(new Error(`No login or key has the number ${id}.`));
  } catch (failure) {
    tell(failure);
  }
  return null;
}

function absent(failure) {
  if (failure.status !== 404) throw failure;
  return null;
}

// searchBox is the field in the head of every page.
export function searchBox(go) {
  const input = h('input', {type: 'search', id: 'search', 'aria-label': 'Find a user, login or key', placeholder: 'Find a user, login or key', autocomplete: 'off', 'aria-keyshortcuts': '/'});
  return h('form', {class: 'search', role: 'search', onsubmit: (e) => {
    e.preventDefault();
    const text = input.value.trim();
    if (!text) return;
    input.value = '';
    find(text, go);
  }}, icon('search'), input, h('kbd', {'aria-hidden': 'true'}, '/'));
}

