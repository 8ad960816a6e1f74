// Single sign-on: the code flow with PKCE. What belongs to one sign-in stays in this tab
// while it is at the issuer's.
import {call, Failure} from './api.js';

const kept = 'tgsession.sign-in';

// offered tells whether the service has an issuer. Browsers make digests only where
// nobody can read along: over https, and on this machine.
export function offered() {
  return 'singleSignOn' in document.documentElement.dataset && Boolean(crypto.subtle);
}

// begin leaves for the issuer.
export async function begin() {
  const way = await call('GET', 'console/oidc', {quiet: true});
  const mine = {verifier: random(), state: random(), nonce: random(), hash: location.hash, redirect: here()};
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(mine.verifier));
  const to = new URL(way.authorization_endpoint);
  const asked = {
    response_type: 'code', client_id: way.client_id, scope: way.scope, redirect_uri: mine.redirect,
    state: mine.state, nonce: mine.nonce, code_challenge: text(new Uint8Array(digest)), code_challenge_method: 'S256',
  };
  for (const [name, value] of Object.entries(asked)) to.searchParams.set(name, value);
  if (to.protocol !== 'https:' && !['localhost', '127.0.0.1', '[::1]'].includes(to.hostname)) throw new Failure(0, 'INSECURE', 'The issuer is not on https.');
  sessionStorage.setItem(kept, JSON.stringify(mine));
  location.assign(to);
}

// finish returns a token where somebody has come back from the issuer, and '' where not.
export async function finish() {
  const query = new URLSearchParams(location.search);
  if (!query.has('state')) return '';
  const mine = JSON.parse(sessionStorage.getItem(kept) ?? 'null');
  sessionStorage.removeItem(kept);
  history.replaceState(null, '', here() + (mine?.hash ?? '')); // the code is good once, and no one is to see it
  if (!mine || mine.state !== query.get('state')) throw new Failure(401, 'UNAUTHENTICATED', 'this tab has begun no such sign-in');
  if (query.has('error')) throw new Failure(401, 'UNAUTHENTICATED', query.get('error_description') ?? query.get('error'));
  const {token} = await call('POST', 'console/oidc', {quiet: true, body: {code: query.get('code') ?? '', verifier: mine.verifier, nonce: mine.nonce, redirect_uri: mine.redirect}});
  return token;
}

function here() {
  return location.origin + location.pathname;
}

function random() {
  return text(crypto.getRandomValues(new Uint8Array(32)));
}

// text is base64url without padding.
function text(bytes) {
  return btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
