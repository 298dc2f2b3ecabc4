// Follows wasm-bindgen's glue in the same module: the class is a shell, the phone is the wasm behind it.
import { join } from './tabs.js';

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

// What is loaded only where its attribute stands.
const extras = {
  'click-to-call': () => import('./click-to-call.js'),
  'lookup-url': () => import('./lookup.js'),
  mode: () => import('./popup.js'),
};
const wants = (element, name) => (name === 'mode' ? element.mode === 'popup' : element.hasAttribute(name));

// A call waits so long until it is kept, ms: a storage that does not answer silences no phone.
const KEPT_MS = 2000;
const bounded = (kept) => kept && Promise.race([kept, new Promise((resolve) => { setTimeout(resolve, KEPT_MS); })]);

// The page of the phone's own window.
const HOME = new URL('popup.html', import.meta.url).href;

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
      if (this.#reports) return bounded(this.#reports.report(state, call));
      if (!this.hasAttribute('calls-url')) return undefined;
      this.#untold.push([state, call]);
      return call && bounded(this.#loading);
    });
    this.#phone.setTabs((key) => {
      this.#key = key;
      const first = location.href === HOME;
      return (this.#tabs = join({ element: this, phone: this.#phone, SoftPhoneError, first, open: () => this.#host?.() }, key));
    });
  }

  // The tabs of this phone, whose phone that is, and what opens a window for it.
  #tabs = null;
  #key = '';
  #host = null;
  // What the page has set, for that window.
  #given = {};

  #loading = null;

  /** Loads what tells of calls, once. */
  #report() {
    if (!this.hasAttribute('calls-url')) return;
    const phone = this.#phone;
    const open = ({ Reports }) => Reports.open({ element: this, owner: () => phone.owner(), askAgain: () => phone.askAgain() });
    this.#loading ??= import('./reports.js').then(open).then((reports) => {
      this.#reports = reports;
      return Promise.allSettled(this.#untold.splice(0).map(([state, call]) => reports.report(state, call)));
    }).catch((error) => {
      this.#loading = null;
      const detail = { code: 'calls-not-kept', message: `calls cannot be told to the application: ${error.message}` };
      this.dispatchEvent(new CustomEvent('soft-phone-error', { bubbles: true, composed: true, detail }));
    });
  }

  // attribute -> promise of what it has brought: `{changed(), close()}`.
  #extras = new Map();
  #hooks = new Set();

  /** Begins and ends what the markup asks for. */
  #attend() {
    const phone = this.#phone;
    for (const [attribute, load] of Object.entries(extras)) {
      const running = this.#extras.get(attribute);
      const wanted = this.isConnected && wants(this, attribute);
      if (running) {
        if (!wanted) this.#extras.delete(attribute);
        running.then((extra) => (wanted ? extra?.changed() : extra?.close()));
      } else if (wanted) {
        const begun = load().then(({ open }) => open({
          element: this,
          hooks: this.#hooks,
          owner: () => phone.owner(),
          call: (dial, number, source) => phone.callFrom(dial, number, source),
          setContact: (id, contact, names) => phone.setContact(id, contact, names),
          home: HOME,
          attributes,
          key: () => this.#key,
          hosted: () => this.#tabs?.hosted,
          given: () => this.#given,
          blocked: () => phone.popupBlocked(),
          setHost: (host) => { this.#host = host; },
        })).catch((error) => {
          this.#extras.delete(attribute);
          const detail = { code: 'not-loaded', message: `${attribute} does not work: ${error.message}` };
          this.dispatchEvent(new CustomEvent('soft-phone-error', { bubbles: true, composed: true, detail }));
        });
        this.#extras.set(attribute, begun);
      }
    }
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
    this.#attend();
  }

  disconnectedCallback() {
    this.#phone.disconnected();
    // Behind the phone's own end, which ends its calls. Moving the element ends nothing.
    setTimeout(() => {
      if (this.isConnected) return;
      this.#reports?.close();
      this.#reports = this.#loading = null;
      this.#attend();
    });
  }
  attributeChangedCallback(name, before, after) {
    if (before === after) return;
    this.#phone.changed(name);
    if (name === 'calls-url' && this.isConnected) this.#report();
    if (name in extras || name === 'scan-text' || this.#host) this.#attend();
  }

  // Secrets go in and never come out.
  get account() { return null; }
  set account(account) { this.#give({ account }); this.#phone.setAccount(account); }
  get credentials() { return null; }
  set credentials(credentials) { this.#give({ credentials }); this.#phone.setCredentials(credentials); }
  #give(what) {
    Object.assign(this.#given, what);
    if (this.#host) this.#attend();
  }

  get registration() { return this.#phone.registration(); }
  get calls() { return this.#phone.calls(); }
  get history() { return this.#phone.history(); }
  get leader() { return this.#phone.leads(); }

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
  /** More elements of the page that are numbers; the function that it returns takes them back. */
  addNumbers({ selector, number, exclusive }) {
    // Throws for what is no selector.
    document.createDocumentFragment().querySelector(selector);
    const hook = { selector: String(selector), number, exclusive: Boolean(exclusive) };
    this.#hooks.add(hook);
    this.#attend();
    return () => {
      this.#hooks.delete(hook);
      this.#attend();
    };
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
