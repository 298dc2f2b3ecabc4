// Asks the application who somebody is (the attribute `lookup-url`): before a call is answered, all whom the number may
// belong to are shown, and none is picked silently. Loaded where there is such an attribute. Whatever goes wrong here is
// told once and keeps no call from anything.

import { Answers, readCandidates } from './candidates.js';

/** How long an answer may take, ms: later nobody needs it. */
const LIMIT_MS = 4000;
/** Bytes of an answer. */
const LARGEST = 262_144;

const WORDS = {
  en: { one: 'Known contact', many: 'Several contacts have this number', pick: 'Choose {who}', choose: 'Choose', failed: 'The application does not say who calls: {why}.' },
  ru: { one: 'Известный контакт', many: 'Этот номер есть у нескольких контактов', pick: 'Выбрать: {who}', choose: 'Выбрать', failed: 'Приложение не сообщает, кто звонит: {why}.' },
};
const REASONS = {
  en: { 'sign-in': 'sign in to it again', status: 'it answered {status}', late: 'it takes too long', answer: 'its answer cannot be read', network: 'it cannot be reached' },
  ru: { 'sign-in': 'войдите в него снова', status: 'ответ {status}', late: 'оно отвечает слишком долго', answer: 'ответ не удалось прочитать', network: 'оно недоступно' },
};

const STYLE = `
.contacts { display: grid; gap: 6px; padding: 10px 12px; border-top: 1px solid var(--line); color: var(--text); font-size: .9375rem; }
.contacts[hidden] { display: none; }
.contacts h2 { margin: 0; font-size: .875rem; font-weight: 600; color: var(--muted); }
.contacts ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 4px; max-height: 9em; overflow: auto; }
.contacts li { display: flex; gap: 8px; align-items: center; }
.contacts li > span { flex: 1; min-width: 0; overflow-wrap: anywhere; }
.contacts a { color: var(--accent); font-weight: 600; }
.contacts small { color: var(--muted); display: block; }
.contacts button { padding: 4px 12px; border-radius: 8px; background: var(--raised); border: 1px solid var(--line); cursor: pointer; }
.contacts button[aria-pressed="true"] { background: var(--accent); color: var(--surface); border-color: transparent; }
.contacts .trouble { margin: 0; color: var(--bad); }
.contacts :focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
`;

export const open = (context) => new LookUp(context);

/** Why there is no answer; `reason` is a word of `REASONS`. */
class Silence extends Error {
  constructor(reason, status = null) {
    super(REASONS.en[reason].replace('{status}', status));
    this.reason = reason;
    this.status = status;
  }
}

class LookUp {
  #context;
  #answers;
  #listeners = new AbortController();
  // Live calls that somebody is known to -> {candidates, contact}.
  #known = new Map();
  // Questions under way, so that two calls of one number ask once.
  #asked = new Map();
  // What keeps the application silent, told once until it speaks again.
  #trouble = null;
  #section = null;

  /** `context` is `{element, owner(), setContact(id, contact, names)}`. */
  constructor(context) {
    this.#context = context;
    this.#answers = new Answers(storage());
    const { element } = context;
    const { signal } = this.#listeners;
    element.addEventListener('soft-phone-incoming', ({ detail }) => this.#meet(detail.call), { signal });
    element.addEventListener('soft-phone-call-change', ({ detail: { call, previous } }) => {
      if (previous === null) this.#meet(call);
      else this.#draw();
    }, { signal });
    element.addEventListener('soft-phone-call-end', ({ detail }) => {
      this.#known.delete(detail.call);
      this.#draw();
    }, { signal });
    for (const call of element.calls) this.#meet(call);
  }

  changed() {}

  close() {
    this.#listeners.abort();
    this.#section?.remove();
  }

  async #meet(call) {
    const owner = this.#context.owner();
    const { number } = call.remote;
    if (!owner || !number || this.#known.has(call)) return;
    try {
      const candidates = await this.#who(number, owner);
      if (candidates) this.#tell(call, candidates);
    } catch (error) {
      this.#fail(error instanceof Silence ? error : new Silence('answer'));
    }
  }

  /** All who may be meant; `null` for lines of the office itself. */
  async #who(written, owner) {
    if (written === owner.number) return null;
    const number = await this.#world(written, owner);
    if (number === null || number === owner.number) return null;
    const { element } = this.#context;
    const url = new URL(element.getAttribute('lookup-url') ?? '', document.baseURI);
    const scope = `${owner.user} ${url.href}`;
    const remembered = this.#answers.get(scope, number);
    // What is stored in the browser may have been written by somebody else.
    if (remembered) return readCandidates({ candidates: remembered }, document.baseURI);
    url.searchParams.set('number', number);
    const key = url.href;
    if (!this.#asked.has(key)) this.#asked.set(key, ask(url).finally(() => this.#asked.delete(key)));
    const candidates = await this.#asked.get(key);
    this.#answers.put(scope, number, candidates);
    if (this.#trouble) {
      this.#trouble = null;
      this.#draw();
    }
    return candidates;
  }

  /** The number as the world writes it, where that can be known; `null` for one of the office. */
  async #world(written, { plan }) {
    // Names of accounts (`alice`) are the office's own; so are its short numbers, where it has said how long they are.
    if (!/^\+?\d+$/.test(written)) return null;
    const most = plan.extensionMaxDigits;
    if (!written.startsWith('+') && ((most !== null && written.length <= most) || plan.emergency.includes(written))) return null;
    if (written.startsWith('+') || !plan.country) return written;
    const library = await import('./numbers.js').catch(() => null);
    return library ? new library.Numbers(plan).normalise(written) : written;
  }

  #tell(call, candidates) {
    const contact = candidates.length === 1 ? candidates[0] : null;
    this.#apply(call, candidates, contact);
    const detail = { call, candidates: candidates.map((it) => ({ ...it })), contact: contact && { ...contact } };
    this.#context.element.dispatchEvent(new CustomEvent('soft-phone-lookup', { bubbles: true, composed: true, detail }));
  }

  #apply(call, candidates, contact) {
    if (call.state !== 'ended') this.#known.set(call, { candidates, contact });
    const names = contact ? '' : candidates.map(({ name, company }) => (company ? `${name} (${company})` : name)).join(', ');
    this.#context.setContact(call.id, contact, names);
    this.#draw();
  }

  #pick(call, candidate) {
    const { candidates } = this.#known.get(call) ?? {};
    if (!candidates) return;
    this.#apply(call, candidates, candidate);
    const { type, id } = candidate;
    // Where the application keeps cards, this one knows it from now on.
    this.#context.element.updateCall(call.id, { contact: { type, id } });
  }

  #fail(silence) {
    if (this.#trouble?.reason === silence.reason) return;
    this.#trouble = silence;
    const detail = { code: 'lookup-failed', message: `the application does not say who calls: ${silence.message}` };
    this.#context.element.dispatchEvent(new CustomEvent('soft-phone-error', { bubbles: true, composed: true, detail }));
    this.#draw();
  }

  // ---- the window

  get #lang() {
    const lang = (this.#context.element.lang || document.documentElement.lang || 'en').slice(0, 2).toLowerCase();
    return WORDS[lang] ? lang : 'en';
  }

  /** The call that the window is about, as far as somebody is known to it: who is ringing, else the last one. */
  get #current() {
    const calls = [...this.#known.keys()];
    return calls.find((call) => call.state === 'incoming') ?? calls.at(-1);
  }

  #draw() {
    const call = this.#current;
    const { candidates = [], contact = null } = this.#known.get(call) ?? {};
    const words = WORDS[this.#lang];
    const parts = [];
    if (candidates.length) {
      parts.push(make('h2', {}, candidates.length === 1 ? words.one : words.many));
      parts.push(make('ul', {}, ...candidates.map((candidate) => this.#row(call, candidate, candidates.length > 1, candidate === contact))));
    }
    if (this.#trouble) {
      const { reason, status } = this.#trouble;
      const why = REASONS[this.#lang][reason].replace('{status}', status);
      parts.push(make('p', { class: 'trouble' }, words.failed.replace('{why}', why)));
    }
    if (!parts.length && !this.#section) return;
    const section = this.#place();
    const focused = section.getRootNode().activeElement?.dataset?.key;
    section.hidden = !parts.length;
    section.replaceChildren(...parts);
    if (focused !== undefined) [...section.querySelectorAll('[data-key]')].find((node) => node.dataset.key === focused)?.focus();
  }

  #row(call, candidate, choice, chosen) {
    const { name, url, company } = candidate;
    // In a window of its own: the call is on this page.
    const head = url ? make('a', { href: url, target: '_blank', rel: 'noopener noreferrer', 'data-key': `open ${candidate.type} ${candidate.id}` }, name) : make('b', {}, name);
    const row = make('li', {}, make('span', {}, head, ...(company ? [make('small', {}, company)] : [])));
    if (choice) {
      const words = WORDS[this.#lang];
      const button = make('button', {
        type: 'button', 'aria-pressed': String(chosen), 'aria-label': words.pick.replace('{who}', () => (company ? `${name}, ${company}` : name)), 'data-key': `pick ${candidate.type} ${candidate.id}`,
      }, words.choose);
      button.addEventListener('click', () => this.#pick(call, candidate));
      row.append(button);
    }
    return row;
  }

  #place() {
    if (this.#section?.isConnected) return this.#section;
    const root = this.#context.element.shadowRoot;
    if (!this.#section) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
      this.#section = make('section', { class: 'contacts', part: 'contacts', role: 'status', hidden: '' });
      // Keys and clicks in here are not for the phone.
      for (const type of ['keydown', 'keyup', 'keypress', 'click', 'pointerdown']) {
        this.#section.addEventListener(type, (event) => { if (event.target !== this.#section) event.stopPropagation(); });
      }
    }
    root.querySelector('[part~="window"]')?.append(this.#section);
    return this.#section;
  }
}

async function ask(url) {
  let response;
  try {
    response = await fetch(url, { credentials: 'same-origin', cache: 'no-store', redirect: 'manual', headers: { Accept: 'application/json' }, signal: AbortSignal.timeout(LIMIT_MS) });
    // A lost session is often sent to a sign-in page.
    if (response.status === 401 || response.status === 403 || response.type === 'opaqueredirect') throw new Silence('sign-in');
    // The application knows nobody.
    if (response.status === 404 || response.status === 204) return [];
    if (!response.ok) throw new Silence('status', response.status);
    if (Number(response.headers.get('content-length')) > LARGEST) throw new Silence('answer');
    const body = await response.text();
    if (body.length > LARGEST) throw new Silence('answer');
    return readCandidates(parsed(body), document.baseURI);
  } catch (error) {
    if (error instanceof Silence) throw error;
    throw new Silence(error.name === 'TimeoutError' ? 'late' : response ? 'answer' : 'network');
  }
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    throw new Silence('answer');
  }
}

function storage() {
  try {
    return globalThis.sessionStorage;
  } catch {
    // Forbidden in this frame.
    return null;
  }
}

function make(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
