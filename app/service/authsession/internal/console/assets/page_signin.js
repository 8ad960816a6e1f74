// The form that takes a token.
import {signIn} from './api.js';
import {h, show, unique} from './dom.js';
import {mark} from './icons.js';
import {begin, offered} from './oidc.js';

// signin shows the form; done is called with a caller known.
export function signin(root, message, done) {
  const id = unique('token');
  const input = h('input', {id, type: 'password', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', required: true, 'aria-describedby': `${id}-help`});
  const problem = h('p', {class: 'problem', role: 'alert', hidden: !message}, message);
  const button = h('button', {class: 'primary wide-button', type: 'submit'}, 'Sign in');
  const issuer = offered() && h('button', {type: 'button', class: 'wide-button', onclick: () => attempt(begin, false)}, 'Continue with single sign-on');
  // A certificate is the browser's to choose; without TLS there is none.
  const certificate = location.protocol === 'https:' &&
    h('button', {type: 'button', class: 'wide-button', onclick: () => attempt(() => signIn(''))}, 'Use my client certificate');

  async function attempt(way, over = true) {
    problem.hidden = true;
    button.disabled = true;
    button.classList.add('busy');
    try {
      await way();
      if (over) done();
    } catch (failure) {
      show(problem, failure.status === 401 ? `Not accepted: ${failure.message}.` : failure.message);
      problem.hidden = false;
      input.focus();
    } finally {
      button.disabled = false;
      button.classList.remove('busy');
    }
  }

  document.title = 'Sign in – Session console';
  show(root, h('main', {class: 'signin'},
    h('div', {class: 'signin-head'}, mark(44), h('h1', null, 'Session console')),
    h('form', {class: 'card', onsubmit: (e) => {
      e.preventDefault();
      attempt(() => signIn(input.value.trim().replace(/^Bearer\s+/i, '')));
    }},
    problem,
    h('div', {class: 'field'}, h('label', {for: id}, 'Admin token'), input,
      h('p', {class: 'remark', id: `${id}-help`}, 'Kept in this tab until it is closed.')),
    button, issuer, certificate),
    h('div', {class: 'signin-help muted small'}, h('p', null, 'Make a token where the key is:'),
      h('pre', {tabindex: 0}, 'authsession ctl token --key-file admin.key \\\n  --name alice --ttl 8h --scope sessions:read \\\n  --scope sessions:revoke'))));
  input.focus();
}
