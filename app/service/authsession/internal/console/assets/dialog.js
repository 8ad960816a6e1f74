// Dialogs. The browser keeps the focus within, closes them with Escape, and gives the
// focus back to where it was.
import {h, show, toast, unique} from './dom.js';
import {icon} from './icons.js';

// open shows a dialog and returns what can be done with it. act is called when its
// button is pressed, and may take its time; when it throws, the dialog stays and says so.
export function open({title, body, action, danger, act, wide}) {
  const id = unique('dialog');
  const problem = h('p', {class: 'problem', role: 'alert', hidden: true});
  const button = h('button', {class: danger ? 'danger' : 'primary', type: 'submit'}, action);
  const cancel = h('button', {type: 'button', onclick: () => dialog.close()}, 'Cancel');
  const form = h('form', {onsubmit: submit},
    h('header', null, h('h2', {id}, title),
      h('button', {type: 'button', class: 'quiet', 'aria-label': 'Close', onclick: () => dialog.close()}, icon('close'))),
    h('div', {class: 'dialog-body'}, body, problem),
    h('footer', null, cancel, button));
  const dialog = h('dialog', {'aria-labelledby': id, class: wide ? 'wide' : ''}, form);
  const away = new AbortController();
  dialog.addEventListener('close', () => {
    away.abort();
    dialog.remove();
  });
  let ready = true;
  let busy = false;

  async function submit(e) {
    e.preventDefault();
    if (!ready || busy) return;
    busy = true;
    problem.hidden = true;
    button.disabled = true;
    button.classList.add('busy');
    try {
      await act(away.signal);
      dialog.close();
    } catch (failure) {
      if (failure.name !== 'AbortError') say(failure.message);
    } finally {
      busy = false;
      button.classList.remove('busy');
      button.disabled = !ready;
    }
  }

  function say(text) {
    problem.hidden = !text;
    show(problem, text);
  }

  document.body.append(dialog);
  dialog.showModal();
  return {
    signal: away.signal,
    say,
    // allow names the button and says whether it can be pressed.
    allow(yes, text) {
      ready = yes;
      button.disabled = !yes || busy;
      if (text) show(button, text);
    },
  };
}

// field is an input with its label, and a remark where there is one.
export function field(label, input, remark) {
  input.id ||= unique('field');
  let note = null;
  if (remark) {
    note = h('p', {class: 'remark', id: unique('remark')}, remark);
    input.setAttribute('aria-describedby', note.id);
  }
  return h('div', {class: 'field'}, h('label', {for: input.id}, label), input, note);
}

export function select(options, value, props) {
  const list = h('select', props, Object.entries(options).map(([name, text]) => h('option', {value: name}, text)));
  list.value = value ?? '';
  return list;
}

// because is where an operator says why: a reason, and a ticket where it is kept.
export function because(withTicket) {
  const reason = h('input', {maxlength: 200, autocomplete: 'off', placeholder: 'Lost phone, reported by the user'});
  const ticket = h('input', {maxlength: 64, autocomplete: 'off', placeholder: 'OPS-1234'});
  return {
    element: h('div', {class: withTicket ? 'fields two' : 'fields'}, field('Reason', reason), withTicket && field('Ticket', ticket)),
    // values are members for a query or a body; what is empty is left out.
    values() {
      const said = {};
      if (reason.value.trim()) said.reason = reason.value.trim();
      if (withTicket && ticket.value.trim()) said.ticket = ticket.value.trim();
      return said;
    },
  };
}

// tell shows a failure of something that is over.
export function tell(failure) {
  if (failure.name !== 'AbortError') toast(failure.message, 'bad');
}
