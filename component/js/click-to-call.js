// Calls what is clicked on the page (the attribute `click-to-call`): links with `tel:`, `sip:` and `callto:`, elements with
// `data-phone`, what an integration names by `addNumbers()`, and with `scan-text` the numbers in the page's words.
// Loaded where there is such an attribute; what knows the numbers of the world, with the first click.
//
// A click is heard at the window, behind everybody on the page: who has prevented its default has handled it. Only what
// an integration claims as `exclusive` is heard first, and by nobody else.

import { fromField, fromLink, isOther } from './written.js';
import { PageWatch, READY, isOffLimits } from './page-watch.js';
import { Offer, handedOver } from './protocol.js';

const SCHEMES = /^\s*(?:tel|sips?|callto):/i;
/** What has a meaning of its own for a click, inside an element that is a number. */
const INTERACTIVE = 'a[href], button, input, select, textarea, label, summary, audio[controls], video[controls], [role="button"], [role="link"], [role="checkbox"], [role="menuitem"], [role="tab"], [tabindex]';

export const open = (context) => new ClickToCall(context);

class ClickToCall {
  #context;
  #watch;
  #offer;
  #library = null;
  #listeners = new AbortController();

  /** `context` is `{element, hooks, owner(), call(dial, number, source)}`. */
  constructor(context) {
    this.#context = context;
    const { signal } = this.#listeners;
    addEventListener('click', (event) => this.#clicked(event, true), { signal, capture: true });
    addEventListener('click', (event) => this.#clicked(event, false), { signal });
    addEventListener('keydown', (event) => this.#pressed(event), { signal });
    this.#watch = new PageWatch({
      // A list may have thousands of them: what is no number after all is told when it is clicked.
      claims: (element) => (element.hasAttribute('data-phone') ? mayBe(element.getAttribute('data-phone') || element.textContent) : this.#claim(element) !== null),
      interactive: INTERACTIVE,
      label: (text) => (this.#isRussian ? `Позвонить: ${text}` : `Call ${text}`),
    });
    this.#offer = new Offer(context.element, this.#isRussian);
    // The account brings the country's rules, and may bring others.
    context.element.addEventListener('soft-phone-registration', () => this.changed(), { signal });
    this.changed();
    this.#takeOver();
  }

  get #isRussian() { return /^ru\b/i.test(this.#context.element.lang || document.documentElement.lang); }

  /** Attributes, hooks or the account may be other ones. */
  changed() {
    this.#watch.claim([...this.#context.hooks].map(({ selector }) => selector).join(', '));
    const rules = this.#context.element.hasAttribute('scan-text') ? JSON.stringify(this.#plan) : null;
    if (rules === this.#scanned) return;
    this.#scanned = rules;
    if (rules === null) return this.#watch.scan(null);
    this.#numbers().then((library) => {
      if (!library || this.#scanned !== rules || this.#listeners.signal.aborted) return;
      const office = this.#office(library);
      this.#watch.scan((text) => office.find(text));
    });
  }
  #scanned = null;

  close() {
    this.#listeners.abort();
    this.#watch.close();
    this.#offer.close();
  }

  #numbers() {
    this.#library ??= import('./numbers.js').catch((error) => {
      // Links are still called, as they are written.
      const detail = { code: 'numbers-missing', message: `numbers are called as they are written: ${error.message}` };
      this.#context.element.dispatchEvent(new CustomEvent('soft-phone-error', { bubbles: true, composed: true, detail }));
      return null;
    });
    return this.#library;
  }

  #office({ Numbers }) { return new Numbers(this.#plan); }

  get #plan() {
    const country = this.#context.element.getAttribute('country');
    return this.#context.owner()?.plan ?? { country };
  }

  #clicked(event, first) {
    // With a key held down it is for the browser: a new tab, a download.
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const found = this.#meant(event);
    if (!found || Boolean(found.exclusive) !== first) return;
    this.#take(event, found);
  }

  #pressed(event) {
    const [target] = event.composedPath();
    if (!(target instanceof Element) || !target.hasAttribute(READY) || event.defaultPrevented) return;
    if (event.key !== 'Enter' && event.key !== ' ') return;
    const found = this.#meant(event);
    if (found) this.#take(event, found);
  }

  #take(event, found) {
    // Who has no phone here keeps the system's.
    if (!this.#context.owner()) return;
    event.preventDefault();
    if (found.exclusive) event.stopImmediatePropagation();
    // The second half of a double click, a key that is held down: one call is meant.
    if (event.detail > 1 || event.repeat) return;
    this.#dial(found).catch(() => {
      // Vetoed, or told in the window.
    });
  }

  /** What number an event is about: `{text, source, exclusive}`, or `null`. */
  #meant(event) {
    const path = event.composedPath().filter((node) => node instanceof Element);
    if (path.some((node) => isOffLimits(node))) return null;
    for (const node of path) {
      const claim = this.#claim(node);
      if (claim) return claim;
      if (node.matches(INTERACTIVE) && !node.hasAttribute(READY)) return null;
    }
    return null;
  }

  /** The number that an element itself is. */
  #claim(element) {
    for (const { selector, number, exclusive } of this.#context.hooks) {
      if (!element.matches(selector)) continue;
      let text = null;
      try {
        text = number ? number(element) : element.textContent;
      } catch (error) {
        // Whose it is sees it in the console; the page's other numbers are called all the same.
        reportError(error);
      }
      return callable(text, 'adapter', exclusive);
    }
    if (element.hasAttribute('data-phone')) {
      return callable(element.getAttribute('data-phone').trim() || element.textContent, 'data-phone');
    }
    const href = element.localName === 'a' && element.getAttribute('href');
    return href && SCHEMES.test(href) ? callable(href, this.#watch.made(element) ? 'text' : 'link') : null;
  }

  async #dial({ text, source }) {
    const { element, call } = this.#context;
    const library = await this.#numbers();
    const found = library ? read(this.#office(library), text) : asWritten(text);
    // Not a number after all, or keys that change settings of a server: the user sees it and decides.
    if (!found || found.kind === 'code') {
      element.dial(found?.dial ?? text);
      return;
    }
    const made = await call(found.dial, found.number, source);
    if (found.extension) this.#sendBehind(made, found.extension);
  }

  /** The extension's digits, a pause after somebody, most likely a machine, has answered. */
  #sendBehind(call, extension) {
    const { element } = this.#context;
    const gone = new AbortController();
    const look = () => {
      if (call.state === 'active') call.sendDtmf(`,${extension}`).catch(() => {});
      if (['active', 'ending', 'ended'].includes(call.state)) gone.abort();
    };
    element.addEventListener('soft-phone-call-change', ({ detail }) => { if (detail.call === call) look(); }, { signal: gone.signal });
    look();
  }

  /** The number that another page, or another program, has handed over: never called without a click in here. */
  async #takeOver() {
    const text = handedOver();
    if (!text) return;
    const library = await this.#numbers();
    const found = library ? this.#office(library).link(text) : asWritten(text);
    if (found) this.#context.element.dial(found.dial);
  }
}

/** Whether a field looks like a number, at a glance. */
const mayBe = (text) => /\d.{0,3}\d/.test(text) && !text.includes('@') && !isOther(text.trim());

const read = (office, text) => (SCHEMES.test(text) ? office.link(text) : office.field(text));

/** Without knowledge of countries. */
function asWritten(text) {
  const { address, number, extension = '' } = (SCHEMES.test(text) ? fromLink(text) : fromField(text)) ?? {};
  const dial = address ?? number;
  return dial ? { kind: /[*#]/.test(number ?? '') ? 'code' : 'unknown', number: dial, dial, extension } : null;
}

/** Whether there can be a number in it: decided at once, before anything is loaded. */
function callable(text, source, exclusive = false) {
  if (typeof text !== 'string') return null;
  return (SCHEMES.test(text) ? fromLink(text) : fromField(text)) ? { text, source, exclusive } : null;
}
