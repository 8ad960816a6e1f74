// One user: devices, history, policy, what operators did.
import {call, caller, has, may, once} from './api.js';
import {because, field, select} from './dialog.js';
import {h, show, toast} from './dom.js';
import {count, strategies} from './format.js';
import {pages} from './list.js';
import {badge, item} from './login.js';
import {auditList} from './page_audit.js';
import {endMany, endOne, erase} from './revoke.js';

const size = 100;

export function userPage({args: [id, tab = 'devices'], signal, reload}) {
  const tabs = [
    ['devices', 'Devices'],
    ['history', 'History'],
    ['policy', 'Policy'],
    has('GET', '/v1/audit') && may('audit:read') && ['audit', 'Audit log'],
  ].filter(Boolean);
  const bodies = {devices, history, policy, audit: () => auditList({filter: {user_id: id}, signal}).element};
  const marks = h('span', {class: 'badges'});
  const ending = h('button', {type: 'button', class: 'danger', disabled: true}, 'End logins…');
  const erasing = may('sessions:erase') && has('DELETE', '/v1/users/{user_id}/data') &&
    h('button', {type: 'button', class: 'danger-quiet', onclick: () => erase(id, reload)}, 'Erase…');

  function devices() {
    const logins = new Map();
    const list = pages({
      size, signal,
      empty: 'No device is signed in.',
      async load(token, abort) {
        const answer = await call('GET', 'v1/sessions', {signal: abort, query: {user_id: id, active: true, page_size: size, page_token: token}});
        return {items: answer.sessions, next: answer.next_page_token};
      },
      draw(found) {
        for (const login of found) logins.set(login.hash, login);
        const unconfirmed = found.filter((l) => l.unconfirmed).length;
        show(marks, badge(`${count(found.length, 'device')}`), unconfirmed > 0 && badge(`${unconfirmed} unconfirmed`, 'warn'));
        ending.disabled = false;
        return h('ul', {class: 'items'}, found.map((login) => item(login, may('sessions:revoke') && ((l) => endOne(l, reload)))));
      },
    });
    ending.addEventListener('click', () => endMany(id, [...logins.values()], reload));
    list.first();
    return list.element;
  }

  function history() {
    const list = pages({
      size, signal,
      empty: 'No login has ended, or none is kept.',
      async load(token, abort) {
        const answer = await call('GET', 'v1/sessions', {signal: abort, query: {user_id: id, active: false, page_size: size, page_token: token}});
        return {items: answer.sessions, next: answer.next_page_token};
      },
      draw: (found) => h('ul', {class: 'items'}, found.map((login) => item(login))),
    });
    list.first();
    return list.element;
  }

  function policy() {
    const box = h('div', {class: 'card narrow', 'aria-busy': 'true'}, h('p', {class: 'muted'}, 'Loading…'));
    Promise.all([call('GET', `v1/users/${id}/policy`, {signal}), call('GET', 'v1/config', {signal})])
      .then(([own, all]) => show(box, policyForm(id, own, all)), (failure) => failure.name !== 'AbortError' && show(box, h('p', {class: 'problem', role: 'alert'}, failure.message)))
      .finally(() => box.removeAttribute('aria-busy'));
    return box;
  }

  return {
    title: `User ${id}`,
    badge: tab === 'devices' && marks,
    actions: tab === 'devices' && may('sessions:revoke') ? [erasing, ending] : erasing,
    body: h('div', null,
      h('nav', {class: 'tabs', 'aria-label': 'Parts of the user'}, tabs.map(([key, text]) =>
        h('a', {href: `#/users/${id}${key === 'devices' ? '' : `/${key}`}`, 'aria-current': key === tab && 'page'}, text))),
      (bodies[tab] ?? devices)()),
  };
}

function policyForm(id, own, all) {
  const ttl = h('input', {type: 'number', min: 0, max: 3650, value: own.ttl_days || '', placeholder: all.sessions.ttl_days || 'None', class: 'short'});
  const strategy = select({...strategies, '': `As configured for all: ${(strategies[all.concurrency.strategy] ?? all.concurrency.strategy).toLowerCase()}`}, own.strategy);
  const limit = h('input', {type: 'number', min: 0, max: 10000, value: own.limit || '', placeholder: all.concurrency.limit || 'None', class: 'short'});
  const why = because(has('PUT', '/v1/users/{user_id}/policy', 'ticket'));
  const problem = h('p', {class: 'problem', role: 'alert', hidden: true});
  const allowed = may('sessions:revoke');
  const save = h('button', {type: 'submit', class: 'primary'}, 'Save policy');
  for (const input of [ttl, strategy, limit]) input.disabled = !allowed;
  return h('form', {async onsubmit(e) {
    e.preventDefault();
    save.disabled = true;
    problem.hidden = true;
    try {
      await call('PUT', `v1/users/${id}/policy`, {query: why.values(), headers: once(),
        body: {ttl_days: Number(ttl.value) || 0, strategy: strategy.value, limit: Number(limit.value) || 0}});
      toast('The policy is saved.');
    } catch (failure) {
      show(problem, failure.message);
      problem.hidden = false;
    } finally {
      save.disabled = false;
    }
  }},
  problem,
  h('div', {class: 'fields'},
    field('A sign-in leaves', strategy, 'Counts at the next sign-in; ends nothing by itself.'),
    field('How many stay', limit, 'For the strategies that name a number. Empty: as configured for all.'),
    field('Days without use until a login expires', ttl, `Counts at once. Empty: as configured for all, ${all.sessions.ttl_days || 'no'} days.`)),
  allowed ? [why.element, h('div', {class: 'form-foot'}, save)] : h('p', {class: 'muted'}, `${caller().name} may not change it: the scope sessions:revoke is needed.`));
}

