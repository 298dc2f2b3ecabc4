// The demo pages' own script: the event log, and phones on a server of the visitor's own.
// It uses nothing but the element's public contract.

const EVENTS = ['registration', 'incoming', 'dial', 'call-change', 'call-end', 'message', 'notify', 'readiness', 'error'];
const LOG_LIMIT = 300;

const log = document.querySelector('#log');
document.querySelector('#clear').addEventListener('click', () => log.replaceChildren());

for (const name of EVENTS) {
  document.addEventListener(`soft-phone-${name}`, (event) => record(event.target.id, name, event.detail ?? {}));
}

/** Adds one line to the log; the text is never markup. */
function record(who, name, detail) {
  const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
  const line = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date().toISOString().slice(11, 23);
  line.append(time, span(who, `who-${who}`), span(name, name === 'error' ? 'bad' : ''), span(describe(name, detail)));
  log.append(line);
  while (log.childElementCount > LOG_LIMIT) log.firstElementChild.remove();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

function span(text, className = '') {
  const element = document.createElement('span');
  element.textContent = text;
  element.className = className;
  return element;
}

/** The facts of an event in a few words. */
function describe(name, detail) {
  const { call } = detail;
  const peer = call ? `${call.direction} ${call.remote?.number ?? ''}` : '';
  switch (name) {
    case 'registration':
      return words(detail.state, detail.cause, detail.sipStatus, detail.server);
    case 'incoming':
      return peer;
    case 'call-change':
      return `${peer}: ${detail.previous} → ${detail.state}`;
    case 'call-end':
      return words(`${peer}:`, call?.cause, detail.record?.sipStatus);
    case 'dial':
      return words(detail.number, detail.source);
    case 'readiness':
      return words(...(detail.problems ?? []).map((problem) => problem.message)) || 'no problems';
    case 'message':
      return words(detail.from, detail.body);
    case 'notify':
      return words(detail.package, detail.target, JSON.stringify(detail.state));
    default:
      return words(detail.code, detail.message);
  }
}

function words(...parts) {
  return parts.filter((part) => part !== undefined && part !== null && part !== '').join(' ');
}

const query = new URLSearchParams(location.search);
if (query.has('lang')) document.documentElement.lang = query.get('lang');

const server = query.get('server');
const addresses = query.getAll('uri');
const serverPhones = document.querySelector('#server-phones');
if (serverPhones && server && addresses.length > 0) showServerPhones(server, addresses.slice(0, 2));

/** Replaces the demo's phones by phones on `server`; the password goes through the property only. */
function showServerPhones(server, addresses) {
  document.querySelector('#demo-phones').remove();
  document.querySelector('.try').hidden = true;
  document.querySelector('#lead').textContent = `Phones on ${server}. Enter the password and sign in.`;
  serverPhones.hidden = false;
  serverPhones.append(...addresses.map((uri, index) => serverPhone(server, uri, index)));
}

function serverPhone(server, uri, index) {
  const article = document.createElement('article');
  article.className = 'phone';
  const title = document.createElement('h2');
  title.textContent = uri;

  const phone = document.createElement('soft-phone');
  phone.id = index === 0 ? 'alice' : 'bob';
  phone.setAttribute('mode', 'inline');
  phone.setAttribute('no-register', '');

  const form = document.createElement('form');
  form.autocomplete = 'off';
  const user = field('User name', 'text', uri.replace(/^sips?:/, '').split('@')[0]);
  const password = field('Password', 'password', '');
  const button = document.createElement('button');
  button.textContent = 'Sign in';
  form.append(user.label, password.label, button);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    await customElements.whenDefined('soft-phone');
    phone.account = { version: 1, server: server.split(/\s+/), uri, username: user.input.value, password: password.input.value };
    password.input.value = '';
    try {
      await phone.register();
    } catch (error) {
      record(phone.id, 'error', { code: error.code, message: error.message });
    }
  });

  article.append(title, form, phone);
  return article;
}

function field(text, type, value) {
  const label = document.createElement('label');
  const input = document.createElement('input');
  input.type = type;
  input.value = value;
  input.autocomplete = type === 'password' ? 'current-password' : 'username';
  label.append(text, input);
  return { label, input };
}

document.querySelector('#server-form')?.addEventListener('submit', (event) => {
  event.preventDefault();
  const fields = new FormData(event.target);
  location.search = new URLSearchParams({ server: fields.get('server'), uri: fields.get('uri') }).toString();
});

// The module script of the element may be missing or refused: say so where the phones would be.
try {
  await import('/soft-phone/soft-phone.js');
} catch (error) {
  const problem = document.querySelector('#problem');
  problem.textContent = `The phone could not be loaded (${error.message}). Run "cargo xtask build", then reload this page.`;
  problem.hidden = false;
}
