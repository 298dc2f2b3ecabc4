// The script on vtiger's pages, in as much of a page as it touches: `node --test component/integrations/vtiger/tests/`.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

const FILE = new URL('../module/modules/SoftPhone/resources/SoftPhone.js', import.meta.url);
const SOURCE = readFileSync(FILE, 'utf8').replace('import(', 'load(');
const PAGE = { phone: true, window: 'page', country: 'RU', lang: 'ru' };

/** A page of vtiger: `values` are the texts of its phone fields, `own` what it has as its dialler. */
async function page(answer, { values = [], own = {} } = {}) {
  const log = [];
  const handlers = {};
  const cells = values.map((text) => {
    const attributes = new Map();
    const cell = {
      textContent: text, style: {}, attributes,
      hasAttribute: (name) => attributes.has(name),
      setAttribute: (name, value) => attributes.set(name, value),
      querySelector: () => null,
      closest: (selector) => (selector === '[data-soft-phone]' ? (attributes.has('data-soft-phone') ? cell : null) : selector === '[data-id]' ? { getAttribute: () => '17' } : null),
    };
    return cell;
  });
  const phone = {
    attributes: {},
    setAttribute(name, value) { this.attributes[name] = value; },
    open: () => log.push('open'),
    call: async (number) => {
      log.push(`call ${number}`);
      if (number === 'bad') throw new Error('not found');
      return { id: 'c1' };
    },
    updateCall: async (id, facts) => log.push(`contact of ${id} is ${facts.contact.id}`),
  };
  const document = {
    currentScript: { src: 'http://crm.test/vt/modules/SoftPhone/resources/SoftPhone.js?v=8' },
    body: { append: (it) => log.push(it === phone ? 'appended' : 'other') },
    createElement: (name) => (assert.equal(name, 'soft-phone'), phone),
    querySelectorAll: () => cells,
    getElementById: () => null,
    addEventListener: (type, handler, capture) => { assert.equal(capture, true); handlers[type] = handler; },
  };
  let loaded;
  const window = { ...own, addEventListener: (_, start) => { loaded = start; } };
  const fetched = [];
  const done = new Promise((resolve) => {
    const fetch = async (url) => {
      fetched.push(url);
      // The script's own steps after the answer are all in this turn's microtasks.
      setTimeout(resolve);
      return { ok: answer !== null, json: async () => answer };
    };
    const load = async (url) => log.push(`import ${url}`);
    new Function('document', 'window', 'fetch', 'load', 'MutationObserver', 'requestAnimationFrame', SOURCE)(
      document, window, fetch, load, class { observe() {} }, (run) => run());
  });
  loaded();
  await done;
  const settled = () => new Promise((resolve) => setTimeout(resolve));
  return { log, window, phone, cells, handlers, fetched, settled };
}

test('the phone is made with the addresses of the module, from wherever vtiger is', async () => {
  const { log, phone, fetched } = await page(PAGE);
  assert.deepEqual(fetched, ['http://crm.test/vt/index.php?module=SoftPhone&action=Page']);
  assert.deepEqual(log, ['import http://crm.test/vt/modules/SoftPhone/resources/phone/soft-phone.js', 'appended']);
  assert.equal(phone.attributes['account-url'], 'http://crm.test/vt/index.php?module=SoftPhone&action=Account');
  assert.equal(phone.attributes['calls-url'], 'http://crm.test/vt/index.php?module=SoftPhone&action=CallEvent');
  assert.equal(phone.attributes['calls-style'], 'form');
  assert.deepEqual([phone.attributes.lang, phone.attributes.country], ['ru', 'RU']);
});

test('who has no phone, or no session, keeps vtiger\'s dialler', async () => {
  const own = { Vtiger_PBXManager_Js: { makeOutboundCall: 'its own' } };
  for (const answer of [{ ...PAGE, phone: false }, null]) {
    const { log, window, handlers } = await page(answer, { own });
    assert.deepEqual(log, []);
    assert.equal(window.Vtiger_PBXManager_Js.makeOutboundCall, 'its own');
    assert.deepEqual(Object.keys(handlers), []);
  }
});

test('vtiger\'s dialler calls by the phone, in the words of each version', async () => {
  const kept = () => {};
  const { log, window, settled } = await page(PAGE, { own: { Vtiger_PBXManager_Js: { makeOutboundCall: null, requestPBXgetCalls: kept } } });
  assert.equal(window.Vtiger_PBXManager_Js.requestPBXgetCalls, kept);
  log.length = 0;
  window.Vtiger_PBXManager_Js.makeOutboundCall({ number: '+79161234567', record: 5 });
  window.Vtiger_PBXManager_Js.registerPBXOutboundCall('84957654321', 6);
  window.Vtiger_PBXManager_Js.makeOutboundCall(' ', 7);
  window.Vtiger_PBXManager_Js.makeOutboundCall('bad', 8);
  await settled();
  assert.deepEqual(log.filter((line) => line !== 'open'), ['call +79161234567', 'call 84957654321', 'call bad', 'contact of c1 is 5', 'contact of c1 is 6']);
});

test('without vtiger\'s dialler there is one', async () => {
  const { window } = await page(PAGE);
  assert.equal(typeof window.Vtiger_PBXManager_Js.registerPBXOutboundCall, 'function');
});

test('numbers in plain text are called as they are seen, and the click goes no further', async () => {
  const { log, cells, handlers, settled } = await page(PAGE, { values: ['+7 (916) 123-45-67', '—'] });
  assert.equal(cells[0].attributes.get('role'), 'link');
  assert.equal(cells[1].attributes.size, 0);
  const event = (type, target, key) => ({ type, target, key, stopped: 0, preventDefault() { this.stopped += 1; }, stopPropagation() { this.stopped += 1; } });
  const click = event('click', cells[0]);
  handlers.click(click);
  assert.equal(click.stopped, 2);
  const elsewhere = event('click', cells[1]);
  handlers.click(elsewhere);
  handlers.keydown(event('keydown', cells[0], 'Tab'));
  assert.equal(elsewhere.stopped, 0);
  await settled();
  assert.deepEqual(log.slice(2), ['open', 'call +7 (916) 123-45-67', 'contact of c1 is 17']);
  handlers.keydown(event('keydown', cells[0], 'Enter'));
  await settled();
  assert.equal(log.filter((line) => line.startsWith('call')).length, 2);
});

test('the phone is on the page, or in a window of its own, as the administrator wants', async () => {
  for (const [window, mode] of [['page', 'floating'], ['popup', 'popup']]) {
    const { phone, window: own, log, settled } = await page({ ...PAGE, window });
    assert.equal(phone.attributes.mode, mode);
    log.length = 0;
    // What opens the window is the element, in the very click: nothing is waited for before.
    own.Vtiger_PBXManager_Js.makeOutboundCall('601', 5);
    assert.deepEqual(log, ['open', 'call 601']);
    await settled();
    assert.deepEqual(log, ['open', 'call 601', 'contact of c1 is 5']);
  }
});
