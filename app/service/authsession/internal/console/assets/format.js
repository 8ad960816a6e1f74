// How values are written. The browser's language and time zone count.
import {h} from './dom.js';

const whole = new Intl.NumberFormat();
const moment = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium', timeStyle: 'medium'});
const day = new Intl.DateTimeFormat(undefined, {dateStyle: 'medium'});
const clock = new Intl.DateTimeFormat(undefined, {hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23'});
const countries = new Intl.DisplayNames(undefined, {type: 'region'});
const span = new Intl.RelativeTimeFormat('en', {numeric: 'always', style: 'short'});

// number takes what the API writes: numbers of 64 bits are texts.
export function number(n) {
  return whole.format(typeof n === 'string' ? BigInt(n) : n ?? 0);
}

// count writes "1 login", "2 logins".
export function count(n, word) {
  return `${number(n)} ${word}${Number(n) === 1 ? '' : 's'}`;
}

const steps = [[60, 'second'], [60, 'minute'], [24, 'hour'], [30, 'day'], [12, 'month'], [Infinity, 'year']];

export function relative(date, now = Date.now()) {
  let seconds = (date - now) / 1000;
  if (Math.abs(seconds) < 45) return seconds > 5 ? 'in a moment' : 'just now';
  for (const [most, unit] of steps) {
    if (Math.abs(seconds) < most) return span.format(Math.round(seconds), unit);
    seconds /= most;
  }
  return day.format(date);
}

// when is a time as "3 hr. ago", with the moment itself as its title.
export function when(text) {
  if (!text) return h('span', {class: 'muted'}, '—');
  const date = new Date(text);
  return h('time', {datetime: text, title: moment.format(date)}, relative(date));
}

// exact is a time to the second.
export function exact(text) {
  if (!text) return h('span', {class: 'muted'}, '—');
  return h('time', {datetime: text}, moment.format(new Date(text)));
}

export function timeOfDay(date) {
  return clock.format(date);
}

// duration reads "2592000s" as the API writes it.
export function duration(text) {
  let rest = Math.round(parseFloat(text ?? '0'));
  if (rest === 0) return '0 s';
  const parts = [];
  for (const [size, unit] of [[86400, 'd'], [3600, 'h'], [60, 'min'], [1, 's']]) {
    const n = Math.floor(rest / size);
    rest -= n * size;
    if (n > 0) parts.push(`${number(n)} ${unit}`);
  }
  return parts.slice(0, 2).join(' ');
}

// flag is that of a country by its ISO code: two letters that a font with flags draws as
// one, so that no picture is needed, from here or from anywhere. Where a font has none, as
// on Windows, the letters themselves stand there. Its name is the country's.
export function flag(region) {
  if (!/^[A-Z]{2}$/.test(region ?? '')) return null;
  const letters = [...region].map((c) => String.fromCodePoint(0x1f1e6 + c.charCodeAt(0) - 65)).join('');
  return h('span', {class: 'flag', role: 'img', 'aria-label': countries.of(region), title: countries.of(region)}, letters);
}

// place is where an address is, as far as it is known.
export function place(at) {
  if (!at.country && !at.region) return null;
  return h('span', {class: 'place'}, flag(at.region), h('span', null, at.country || at.region));
}

export const deviceTypes = {android: 'Android', ios: 'iOS', desktop: 'Desktop', web: 'Web', bot: 'Bot', other: 'Other'};

export const strategies = {
  '': 'As configured for all',
  none: 'No limit',
  limit: 'At most so many, over all devices',
  'limit-per-device-type': 'At most so many of a device type',
  'one-per-device-type': 'One of a device type',
  one: 'One at all',
};

const reasons = {
  'logged-out': 'Signed out',
  'by-user': 'Ended by the user',
  'by-admin': 'Ended by an operator',
  'ttl-expired': 'Expired',
  inactive: 'Idle for too long',
  'concurrent-login': 'Ended by another sign-in',
  'replaced-on-key': 'Followed by another login on its key',
  'key-destroyed': 'Its key was destroyed',
  unknown: 'Ended, not recorded why',
};

export function reason(word) {
  return reasons[word] ?? word;
}

// actor is who ended a login: admin:alice is alice.
export function actor(by) {
  return (by ?? '').replace(/^admin:/, '');
}

// name is what a device calls itself, or its type.
export function name(login) {
  return login.device_model || deviceTypes[login.device_type] || 'Unknown device';
}

// app is what runs on it. Desktop and Web are no systems: what the app said of one
// tells more.
export function app(login) {
  const program = [login.app_name, login.app_version].filter(Boolean).join(' ');
  const named = ['Desktop', 'Web'].includes(login.platform) || login.system_version.startsWith(login.platform);
  const system = named ? login.system_version : [login.platform, login.system_version].filter(Boolean).join(' ');
  return [program, system].filter(Boolean).join(' on ') || (login.api_id ? `App ${login.api_id}` : 'Unknown app');
}
