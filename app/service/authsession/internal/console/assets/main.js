// The frame around all pages, and the way from an address to a page.
import {caller, describe, has, hasToken, may, onSignedOut, resume, signIn, signOut} from './api.js';
import {h, show} from './dom.js';
import {when} from './format.js';
import {icon, mark} from './icons.js';
import {finish} from './oidc.js';
import {auditPage, entryPage} from './page_audit.js';
import {endPage} from './page_end.js';
import {loginPage, loginsPage, searchBox} from './page_logins.js';
import {overviewPage} from './page_overview.js';
import {settingsPage} from './page_settings.js';
import {signin} from './page_signin.js';
import {userPage} from './page_user.js';

const app = document.getElementById('app');

// Addresses are behind the #: the service sees none of them, and a reload works.
const pages = [
  [/^\/$/, overviewPage, 'overview'],
  [/^\/logins$/, loginsPage, 'logins'],
  [/^\/logins\/(-?\d+)$/, loginPage, 'logins'],
  [/^\/users\/(\d+)(?:\/(\w+))?$/, userPage, 'logins'],
  [/^\/end$/, endPage, 'logins'],
  [/^\/audit$/, auditPage, 'audit'],
  [/^\/audit\/(\d+)$/, entryPage, 'audit'],
  [/^\/settings$/, settingsPage, 'settings'],
];

let leave = null; // ends what the page that is shown has under way
let main = null;

// closeDialogs ends those of the page before: somebody has gone back.
function closeDialogs() {
  for (const dialog of document.querySelectorAll('dialog')) dialog.close();
}

function go(path, query = {}) {
  const given = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  const hash = `#${path}${given.size > 0 ? `?${given}` : ''}`;
  if (location.hash === hash) route();
  else location.hash = hash;
}

async function route() {
  leave?.();
  const away = new AbortController();
  let stop = null;
  closeDialogs();
  leave = () => {
    away.abort(new DOMException('another page is shown', 'AbortError'));
    stop?.();
  };
  const [path, query = ''] = (location.hash.slice(1) || '/').split('?');
  const [pattern, page, section] = pages.find(([p]) => p.test(path)) ?? [];
  for (const link of document.querySelectorAll('.nav a')) {
    if (link.dataset.section === section) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  if (!page) return put({title: 'There is no such page', body: h('p', {class: 'empty'}, h('a', {href: '#/'}, 'Overview'))});
  const focused = place(document.activeElement);
  main.setAttribute('aria-busy', 'true');
  try {
    const made = await page({args: pattern.exec(path).slice(1), query: new URLSearchParams(query), signal: away.signal, go, reload: route});
    if (away.signal.aborted) return made.stop?.();
    stop = made.stop;
    put(made, focused);
  } catch (failure) {
    if (away.signal.aborted) return null;
    put({title: failure.status === 404 ? 'Not found' : 'This did not work', body: h('div', {class: 'empty', role: 'alert'}, h('p', null, failure.message),
      failure.status !== 404 && h('button', {type: 'button', onclick: route}, 'Try again'))});
  } finally {
    if (!away.signal.aborted) main.removeAttribute('aria-busy');
  }
  return null;
}

// filters are the fields of the form that a list is narrowed with.
function filters() {
  return [...main.querySelectorAll('.filters input, .filters select')];
}

// place is which of them has the focus; -1: none.
function place(element) {
  return filters().indexOf(element);
}

// put shows a page and moves the focus to its heading, so that a screen reader reads
// it; not while somebody chooses in a filter.
function put(page, focused = -1) {
  document.title = `${page.title} – Session console`;
  const heading = h('h1', {tabindex: -1}, page.title);
  show(main,
    page.back && h('a', {class: 'back', href: page.back.href}, icon('back'), page.back.text),
    h('div', {class: 'page-head'}, heading, page.badge, h('span', {class: 'spring'}), page.actions && h('div', {class: 'actions'}, page.actions)),
    page.remark && h('p', {class: 'muted page-remark'}, page.remark),
    page.body);
  const filter = filters()[focused];
  if (filter) filter.focus({preventScroll: true});
  else if (shown) heading.focus({preventScroll: true});
  if (!filter) window.scrollTo(0, 0);
  shown = true;
}

let shown = false; // the first page leaves the focus where the browser has it

function frame() {
  const me = caller();
  const sections = [
    ['overview', '#/', 'Overview'],
    ['logins', '#/logins', 'Logins'],
    has('GET', '/v1/audit') && may('audit:read') && ['audit', '#/audit', 'Audit log'],
    ['settings', '#/settings', 'Settings'],
  ].filter(Boolean);
  main = h('main', {id: 'main', tabindex: -1});
  const menu = h('div', {id: 'me', popover: 'auto', class: 'menu'},
    h('div', {class: 'menu-head'}, h('strong', null, me.name), me.expires && h('div', {class: 'muted small'}, 'signed in; ends ', when(me.expires.toISOString()))),
    h('ul', {class: 'scopes', 'aria-label': 'Scopes'}, me.scopes.map((scope) => h('li', {class: 'mono small'}, scope))),
    h('button', {type: 'button', onclick: () => signOut()}, 'Sign out'));
  show(app,
    h('a', {class: 'skip', href: '#main', onclick: (e) => {
      e.preventDefault();
      main.focus();
    }}, 'Skip to content'),
    h('header', {class: 'top'}, h('div', {class: 'top-in'},
      h('a', {class: 'brand', href: '#/', 'aria-label': 'Session console, overview'}, mark(24), h('span', null, 'Session console')),
      h('nav', {class: 'nav', 'aria-label': 'Sections'}, sections.map(([section, href, text]) => h('a', {href, 'data-section': section}, text))),
      h('span', {class: 'spring'}),
      searchBox(go),
      h('button', {type: 'button', class: 'quiet who', popovertarget: 'me', 'aria-label': `Signed in as ${me.name}`}, icon('user'), h('span', null, me.name)))),
    main, menu);
  shown = false;
  route();
}

document.addEventListener('keydown', (e) => {
  if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || e.target.closest('input, select, textarea, dialog')) return;
  const search = document.getElementById('search');
  if (!search) return;
  e.preventDefault();
  search.focus();
  search.select();
});

window.addEventListener('hashchange', () => caller() && route());

onSignedOut((message) => {
  leave?.();
  closeDialogs();
  signin(app, message, frame);
});

async function start() {
  try {
    await describe();
    const token = await finish();
    if (token) await signIn(token);
    if (!hasToken()) return signin(app, '', frame);
    await resume();
    frame();
  } catch (failure) {
    if (failure.status === 401) return signOut(`You are not signed in: ${failure.message}.`);
    show(app, h('main', {class: 'signin'}, h('h1', null, 'Session console'), h('p', {class: 'problem', role: 'alert'}, failure.message), h('button', {type: 'button', onclick: start}, 'Try again')));
  }
  return null;
}

start();
