// The phone in a window of its own: calls what vtiger's pages ask for.
(() => {
  'use strict';
  const script = document.currentScript.src;
  const address = (query) => new URL(`../../../index.php?module=SoftPhone&${query}`, script).href;
  const channel = new BroadcastChannel('soft-phone-vtiger');

  async function call(phone, { number, record }) {
    try {
      const made = await phone.call(number);
      if (record) await phone.updateCall(made.id, { contact: { type: '', id: String(record) } });
    } catch {
      // The phone says why, in the user's language.
    }
  }

  async function start() {
    const page = await (await fetch(address('action=Page'))).json();
    await import(new URL('phone/soft-phone.js', script).href);
    const phone = document.createElement('soft-phone');
    const attributes = {
      mode: 'inline', 'account-url': address('action=Account'), 'calls-url': address('action=CallEvent'), 'calls-style': 'form',
      'lookup-url': address('action=Lookup'), lang: page.lang, country: page.country,
    };
    for (const [name, value] of Object.entries(attributes)) phone.setAttribute(name, value);
    // Only pages of this origin can ask; an address with a number in it could come from anywhere, and none is read.
    channel.addEventListener('message', ({ data }) => { if (data.call) call(phone, data.call); });
    phone.addEventListener('soft-phone-registration', ({ detail }) => {
      if (detail.state === 'registered') channel.postMessage({ ready: true });
    });
    document.body.append(phone);
  }

  start().catch((error) => { document.body.textContent = String(error); });
})();
