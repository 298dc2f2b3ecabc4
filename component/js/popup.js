// The phone in a window of its own (`mode="popup"`), whose calls outlive the pages: the page's half. Loaded where that mode is.
//
//   a click ─► window.open ─► popup.html ─► popup-window.js ─► a phone that leads (tabs.js): connection, calls, media
//   page ◄─ all that it knows and does ─ tabs.js ─► the same phone here, as in any other tab
//
// Window and page are of one origin and speak by messages, each `{softPhone, …}`:
//
//   page ◄─ { ready, name }                       the window is there, and wants to be told what to be
//   page ─► { settings, attributes, given }       attributes of the phone; `given`: its account is asked for
//   page ◄─ { ask, name, number }                 asks for the account that the page has set, or its function gives
//   page ─► { account, number, account | error }  to that very window, and nowhere else: it is a secret
//
// A veto must be there at once: before the window calls it fires `soft-phone-window-dial` at the page's own window, whose phone
// asks the page in the usual way.
//
// No address tells the window anything: a link from anywhere could open the phone with a server and a mind of its own.

const FEATURES = 'popup,width=380,height=660';
/** How long a call waits for the window to have the phone, ms: then it is made in the page. */
const LIMIT_MS = 8000;
const LOOK_MS = 50;
/** Of the page, and not of the phone. */
const OWN = ['mode', 'corner', 'click-to-call', 'scan-text'];
const URLS = ['account-url', 'calls-url', 'lookup-url'];
/** In sessionStorage: windows that this tab can find by their names. Those of tabs that know nothing of each other it cannot. */
const MARK = 'soft-phone-window ';

export const open = (context) => new Popup(context);

class Popup {
  #context;
  #window = null;
  #listeners = new AbortController();

  /** `context` is `{element, home, attributes, key(), hosted(), given(), blocked(), setHost(host)}`. */
  constructor(context) {
    this.#context = context;
    const { element, home, setHost } = context;
    // A window of another origin could be told nothing, and would have another phone.
    if (new URL(home).origin !== location.origin) throw new Error(`${home} is not of this origin`);
    const { signal } = this.#listeners;
    element.shadowRoot.addEventListener('click', (event) => this.#clicked(event), { capture: true, signal });
    addEventListener('message', (event) => this.#hear(event), { signal });
    addEventListener('soft-phone-window-dial', (event) => this.#ask(event), { signal });
    setHost(() => this.#host());
  }

  changed() {
    if (this.#window && !this.#window.closed) this.#tell(this.#window);
  }

  close() {
    this.#context.setHost(null);
    this.#listeners.abort();
  }

  get #name() { return `soft-phone ${this.#context.key()}`; }

  /** The round button shows the window. */
  #clicked(event) {
    if (!event.target.closest?.('[part~="button"]') || !this.#context.key()) return;
    // It is somewhere where this tab cannot get at it: here is all of it, too.
    if (this.#context.hosted() && !this.#isMarked()) return;
    if (this.#show()) event.stopPropagation();
  }

  /** Before a call: a promise, where a window comes for it. */
  #host() {
    // Browsers open windows for who has just clicked, and so do we.
    if (this.#context.hosted() || !navigator.userActivation?.isActive || !this.#show()) return undefined;
    const { element, hosted } = this.#context;
    const end = performance.now() + LIMIT_MS;
    return new Promise((done) => {
      const timer = setInterval(() => {
        const ready = hosted() && element.registration === 'registered';
        if (!ready && !this.#window.closed && performance.now() < end) return;
        clearInterval(timer);
        done();
      }, LOOK_MS);
    });
  }

  /** Opens the window, or finds it again; false where there is none. */
  #show() {
    const { home, hosted, blocked } = this.#context;
    const found = window.open('', this.#name, FEATURES);
    if (!found) {
      // Behind the call that is about to be made, which takes the words of before away.
      setTimeout(blocked);
      return false;
    }
    const place = placeOf(found);
    if (place !== home && place === 'about:blank' && hosted()) {
      // A new one: the one that has the phone is of tabs that know nothing of this one.
      found.close();
      this.#mark(false);
      return false;
    }
    if (place !== home) found.location.replace(home);
    else this.#tell(found);
    found.focus();
    this.#window = found;
    this.#mark(true);
    return true;
  }

  #isMarked() {
    try {
      return sessionStorage.getItem(MARK + this.#name) !== null;
    } catch {
      // Forbidden in this frame.
      return true;
    }
  }

  #mark(on) {
    try {
      if (on) sessionStorage.setItem(MARK + this.#name, '');
      else sessionStorage.removeItem(MARK + this.#name);
    } catch {
      // Then each click tries.
    }
  }

  #hear({ data, origin, source }) {
    if (origin !== location.origin || !source || !data?.softPhone || data.name !== this.#name || placeOf(source) !== this.#context.home) return;
    this.#window = source;
    this.#mark(true);
    if (data.softPhone === 'ready') this.#tell(source);
    else if (data.softPhone === 'ask') this.#give(source, data.number);
  }

  /** The window is about to call. */
  #ask(event) {
    const { name, number, source } = event.detail;
    if (name !== this.#name) return;
    const dial = new CustomEvent('soft-phone-dial', { bubbles: true, composed: true, cancelable: true, detail: { number, source } });
    if (!this.#context.element.dispatchEvent(dial)) event.preventDefault();
  }

  #tell(to) {
    const { element, attributes, given } = this.#context;
    const value = (name) => {
      const text = element.getAttribute(name);
      return text && URLS.includes(name) ? new URL(text, document.baseURI).href : text;
    };
    const known = attributes.map(([name]) => [name, value(name)]).filter(([name, text]) => text !== null && !OWN.includes(name));
    const all = Object.fromEntries(known);
    all.lang ??= document.documentElement.lang;
    const { account, credentials } = given();
    to.postMessage({ softPhone: 'settings', attributes: all, given: Boolean(account ?? credentials) }, location.origin);
  }

  async #give(to, number) {
    const { account, credentials } = this.#context.given();
    const answer = { softPhone: 'account', number };
    try {
      const found = account ?? await credentials();
      // As the phone itself would read it: what is no JSON goes nowhere.
      answer.account = JSON.parse(JSON.stringify(found));
    } catch (error) {
      answer.error = String(error?.message ?? error);
    }
    to.postMessage(answer, location.origin);
  }
}

/** Where a window is; empty where it is with somebody else. */
function placeOf(other) {
  try {
    return other.location.href;
  } catch {
    return '';
  }
}
