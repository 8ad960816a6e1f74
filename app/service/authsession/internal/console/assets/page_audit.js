// The audit log: search, detail, export.
import {call, has} from './api.js';
import {field, select, tell} from './dialog.js';
import {download, h} from './dom.js';
import {exact, number, when} from './format.js';
import {icon} from './icons.js';
import {pages, table} from './list.js';
import {badge} from './login.js';

const size = 50;
const changes = ['RevokeSession', 'RevokeSessions', 'RevokeMatching', 'CleanUp', 'EraseUser', 'SetPolicy', 'ChangePolicy', 'RetryDeadLetters', 'PurgeDeadLetters'];
const methods = ['', ...changes, 'SignIn',
  'ListSessions', 'GetSession', 'FindLastSession', 'GetPolicy', 'GetOverview', 'GetStatistics', 'GetConfig', 'ListAudit', 'GetAudit', 'ExportAudit', 'WhoAmI', 'ListEvents', 'ListWebhooks', 'ListDeadLetters'];
const codes = ['', 'OK', 'UNAUTHENTICATED', 'PERMISSION_DENIED', 'INVALID_ARGUMENT', 'NOT_FOUND', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'UNAVAILABLE', 'INTERNAL'];
const members = ['user_id', 'caller', 'method', 'code', 'ticket', 'since', 'until'];

// auditList is the rows that a filter leaves.
export function auditList({filter, signal}) {
  const list = pages({
    size, signal,
    empty: 'No row is like this.',
    async load(token, abort) {
      const answer = await call('GET', 'v1/audit', {signal: abort, query: {...filter, page_size: size, page_token: token}});
      return {items: answer.entries, next: answer.next_page_token};
    },
    draw: (entries) => table('Audit log', ['When', 'Caller', 'Call', 'About', 'Outcome', 'Why'], entries.map(row)),
  });
  list.first();
  return list;
}

function row(entry) {
  const why = [entry.reason, entry.ticket].filter(Boolean).join(' · ');
  return h('tr', null,
    h('th', {scope: 'row', class: 'nowrap'}, h('a', {href: `#/audit/${entry.id}`}, when(entry.at))),
    h('td', null, entry.caller || h('span', {class: 'muted'}, 'nobody known'), h('div', {class: 'muted small mono'}, entry.client_ip)),
    h('td', null, changes.includes(entry.method) ? h('strong', null, entry.method) : entry.method, h('div', {class: 'muted small'}, entry.transport)),
    h('td', null, about(entry)),
    h('td', null, outcome(entry)),
    h('td', {class: 'why'}, why || h('span', {class: 'muted'}, '—')));
}

function about(entry) {
  if (entry.user_id !== '0') return h('a', {class: 'mono', href: `#/users/${entry.user_id}`}, entry.user_id);
  if (entry.hash !== '0') return h('a', {class: 'mono', href: `#/logins/${entry.hash}`}, `login ${entry.hash}`);
  return h('span', {class: 'muted'}, '—');
}

function outcome(entry) {
  if (entry.code === '') return badge('Not recorded', 'warn', 'Under way, or its end could not be written down');
  const done = changes.includes(entry.method) && entry.affected > 0 ? ` · ${number(entry.affected)}` : '';
  if (entry.code === 'OK') return badge(`OK${done}`, done ? 'good' : '');
  return badge(entry.code.toLowerCase().replaceAll('_', ' ') + done, 'bad', entry.refusal);
}

export function auditPage({query, go, signal}) {
  const filter = Object.fromEntries(members.map((name) => [name, query.get(name) ?? '']));
  const user = h('input', {value: filter.user_id, inputmode: 'numeric', placeholder: 'Any'});
  const caller = h('input', {value: filter.caller, placeholder: 'Any'});
  const ticket = h('input', {value: filter.ticket, placeholder: 'Any'});
  const method = select(Object.fromEntries(methods.map((m) => [m, m || 'Any call'])), filter.method);
  const code = select(Object.fromEntries(codes.map((c) => [c, c ? c.toLowerCase().replaceAll('_', ' ') : 'Any outcome'])), filter.code);
  const since = h('input', {type: 'datetime-local', value: local(filter.since)});
  const until = h('input', {type: 'datetime-local', value: local(filter.until)});
  const apply = (e) => {
    e.preventDefault();
    go('/audit', {user_id: user.value.trim(), caller: caller.value.trim(), ticket: ticket.value.trim(), method: method.value, code: code.value, since: utc(since.value), until: utc(until.value)});
  };
  return {
    title: 'Audit log',
    actions: has('GET', '/v1/audit:export') && ['csv', 'ndjson'].map((format) =>
      h('button', {type: 'button', onclick: (e) => save(e.currentTarget, format, filter, signal)}, icon('down'), ` ${format.toUpperCase()}`)),
    body: h('div', null,
      h('form', {class: 'filters', role: 'search', onsubmit: apply, onchange: apply},
        field('User', user), field('Caller', caller), field('Call', method), field('Outcome', code), field('Ticket', ticket), field('Since', since), field('Until', until),
        h('button', {type: 'submit', class: 'sr'}, 'Apply')),
      auditList({filter, signal}).element),
  };
}

// save exports all that the filter leaves, not only the page that is shown. An export
// that breaks is no file.
async function save(button, format, filter, signal) {
  button.disabled = true;
  try {
    const response = await call('GET', 'v1/audit:export', {query: {...filter, format}, raw: true, signal});
    const blob = await response.blob();
    download(`audit-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.${format}`, blob);
  } catch (failure) {
    tell(failure.status === undefined && failure.name !== 'AbortError' ? new Error('The export broke off; there is no file. Try again.') : failure);
  } finally {
    button.disabled = false;
  }
}

export async function entryPage({args: [id], signal}) {
  const entry = await call('GET', `v1/audit/${id}`, {signal});
  let request = entry.request;
  try {
    request = JSON.stringify(JSON.parse(entry.request), null, 2);
  } catch { /* a text that is none: it was cut, or tells of refusals */ }
  const facts = [
    ['When', exact(entry.at)], ['Caller', entry.caller || 'nobody known'], ['From', h('span', {class: 'mono'}, entry.client_ip || '—')],
    ['Over', entry.transport], ['About', about(entry)], ['Outcome', outcome(entry)], entry.refusal && ['Refused for', entry.refusal],
    ['Reason', entry.reason || '—'], ['Ticket', entry.ticket || '—'],
  ].filter(Boolean);
  return {
    title: entry.method,
    back: {href: '#/audit', text: 'Audit log'},
    body: h('div', {class: 'columns'},
      h('section', {class: 'card', 'aria-label': 'Facts'}, h('dl', {class: 'facts'}, facts.map(([term, value]) => [h('dt', null, term), h('dd', null, value)]))),
      h('div', null,
        request && h('section', {class: 'card flush', 'aria-label': 'Request'}, h('h2', null, 'Request'), h('pre', {tabindex: 0}, request)),
        entry.ended.length > 0 && h('section', {class: 'card flush', 'aria-label': 'Logins that it ended'}, h('h2', null, `Ended (${number(entry.ended.length)})`),
          table('Logins that it ended', ['Login', 'User'], entry.ended.slice(0, 500).map((e) => h('tr', null,
            h('th', {scope: 'row'}, h('a', {class: 'mono', href: `#/logins/${e.hash}`}, e.hash)),
            h('td', null, h('a', {class: 'mono', href: `#/users/${e.user_id}`}, e.user_id)))))))),
  };
}

// local and utc turn the API's times into those of an input, and back.
export function local(text) {
  if (!text) return '';
  const date = new Date(text);
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

export function utc(text) {
  return text ? new Date(text).toISOString() : '';
}

