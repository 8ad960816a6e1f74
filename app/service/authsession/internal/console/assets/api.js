// The admin API, as a browser calls it.

// The modules are at console/DIGEST/ below where the API is.
const base = new URL('../../', import.meta.url);
const kept = 'tgsession.token';
const tries = 4; // of a call that came too often

// Failure is an answer that is an error, or none at all (status 0).
export class Failure extends Error {
  constructor(status, code, message, ended) {
    super(message);
    this.status = status;
    this.code = code;
    this.ended = ended ?? [];
  }
}

// The token lives as long as the tab: a reload keeps it, other tabs do not have it.
let token = sessionStorage.getItem(kept) ?? '';
let known = null; // who calls, as the service says
const listeners = new Set();

// onSignedOut is told when there is no caller any more, with what to say of it.
export function onSignedOut(f) {
  listeners.add(f);
}

// hasToken tells whether an earlier page of this tab has left a token.
export function hasToken() {
  return token !== '';
}

// caller is who calls: name, scopes, expires (a Date or null); null: nobody yet.
export function caller() {
  return known;
}

// may tells whether the caller has a scope. The service decides again, at each call;
// this is for showing only what can work.
export function may(scope) {
  return known?.scopes.includes(scope) ?? false;
}

// signIn tries a token; an empty one tries the certificate that the browser shows.
export async function signIn(text) {
  const before = token;
  token = text;
  try {
    known = await whoAmI();
  } catch (e) {
    token = before;
    throw e;
  }
  if (text) sessionStorage.setItem(kept, text);
}

// resume goes on with the token that the tab has.
export async function resume() {
  known = await whoAmI();
}

async function whoAmI() {
  if (has('GET', '/v1/whoami')) {
    const me = await call('GET', 'v1/whoami', {quiet: true});
    return {name: me.name, scopes: me.scopes, expires: me.expires_at ? new Date(me.expires_at) : null};
  }
  try {
    await call('GET', 'v1/config', {quiet: true});
  } catch (e) {
    if (e.status !== 403) throw e; // 403: known, and may not read
  }
  return claims();
}

// claims is what the token says of itself, for a service that does not say it.
function claims() {
  if (!token) return {name: 'client certificate', scopes: ['sessions:read', 'sessions:revoke'], expires: null};
  const part = token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/');
  const said = JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(part), (c) => c.charCodeAt(0))));
  const words = [said.scope, said.scp].flat().filter((w) => typeof w === 'string').join(' ').split(/\s+/).filter(Boolean);
  return {name: String(said.sub ?? ''), scopes: words, expires: said.exp ? new Date(said.exp * 1000) : null};
}

export function signOut(message = '') {
  token = '';
  known = null;
  sessionStorage.removeItem(kept);
  for (const f of listeners) f(message);
}

// once is a key for a change: a call with it that is repeated is not done twice.
export function once() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return {'Idempotency-Key': Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')};
}

// call makes one call. Its options: query, body, headers, signal, raw (the response
// itself), quiet (a refused token is no reason to sign out).
export async function call(method, path, options = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(options.query ?? {})) {
    if (value !== '' && value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  const request = {method, headers: {}, cache: 'no-store', redirect: 'error', signal: options.signal};
  if (token) request.headers.Authorization = `Bearer ${token}`;
  for (const [name, value] of Object.entries(options.headers ?? {})) request.headers[name] = value;
  if (options.body !== undefined) {
    request.headers['Content-Type'] = 'application/json';
    request.body = JSON.stringify(options.body);
  }
  for (let attempt = 1; ; attempt++) {
    let response;
    try {
      response = await fetch(url, request);
    } catch (e) {
      if (e.name === 'AbortError') throw e;
      throw new Failure(0, 'UNREACHABLE', 'The service cannot be reached.');
    }
    if (response.ok) {
      if (options.raw) return response;
      return response.status === 204 ? null : response.json();
    }
    if (response.status === 429 && attempt < tries) {
      const seconds = Math.min(Number(response.headers.get('Retry-After')) || 1, 10);
      await wait(seconds * 1000, options.signal);
      continue;
    }
    const failure = await failed(response);
    if (response.status === 401 && !options.quiet) signOut(`You were signed out: ${failure.message}.`);
    throw failure;
  }
}

async function failed(response) {
  try {
    const body = await response.json();
    return new Failure(response.status, body.error.code, body.error.message, body.ended);
  } catch {
    return new Failure(response.status, `HTTP_${response.status}`, `The service answered ${response.status}.`);
  }
}

function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

// description is the API's own document. What a release does not have, the pages do
// not show.
let description = null;

export async function describe() {
  description ??= await call('GET', 'openapi.json', {quiet: true});
}

// has reports whether there is a call, and, when one is named, its parameter.
export function has(method, path, parameter) {
  const at = description?.paths?.[path];
  const operation = at?.[method.toLowerCase()];
  if (!operation || !parameter) return Boolean(operation);
  return parameters(at, operation).some((p) => p.name === parameter);
}

function parameters(at, operation) {
  return [...(at.parameters ?? []), ...(operation.parameters ?? [])].map((p) => {
    if (!p.$ref) return p;
    return description.components.parameters[p.$ref.split('/').pop()];
  });
}

// takes reports whether a schema of the document has a member.
export function takes(schema, member) {
  return Boolean(description?.components?.schemas?.[schema]?.properties?.[member]);
}
