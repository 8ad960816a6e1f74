// How a login is shown, wherever it is.
import {h} from './dom.js';
import {icon} from './icons.js';
import {actor, app, name, place, reason, when} from './format.js';

export function badge(text, kind, title) {
  return h('span', {class: `badge ${kind ?? ''}`, title}, text);
}

export function live(login) {
  return !login.revoked_at;
}

export function state(login) {
  if (!live(login)) return badge('Ended', '', reason(login.revoke_reason));
  if (login.unconfirmed) return badge('Unconfirmed', 'warn', 'The user has not confirmed this login yet');
  return badge('Live', 'good');
}

export function link(login, ...children) {
  return h('a', {href: `#/logins/${login.hash}`}, ...(children.length > 0 ? children : [name(login)]));
}

// device is icon, name and app, one below the other.
export function device(login) {
  return h('div', {class: 'device'}, icon(login.device_type),
    h('div', null, h('div', {class: 'device-name'}, link(login)), h('div', {class: 'muted small'}, app(login))));
}

// where is place and address.
export function where(login) {
  const at = place(login);
  return h('div', null, at, h('div', {class: at ? 'mono muted small' : 'mono'}, login.ip || '—'));
}

// ended says why and by whom, with the operator's note.
export function ended(login) {
  const who = actor(login.revoked_by);
  const ticket = login.revoke_ticket;
  return h('div', null,
    h('div', null, reason(login.revoke_reason), login.revoke_reason === 'by-admin' && who ? [' ', h('strong', null, who)] : null),
    (login.revoke_note || ticket) && h('div', {class: 'muted small'}, [login.revoke_note, ticket].filter(Boolean).join(' · ')));
}

// item is a login in the list of a user's, with its button.
export function item(login, end) {
  return h('li', {class: 'item'},
    icon(login.device_type),
    h('div', {class: 'item-main'},
      h('div', {class: 'item-title'}, link(login), ' ', state(login)),
      h('div', {class: 'muted small'}, app(login)),
      !live(login) && h('div', {class: 'small item-why'}, ended(login))),
    h('div', {class: 'item-where'}, where(login)),
    h('dl', {class: 'item-times'},
      h('dt', null, 'First seen'), h('dd', null, when(login.signed_in)),
      h('dt', null, live(login) ? 'Last active' : 'Ended'), h('dd', null, when(live(login) ? login.last_active : login.revoked_at))),
    h('div', {class: 'item-act'}, end && live(login) && h('button', {type: 'button', class: 'danger-quiet', 'aria-label': `End the login on ${name(login)}`, onclick: () => end(login)}, 'End')));
}

// row is a login in a table of many users' logins.
export function row(login) {
  return h('tr', null,
    h('th', {scope: 'row'}, device(login)),
    h('td', null, h('a', {href: `#/users/${login.user_id}`, class: 'mono'}, login.user_id)),
    h('td', null, where(login)),
    h('td', {class: 'nowrap'}, when(login.signed_in)),
    h('td', {class: 'nowrap'}, when(live(login) ? login.last_active : login.revoked_at)),
    h('td', null, live(login) ? state(login) : ended(login)));
}

export const columns = ['Device', 'User', 'Place', 'First seen', 'Last active', 'State'];
