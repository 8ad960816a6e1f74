// What the node does with logins, and a clean-up by hand.
import {call, may, once, takes} from './api.js';
import {because, field, open} from './dialog.js';
import {h, show, toast} from './dom.js';
import {count, duration, number, strategies} from './format.js';

export async function settingsPage({signal}) {
  const c = await call('GET', 'v1/config', {signal});
  const cards = [
    ['Sign-ins', [
      ['A sign-in leaves', strategies[c.concurrency.strategy] ?? c.concurrency.strategy],
      c.concurrency.strategy.startsWith('limit') && ['How many stay', number(c.concurrency.limit)],
      ['Of a user, at most', c.concurrency.total || 'No bound'],
      ['To be confirmed within', c.sessions.confirm_within === '0s' ? 'Not asked for' : duration(c.sessions.confirm_within)],
    ].filter(Boolean)],
    ['Expiry', [
      ['Days without use until a login expires', number(c.sessions.ttl_days)],
      ['Last use is exact to', `${duration(c.touch.cache_interval)}, in the database to ${duration(c.touch.db_interval)}`],
    ]],
    ['Clean-up', [
      ['Runs by itself', c.clean_up.enabled ? `every ${duration(c.clean_up.period)}` : 'No'],
      ['Ends what is idle for', duration(c.clean_up.inactive_after)],
      ['Logins of one step', number(c.clean_up.batch_size)],
      ['Ended logins are kept for', c.clean_up.keep_ended === '0s' ? 'ever' : duration(c.clean_up.keep_ended)],
    ]],
  ];
  return {
    title: 'Settings',
    remark: 'As the node that answers has them. They are changed in its configuration file.',
    actions: may('sessions:revoke') && h('button', {type: 'button', onclick: () => cleanUp(c.clean_up.least_older_than)}, 'Clean up idle logins…'),
    body: h('div', {class: 'cards'}, cards.map(([title, facts]) => h('section', {class: 'card', 'aria-label': title}, h('h2', null, title),
      h('dl', {class: 'facts'}, facts.map(([term, value]) => [h('dt', null, term), h('dd', null, value)]))))),
  };
}

function cleanUp(least) {
  const days = h('input', {type: 'number', min: Math.max(1, Math.ceil(parseFloat(least) / 86400)), max: 3650, value: 180, class: 'short', onchange: look});
  const limit = h('input', {type: 'number', min: 1, max: 10000, value: 1000, class: 'short', onchange: look});
  const why = because(takes('CleanUp', 'ticket'));
  const preview = h('div', {class: 'preview-box', role: 'status'});
  const asked = () => ({older_than: `${Number(days.value) * 86400}s`, limit: Number(limit.value)});
  const box = open({
    title: 'Clean up idle logins',
    action: 'End logins',
    danger: true,
    body: h('div', null, h('div', {class: 'fields two'}, field('Days without use', days), field('At most', limit)), preview, why.element),
    async act() {
      const done = await call('POST', 'v1/sessions:cleanup', {body: {...asked(), ...why.values()}, headers: once()});
      toast(`${count(done.count, 'login')} ended.${done.more ? ' There are more.' : ''}`);
    },
  });

  async function look() {
    box.say('');
    box.allow(false);
    show(preview, h('p', {class: 'muted'}, 'Counting…'));
    preview.setAttribute('aria-busy', 'true');
    try {
      const found = await call('POST', 'v1/sessions:cleanup', {body: {...asked(), dry_run: true}, signal: box.signal});
      show(preview, h('p', {class: 'preview-title'}, found.count === 0 ? 'No login is idle for that long.' : `${count(found.count, 'login')}${found.more ? ', and more,' : ''} would end.`));
      box.allow(found.count > 0, found.count > 0 ? `End ${count(found.count, 'login')}` : 'End logins');
    } catch (failure) {
      if (failure.name !== 'AbortError') box.say(failure.message);
    } finally {
      preview.removeAttribute('aria-busy');
    }
  }
  look();
}
