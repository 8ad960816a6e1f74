// Ending logins across users by a filter: count first, then end, part by part.
import {call, has, once} from './api.js';
import {because, field, select} from './dialog.js';
import {h, show, toast} from './dom.js';
import {count, deviceTypes, number} from './format.js';
import {utc} from './page_audit.js';

const platforms = ['Android', 'iOS', 'Desktop', 'macOS', 'Windows', 'Linux', 'Web'];
const part = {count: 1000, end: 200}; // logins of one call

export function endPage({query, signal}) {
  const words = (text) => text.split(/[\s,;]+/).filter(Boolean);
  const networks = h('input', {placeholder: '203.0.113.0/24, 2001:db8::/32', spellcheck: 'false'});
  const countries = h('input', {value: query.get('country') ?? '', placeholder: 'DE, FR', autocapitalize: 'characters'});
  const types = select({'': 'Any', ...deviceTypes}, query.get('device_type'));
  const platform = select({'': 'Any', ...Object.fromEntries(platforms.map((p) => [p, p]))}, '');
  const apps = h('input', {value: query.get('api_id') ?? '', placeholder: 'Any', inputmode: 'numeric'});
  const users = h('input', {placeholder: 'Any', inputmode: 'numeric'});
  const spared = h('input', {placeholder: 'None', inputmode: 'numeric'});
  const after = h('input', {type: 'datetime-local'});
  const before = h('input', {type: 'datetime-local'});
  const idle = h('input', {type: 'datetime-local'});
  const active = h('input', {type: 'datetime-local'});
  const why = because(true);

  const status = h('div', {class: 'preview-box tall', role: 'status'}, h('p', {class: 'muted'}, 'Name what is to end, then count it. Nothing ends before you confirm.'));
  const problem = h('p', {class: 'problem', role: 'alert', hidden: true});
  const look = h('button', {type: 'submit'}, 'Count what would end');
  const end = h('button', {type: 'button', class: 'danger', disabled: true, onclick: run}, 'End logins');
  const stop = h('button', {type: 'button', hidden: true, onclick: () => halt.abort()}, 'Stop');
  let halt = new AbortController();
  let agreed = null; // what was counted

  function asked() {
    const match = {
      networks: words(networks.value), countries: words(countries.value.toUpperCase()), api_ids: words(apps.value).map(Number),
      platforms: words(platform.value), device_types: words(types.value), user_ids: words(users.value),
      signed_in_after: utc(after.value), signed_in_before: utc(before.value), active_after: utc(active.value), active_before: utc(idle.value),
    };
    const given = Object.fromEntries(Object.entries(match).filter(([, value]) => value.length > 0));
    const except = words(spared.value);
    return {match: given, ...(except.length > 0 && {except_user_ids: except})};
  }

  // parts calls until nothing is left, or until it is stopped; each is told the sum.
  async function parts(body, size, told) {
    halt = new AbortController();
    const away = AbortSignal.any([halt.signal, signal]);
    const sum = {matched: 0, ended: 0, examined: 0, more: true, sessions: []};
    let token = '';
    stop.hidden = false;
    look.disabled = end.disabled = true;
    try {
      while (sum.more) {
        const answer = await call('POST', 'v1/sessions:revoke', {body: {...body, limit: size, ...(token && {page_token: token})}, signal: away, headers: body.dry_run ? {} : once()});
        for (const name of ['matched', 'ended', 'examined']) sum[name] += Number(answer[name]);
        if (sum.sessions.length < 20) sum.sessions.push(...answer.sessions);
        token = answer.next_page_token;
        sum.more = answer.more && token !== '';
        told(sum);
      }
    } finally {
      stop.hidden = true;
      look.disabled = false;
    }
    return sum;
  }

  async function preview(e) {
    e.preventDefault();
    problem.hidden = true;
    agreed = null;
    const body = asked();
    if (Object.keys(body.match).length === 0) return say('Name at least one thing that the logins have in common.');
    try {
      const sum = await parts({...body, dry_run: true}, part.count, (n) => show(status, h('p', null, `Counting: ${count(n.matched, 'login')} so far, ${number(n.examined)} looked at…`)));
      agreed = sum.matched > 0 ? body : null;
      show(status, h('p', {class: 'preview-title'}, sum.matched === 0 ? 'No login is like this.' : `${count(sum.matched, 'login')} would end.`),
        sum.matched > 0 && h('ul', {class: 'plain'}, sum.sessions.slice(0, 10).map((s) => h('li', null,
          h('a', {class: 'mono', href: `#/logins/${s.hash}`, target: '_blank', rel: 'noopener'}, s.hash), ' of user ', h('span', {class: 'mono'}, s.user_id)))),
        sum.matched > 10 && h('p', {class: 'muted small'}, `and ${number(sum.matched - 10)} more`));
      show(end, sum.matched > 0 ? `End ${count(sum.matched, 'login')}` : 'End logins');
    } catch (failure) {
      stopped(failure, 'Counting was stopped.');
    }
    end.disabled = !agreed;
    return null;
  }

  async function run() {
    const body = {...agreed, ...why.values()};
    let ended = 0;
    try {
      const sum = await parts(body, part.end, (n) => {
        ended = n.ended;
        show(status, h('p', null, `Ending: ${count(n.ended, 'login')} so far…`));
      });
      show(status, h('p', {class: 'preview-title'}, `${count(sum.ended, 'login')} ended.`));
      toast(`${count(sum.ended, 'login')} ended.`);
    } catch (failure) {
      stopped(failure, `Stopped. ${count(ended, 'login')} ended before.`);
    }
    agreed = null;
    end.disabled = true;
  }

  function stopped(failure, text) {
    if (failure.name === 'AbortError') show(status, h('p', {class: 'preview-title'}, text));
    else say(failure.message);
  }

  function say(text) {
    problem.hidden = false;
    show(problem, text);
    return null;
  }

  if (!has('POST', '/v1/sessions:revoke')) return {title: 'End by filter', body: h('p', {class: 'empty'}, 'This release of the service cannot.')};
  return {
    title: 'End logins by filter',
    back: {href: '#/logins', text: 'Logins'},
    body: h('form', {class: 'card', onsubmit: preview},
      h('p', {class: 'muted'}, 'Logins of all users that have everything in common that you name. Several values of one kind, apart by commas, are either of them.'),
      h('div', {class: 'fields grid', oninput: () => { agreed = null; end.disabled = true; }},
        field('Address or network', networks, 'That they were used from last.'), field('Country', countries, 'Codes of two letters.'),
        field('Device type', types), field('Platform', platform), field('App id', apps), field('User', users),
        field('First seen since', after), field('First seen before', before), field('Active since', active), field('Not active since', idle),
        field('Users who are spared', spared, 'Your own account, for one, where it may match.')),
      why.element, problem, status,
      h('div', {class: 'form-foot'}, stop, look, end)),
  };
}
