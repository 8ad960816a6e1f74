// Ending logins: of one user in a dialog, with a preview of what would end.
import {call, has, once} from './api.js';
import {because, field, open, select} from './dialog.js';
import {h, show, toast, unique} from './dom.js';
import {app, count, deviceTypes, name, place} from './format.js';
import {icon} from './icons.js';

const shown = 50; // logins that a preview names

const path = '/v1/users/{user_id}/sessions';

// endOne asks for a reason and ends a login; done is called afterwards.
export function endOne(login, done) {
  const why = because(has('DELETE', '/v1/sessions/{hash}', 'ticket'));
  open({
    title: 'End this login?',
    action: 'End login',
    danger: true,
    body: h('div', null, h('ul', {class: 'preview'}, summary(login)),
      h('p', {class: 'muted'}, 'The device is signed out at once. It can sign in again.'), why.element),
    async act() {
      await call('DELETE', `v1/sessions/${login.hash}`, {query: why.values(), headers: once()});
      toast(`The login on ${name(login)} has ended.`);
      done();
    },
  });
}

// endMany has an operator choose among the logins of a user.
export function endMany(userID, logins, done) {
  const why = because(has('DELETE', path, 'ticket'));
  const group = unique('which');
  const keep = select(Object.fromEntries(logins.map((l) => [l.hash, `${name(l)} – ${app(l)}`])), logins[0]?.hash, {'aria-label': 'The login that stays'});
  const newest = h('input', {type: 'number', min: 1, max: 10000, value: 1, 'aria-label': 'How many stay', class: 'short'});
  const types = Object.fromEntries(Object.entries(deviceTypes).filter(([type]) => logins.some((l) => l.device_type === type)));
  const type = select(types, Object.keys(types)[0], {'aria-label': 'Type of the devices'});
  const choices = {
    all: {text: 'All logins', query: () => ({})},
    but: {text: 'All but one', with: keep, query: () => ({except: keep.value})},
    newest: {text: 'All but those active last', with: newest, query: () => ({keep_newest: newest.value})},
    type: {text: 'Those on one type of device', with: type, query: () => ({device_type: type.value})},
  };
  const preview = h('div', {class: 'preview-box', 'aria-live': 'polite'});
  let chosen = 'all';
  let found = 0;
  let asked = 0;

  const box = open({
    title: `End logins of user ${userID}`,
    action: 'End logins',
    danger: true,
    wide: true,
    body: h('div', null,
      h('fieldset', {onchange: look, oninput: (e) => e.target === newest && look()}, h('legend', null, 'Which logins'),
        Object.entries(choices).map(([key, choice]) => h('div', {class: 'choice'},
          h('label', null, h('input', {type: 'radio', name: group, value: key, checked: key === 'all', onchange: () => { chosen = key; }}), ' ', choice.text),
          choice.with))),
      preview, why.element),
    async act() {
      // What has signed in since the preview was not agreed to: more than was shown is refused.
      const {ended} = await call('DELETE', `v1/users/${userID}/sessions`,
        {query: {...choices[chosen].query(), at_most: found, ...why.values()}, headers: once()});
      toast(`${count(ended.length, 'login')} ended.`);
      done();
    },
  });

  async function look() {
    for (const [key, choice] of Object.entries(choices)) if (choice.with) choice.with.disabled = key !== chosen;
    const mine = ++asked;
    box.say('');
    box.allow(false);
    preview.setAttribute('aria-busy', 'true');
    try {
      const {ended} = await call('DELETE', `v1/users/${userID}/sessions`,
        {query: {...choices[chosen].query(), dry_run: true}, signal: box.signal});
      if (mine !== asked) return;
      found = ended.length;
      const byHash = new Map(logins.map((l) => [l.hash, l]));
      show(preview,
        h('p', {class: 'preview-title'}, found === 0 ? 'No login would end.' : `${count(found, 'login')} would end:`),
        h('ul', {class: 'preview'}, ended.slice(0, shown).map((e) => summary(byHash.get(e.hash) ?? {hash: e.hash, device_model: `Login ${e.hash}`}))),
        found > shown && h('p', {class: 'muted small'}, `and ${found - shown} more`));
      box.allow(found > 0, found > 0 ? `End ${count(found, 'login')}` : 'End logins');
    } catch (failure) {
      if (failure.name !== 'AbortError') box.say(failure.message);
    } finally {
      preview.removeAttribute('aria-busy');
    }
  }
  look();
}

function summary(login) {
  return h('li', null, icon(login.device_type),
    h('div', null, h('strong', null, name(login)), login.device_type && h('span', {class: 'muted'}, ` – ${app(login)}`)),
    place(login));
}

// erase removes all that is known of a user, after the id has been typed.
export async function erase(userID, done) {
  const why = because(has('DELETE', '/v1/users/{user_id}/data', 'ticket'));
  const typed = h('input', {autocomplete: 'off', inputmode: 'numeric', oninput: () => box.allow(typed.value.trim() === userID)});
  const what = h('div', {class: 'preview-box', 'aria-busy': 'true'});
  const box = open({
    title: `Erase user ${userID}`,
    action: 'Erase for good',
    danger: true,
    body: h('div', null,
      h('p', null, 'Ends all logins of the user and removes them with addresses, history, devices and policy. It cannot be taken back. Block the account first: a login that begins meanwhile stays.'),
      what, why.element, field('Type the user’s id to confirm', typed)),
    async act() {
      await call('DELETE', `v1/users/${userID}/data`, {query: why.values(), headers: once()});
      toast(`User ${userID} has been erased.`);
      done();
    },
  });
  box.allow(false);
  try {
    const n = await call('DELETE', `v1/users/${userID}/data`, {query: {dry_run: true}, signal: box.signal});
    show(what, h('p', {class: 'preview-title'}, 'This would be removed:'),
      h('ul', null, h('li', null, `${count(n.sessions, 'login')}, ${n.logged_out} of them live`), h('li', null, count(n.history, 'earlier login')), h('li', null, count(n.devices, 'device'))));
  } catch (failure) {
    if (failure.name !== 'AbortError') box.say(failure.message);
  } finally {
    what.removeAttribute('aria-busy');
  }
}
