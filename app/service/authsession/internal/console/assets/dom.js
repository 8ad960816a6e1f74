// Elements are made here and nowhere else. Texts become text nodes: markup is never made
// from a text, so whatever a device calls itself stays a text.

const svgSpace = 'http://www.w3.org/2000/svg';

// h makes an element: h('a', {class: 'x', href: '#', onclick: f}, 'text', other, [more]).
// A property that is false, null or undefined is left out; true is an empty attribute.
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

// s makes one of SVG.
export function s(tag, props, ...children) {
  return fill(document.createElementNS(svgSpace, tag), props, children);
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name === 'value') element.value = value;
    else element.setAttribute(name, value === true ? '' : String(value));
  }
  add(element, children);
  return element;
}

function add(element, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) add(element, child);
    else element.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
}

// show replaces what is in an element.
export function show(element, ...children) {
  element.replaceChildren();
  add(element, children);
  return element;
}

let last = 0;

// unique is an id that no other element has.
export function unique(word) {
  return `${word}-${++last}`;
}

// toast tells of something that has happened, for a while.
export function toast(text, kind = 'good') {
  const note = h('div', {class: `toast ${kind}`}, text);
  document.getElementById('toasts').append(note);
  setTimeout(() => note.remove(), kind === 'bad' ? 12000 : 6000);
}

// download hands a file to the browser.
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = h('a', {href: url, download: name});
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
