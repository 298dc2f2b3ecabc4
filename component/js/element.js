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

  // What tells the application's server of calls, once it is loaded; what was to be told meanwhile waits.
  #reports = null;
  #untold = [];

  constructor() {
    super();
    this.#phone.setReporter((state, call) => {
      if (this.#reports) this.#reports.report(state, call);
      else if (this.hasAttribute('calls-url')) this.#untold.push([state, call]);
    });
  }

  #loading = null;

  /** Loads what tells of calls, once. */
  #report() {
    if (!this.hasAttribute('calls-url')) return;
    const phone = this.#phone;
    const open = ({ Reports }) => Reports.open({ element: this, owner: () => phone.owner(), askAgain: () => phone.askAgain() });
    this.#loading ??= import('./reports.js').then(open).then((reports) => {
      this.#reports = reports;
      for (const [state, call] of this.#untold.splice(0)) reports.report(state, call);
    }).catch((error) => {
      this.#loading = null;
      const detail = { code: 'calls-not-kept', message: `calls cannot be told to the application: ${error.message}` };
      this.dispatchEvent(new CustomEvent('soft-phone-error', { bubbles: true, composed: true, detail }));
    });
  }

  connectedCallback() {
    // Properties that were set before the class was known lie on the instance and hide the accessors.
    for (const property of ['account', 'credentials', 'devices', ...attributes.map(([, property]) => property)]) {
      if (!Object.hasOwn(this, property)) continue;
      const value = this[property];
      delete this[property];
      this[property] = value;
    }
    this.#phone.connected();
    this.#report();
  }

  disconnectedCallback() {
    this.#phone.disconnected();
    // Behind the phone's own end, which ends its calls. Moving the element ends nothing.
    setTimeout(() => {
      if (this.isConnected) return;
      this.#reports?.close();
      this.#reports = this.#loading = null;
    });
  }
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    this.#phone.changed(name);
    if (name === 'calls-url' && this.isConnected) this.#report();
  }

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
  /** What became known of a call late; settles with false for a call that is not known. */
  updateCall(id, facts) {
    return Promise.resolve(this.#loading).then(() => this.#reports?.update(String(id), { ...facts }) ?? false);
  }
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
