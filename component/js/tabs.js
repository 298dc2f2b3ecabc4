// One phone for all elements of an origin that have the same account, in whatever tab: one of them leads, which has the
// connection, the calls and their media; the others follow, show what it knows and ask it for what their users want.
//
//   Web Lock          soft-phone-leader KEY   who holds it leads; who waits for it follows. A browser gives it to the next
//                                             one when a page closes, goes elsewhere, crashes or is killed
//   BroadcastChannel  soft-phone KEY          KEY is address of record and servers. Messages, each an object:
//
//   { hello: id, wants, first }               a follower is there: the leader tells it all; it wants to be told what is in `wants`,
//                                             each [target, package], and says hello again when that changes. With `first` it is
//                                             a window of the phone's own (popup.js), which is to lead
//   { bye: id }                               it goes
//   { who: id }                               somebody leads from now on: followers say hello, what they have asked for is void
//   { cede: id }                              leader: has told all and let go of its calls. The window of this id takes the lock
//                                             from it (`steal`), before those who have waited longer
//   { state, past, first }                    leader: what it knows (mirror.rs), each only when it has changed; never a secret
//   { event, detail }                         leader: an event, fired by every follower at its element; calls are told by { call: id }
//   { ask, from, call, method, args }         follower: method of the element or, with an id in `call`, of a call; `ask` is its number
//   { told, to, value, error }                leader: what became of it; `error` is {code, message, sipStatus, sipReason}
//
// Events go behind the state that they tell of, and an outcome behind its events: a channel keeps the order. Whoever else is
// of the origin may speak here; it could as well use the element. Where there are no locks or no channels each tab is its own
// phone.

/** How long the window that the phone was given may take to take it, ms; else the page goes on with it. */
const PATIENCE_MS = 2000;

/** The phone of this element, as one of several; `null` where the browser lacks what that takes. `host` is `{element, phone,
 * SoftPhoneError, first, open}`: whether this is the phone's own window, and what opens one before a call. */
export const join = (host, key) => (navigator.locks && globalThis.BroadcastChannel ? new Tabs(host, key) : null);

class Tabs {
  #host;
  #id = crypto.randomUUID();
  #channel;
  #end = new AbortController();
  #name;
  // Ends the lock, of which it is held.
  #release = null;
  #leads = false;
  // Who leads is a window of the phone's own.
  #hosted = false;
  // Of a leader: the window that is to lead, and, once it was given the phone, the end of patience with it.
  #heir = null;
  #timer;
  // Of a leader: who follows, id -> what it wants to be told; and the subscriptions made for that, "target package" -> number.
  #others = new Map();
  #watched = new Map();
  // Of a follower: what it has asked for, number -> ends of a promise; what it wants to be told.
  #asked = new Map();
  #wants = [];
  #number = 0;

  constructor(host, key) {
    this.#host = host;
    this.#channel = new BroadcastChannel(`soft-phone ${key}`);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    this.#name = `soft-phone-leader ${key}`;
    this.#elect({ ifAvailable: true });
  }

  /** Leads once it has the lock, behind everybody who waits already unless `options` say otherwise. */
  async #elect(options = { signal: this.#end.signal }) {
    try {
      const waits = await navigator.locks.request(this.#name, options, (lock) => {
        if (this.#end.signal.aborted) return false;
        if (lock) return new Promise((release) => {
          this.#release = release;
          this.#lead();
        });
        this.#host.phone.follow();
        this.#hello();
        return true;
      });
      if (waits) this.#elect();
    } catch {
      if (this.#end.signal.aborted) return;
      // Refused where an origin has no name, as in a sandboxed frame: alone. Else the phone's window has taken it.
      if (!this.#release) return this.#lead();
      this.#release = null;
      this.#yield(true);
      this.#elect();
    }
  }

  #lead() {
    clearTimeout(this.#timer);
    this.#leads = true;
    this.#hosted = false;
    this.#give();
    this.#host.phone.lead();
    this.#post({ who: this.#id });
  }

  /** Lets go of the phone, which another one is to have; false while that would lose something. */
  #yield(forced) {
    clearTimeout(this.#timer);
    if (!this.#leads) return true;
    if (!this.#host.phone.cede(forced)) return false;
    this.#leads = false;
    this.#others.clear();
    this.#watched.clear();
    return true;
  }

  /** Gives the phone to the window that is to lead, as soon as it can. */
  #cede() {
    const heir = this.#heir;
    if (!heir || !this.#leads || !this.#yield(false)) return;
    this.#heir = null;
    this.#post({ cede: heir });
    this.#timer = setTimeout(() => this.#lead(), PATIENCE_MS);
  }

  #hello() { this.#post({ hello: this.#id, wants: this.#wants, first: this.#host.first }); }

  #post(message) {
    // A page that goes has closed it.
    if (!this.#end.signal.aborted) this.#channel.postMessage(message);
  }

  /** What the leader has known is lost with it, and perhaps done: who has asked may look, and ask again. */
  #give() {
    const { SoftPhoneError } = this.#host;
    for (const { reject } of this.#asked.values()) reject(new SoftPhoneError('closed', 'the tab that had the phone has gone'));
    this.#asked.clear();
  }

  #hear(message) {
    const { phone } = this.#host;
    if (this.#leads) {
      if (message.hello) this.#others.set(message.hello, message.wants);
      else if (message.bye) this.#others.delete(message.bye);
      else if (message.ask) this.#answer(message);
      if (message.hello || message.bye) {
        phone.followers(this.#others.size);
        this.#watch(message.wants ?? []);
        if (message.first && !this.#host.first) this.#heir = message.hello;
        else if (message.bye === this.#heir) this.#heir = null;
        this.#cede();
      }
    } else if (message.who) {
      // It is the window's once that tells what it knows: until then the phone here shows what the one before knew.
      this.#hosted = false;
      this.#give();
      this.#hello();
    } else if (message.cede) {
      if (message.cede === this.#id) this.#elect({ steal: true });
    } else if (message.event) {
      const { event, detail } = message;
      if (detail.call) detail.call = phone.callOf(detail.call);
      // Of a call that it does not know it cannot tell.
      if (!('call' in detail) || detail.call) phone.replay(event, detail);
    } else if (message.state || message.past) {
      this.#hosted = Boolean(message.first);
      phone.hear(message.state ?? new Uint8Array(), message.past ?? new Uint8Array());
    } else if (message.to === this.#id) {
      const { SoftPhoneError } = this.#host;
      const { resolve, reject } = this.#asked.get(message.told) ?? {};
      this.#asked.delete(message.told);
      const { error, value } = message;
      if (error) reject?.(new SoftPhoneError(error.code, error.message, error.sipStatus, error.sipReason));
      else resolve?.(value?.call ? phone.callOf(value.call) : value);
    }
  }

  async #answer({ ask, from, call, method, args }) {
    try {
      const value = await this.#perform(call, method, args);
      this.#post({ told: ask, to: from, value });
    } catch ({ code = 'failed', message, sipStatus, sipReason }) {
      this.#post({ told: ask, to: from, error: { code, message, sipStatus, sipReason } });
    }
  }

  async #perform(id, method, args) {
    const { element, phone, SoftPhoneError } = this.#host;
    // Those that no page can call.
    switch (method) {
      case 'request': return phone.perform(...args);
      case 'dialled': return { call: (await phone.dialled(...args)).id };
      case 'contact': return phone.setContact(...args);
      case 'attribute': return args[1] === null ? element.removeAttribute(args[0]) : element.setAttribute(...args);
    }
    if (!id) return element[method](...args);
    const call = element.calls.find((it) => it.id === id);
    if (call) return call[method](...args);
    if (method === 'note') return element.updateCall(id, { notes: args[0], outcome: args[1] });
    throw new SoftPhoneError('wrong-state', 'not possible while ended');
  }

  /** Subscribes once to what followers want, and tells again what one of them wants `anew`. */
  #watch(anew) {
    const { phone } = this.#host;
    const wanted = new Map([...this.#others.values()].flat().map((want) => [want.join(' '), want]));
    for (const [place, number] of this.#watched) {
      if (wanted.has(place)) continue;
      this.#watched.delete(place);
      phone.unsubscribe(number);
    }
    for (const [place, want] of wanted) if (!this.#watched.has(place)) this.#watched.set(place, phone.subscribe(...want));
    for (const want of anew) phone.tellWatch(this.#watched.get(want.join(' ')));
  }

  // What the phone and the element ask of it.

  /** Leader: to all who follow. */
  tell(state, past) {
    this.#post({ state, past, first: this.#host.first });
    // What has kept it from giving the phone away may be over. Later: the phone is in the middle of something.
    if (this.#heir) queueMicrotask(() => this.#cede());
  }

  /** Whether a window of the phone's own has it. */
  get hosted() { return this.#hosted; }

  /** Before a call: a promise, where a window is opened that is to have the phone first. */
  host() { return this.#host.open(); }

  /** Leader: an event for all who follow. */
  fire(event, detail) { this.#post({ event, detail: detail.call ? { ...detail, call: detail.call.id } : { ...detail } }); }

  /** Follower: asks the leader. */
  ask(call, method, args) {
    return new Promise((resolve, reject) => {
      const ask = ++this.#number;
      // A call is told by its id, alone or in a list.
      const plain = (it) => (Array.isArray(it) ? it.map(plain) : it?.sipCallId !== undefined ? { id: it.id } : it);
      this.#asked.set(ask, { resolve, reject });
      this.#post({ ask, from: this.#id, call, method, args: args.map(plain) });
    });
  }

  /** Follower: wants to be told of this, whoever leads. */
  want(wants) {
    this.#wants = wants;
    this.#hello();
  }

  /** The phone goes: another one leads, if there is one. */
  leave() {
    if (!this.#leads) this.#post({ bye: this.#id });
    this.#give();
    clearTimeout(this.#timer);
    this.#end.abort();
    this.#channel.close();
    this.#release?.();
  }
}
