// On every page of vtiger: makes the phone, and lets numbers be called by a click. A classic script, as vtiger loads it.
(() => {
  'use strict';
  const script = document.currentScript.src;
  // vtiger puts a version behind its scripts' addresses.
  const root = new URL('../../../', script);
  const address = (query) => new URL(`index.php?module=SoftPhone&${query}`, root).href;
  const NUMBERS = 'td.listViewEntryValue[data-field-type="phone"] .value, .fieldValue .value[data-field-type="phone"]';
  const MARK = 'data-soft-phone';

  let phone = null;

  /** Calls `number`; `record` is the id of the contact that it stands with, if it stands with one. */
  async function call(number, record) {
    const target = String(number ?? '').trim();
    if (!target) return;
    phone.open();
    try {
      const made = await phone.call(target);
      if (record) await phone.updateCall(made.id, { contact: { type: '', id: String(record) } });
    } catch {
      // The phone's window says why, in the user's language.
    }
  }

  /** vtiger 6 hands over one object, 7 and 8 two values. */
  function outbound(first, second) {
    if (first !== null && typeof first === 'object') call(first.number, first.record);
    else call(first, second);
  }

  function replaceDialler() {
    // Without a PBX of its own, vtiger does not load this script, and templates that name it would fail.
    const pbx = (window.Vtiger_PBXManager_Js ??= {});
    pbx.makeOutboundCall = outbound;
    pbx.registerPBXOutboundCall = outbound;
  }

  /** Numbers that vtiger shows as plain text: of lists, and of pages of a user who may not use PBXManager's own dialler. */
  function mark(within) {
    for (const value of within.querySelectorAll(NUMBERS)) {
      // `data-value` has lost its `+` in vtiger 6; what is seen has not.
      if (value.hasAttribute(MARK) || value.querySelector('a, input') || !/\d{3}/.test(value.textContent.replace(/[\s().-]/g, ''))) continue;
      value.setAttribute(MARK, '');
      value.setAttribute('role', 'link');
      value.setAttribute('tabindex', '0');
      value.style.cursor = 'pointer';
      value.style.textDecoration = 'underline dotted';
    }
  }

  function listen() {
    const press = (event) => {
      const value = event.target.closest?.(`[${MARK}]`);
      if (!value || (event.type === 'keydown' && event.key !== 'Enter')) return;
      // Before vtiger takes the click for one on the row.
      event.preventDefault();
      event.stopPropagation();
      const record = value.closest('[data-id]')?.getAttribute('data-id') ?? document.getElementById('recordId')?.value;
      call(value.textContent, record);
    };
    document.addEventListener('click', press, true);
    document.addEventListener('keydown', press, true);
    // Lists are loaded anew without a new page.
    let due = false;
    const later = () => {
      if (due) return;
      due = true;
      requestAnimationFrame(() => { due = false; mark(document); });
    };
    new MutationObserver(later).observe(document.body, { childList: true, subtree: true });
    mark(document);
  }

  async function start() {
    const answer = await fetch(address('action=Page'), { headers: { Accept: 'application/json' } });
    if (!answer.ok) return;
    const page = await answer.json();
    // Who has no phone keeps vtiger's own dialler.
    if (!page.phone) return;
    await import(new URL('phone/soft-phone.js', script).href);
    phone = document.createElement('soft-phone');
    const attributes = {
      // In a window of its own its calls outlive vtiger's pages.
      mode: page.window === 'popup' ? 'popup' : 'floating', 'account-url': address('action=Account'),
      'calls-url': address('action=CallEvent'), 'calls-style': 'form', 'lookup-url': address('action=Lookup'),
      'click-to-call': '', lang: page.lang, country: page.country,
    };
    for (const [name, value] of Object.entries(attributes)) phone.setAttribute(name, value);
    document.body.append(phone);
    replaceDialler();
    listen();
  }

  // Behind vtiger's own scripts, whatever their order is.
  window.addEventListener('load', () => { start().catch((error) => console.error('SoftPhone', error)); });
})();
