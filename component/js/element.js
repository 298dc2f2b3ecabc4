// Follows wasm-bindgen's glue in the same module: the class is a shell, the phone is the wasm behind it.
await __wbg_init();

/** Why a promise of the phone was rejected. */
export class SoftPhoneError extends Error {
  constructor(code, message, sipStatus = null, sipReason = null) {
    super(message);
    this.name = 'SoftPhoneError';
    this.code = code;
    this.sipStatus = sipStatus;
    this.sipReason = sipReason;
  }
}

// XML of notifications, read by the browser. It runs nothing and fetches nothing; Trusted Types want a name for it.
let policy;
const parseXml = (text) => {
  policy ??= globalThis.trustedTypes?.createPolicy('soft-phone', { createHTML: (xml) => xml }) ?? { createHTML: (xml) => xml };
  const parsed = new DOMParser().parseFromString(policy.createHTML(text), 'application/xml');
  if (parsed.querySelector('parsererror')) return null;
  const read = (node) => ({
    name: node.localName,
    attributes: [...node.attributes].filter((it) => !it.namespaceURI).flatMap((it) => [it.name, it.value]),
    text: [...node.childNodes].map((it) => (it.nodeType === Node.TEXT_NODE || it.nodeType === Node.CDATA_SECTION_NODE ? it.data : '')).join(''),
    children: [...node.children].map(read),
  });
  return read(parsed.documentElement);
};

setUp(
  (...fields) => new SoftPhoneError(...fields),
  () => import('./graph.js'),
  parseXml,
);

const attributes = attributeTable();

/**
 * A SIP phone. Its attributes, properties, methods and events are described in custom-elements.json.
 */
export class SoftPhone extends HTMLElement {
  static observedAttributes = attributes.map(([name]) => name);

  #phone = new Phone(this);

  connectedCallback() {
    // Properties that were set before the class was known lie on the instance and hide the accessors.
    for (const property of ['account', 'credentials', 'devices', ...attributes.map(([, property]) => property)]) {
      if (!Object.hasOwn(this, property)) continue;
      const value = this[property];
      delete this[property];
      this[property] = value;
    }
    this.#phone.connected();
  }

  disconnectedCallback() { this.#phone.disconnected(); }
  attributeChangedCallback(name, before, after) { if (before !== after) this.#phone.changed(name); }

  // Secrets go in and never come out.
  get account() { return null; }
  set account(account) { this.#phone.setAccount(account); }
  get credentials() { return null; }
  set credentials(credentials) { this.#phone.setCredentials(credentials); }

  get registration() { return this.#phone.registration(); }
  get calls() { return this.#phone.calls(); }
  get history() { return this.#phone.history(); }

  get devices() { return this.#phone.devices(); }
  set devices(devices) { this.#phone.setDevices(devices); }

  register() { return this.#phone.register(); }
  unregister() { return this.#phone.unregister(); }
  call(target, options) { return this.#phone.call(String(target), options); }
  open() { this.#phone.show(true); }
  close() { this.#phone.show(false); }
  dial(number) { this.#phone.dial(String(number)); }
  conference(calls) { return this.#phone.conference([...calls]); }
  sendMessage(target, text) { return this.#phone.sendMessage(String(target), String(text)); }
  subscribe(target, name) {
    const key = this.#phone.subscribe(String(target), String(name));
    return () => this.#phone.unsubscribe(key);
  }
  publish(status, note) { return this.#phone.publish(status == null ? undefined : String(status), String(note ?? '')); }
  diagnostics() { return this.#phone.diagnostics(); }
}

for (const [name, property, kind] of attributes) {
  Object.defineProperty(SoftPhone.prototype, property, {
    configurable: true,
    enumerable: true,
    get() {
      if (kind === 'flag') return this.hasAttribute(name);
      const value = this.getAttribute(name) ?? '';
      if (kind === 'text') return value;
      return kind.find((word) => word === value.trim().toLowerCase()) ?? kind[0];
    },
    set(value) {
      if (kind === 'flag') this.toggleAttribute(name, Boolean(value));
      else if (value == null) this.removeAttribute(name);
      else this.setAttribute(name, value);
    },
  });
}

if (!customElements.get('soft-phone')) customElements.define('soft-phone', SoftPhone);
