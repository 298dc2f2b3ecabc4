// Tells the application's server of calls (the attribute `calls-url`): gives each event its number, keeps it in the outbox,
// and sees to it that every call ends as one card, whatever becomes of the page. Loaded where there is such an attribute.
//
// A call belongs to the page that it is on, which holds a Web Lock for as long as it lives. Whoever gets the lock of a
// page knows that it is gone, and ends the calls that it has left behind, unless another page has taken them up within
// their time. Numbers grow by one from event to event, also from page to page and in what is sent last when a page goes,
// so a server that compares them takes the same end once.

import { beacons } from './delivery.js';
import { contactOf, locked, openDatabase, Outbox } from './outbox.js';

/** So often the time of a live call is noted, ms: what is lost of its length when the browser is killed. */
const SEEN_MS = 5000;
/** An end that is older than this is on the disk, ms. */
const LAST_MS = 5000;
const ownerLock = (owner) => `soft-phone-page ${owner}`;

/** One for each page and not for each phone: the outbox is the origin's. */
let page;
const openPage = () => (page ??= (async () => {
  const owner = crypto.randomUUID();
  // Before the first event is written: nobody may take the page for dead.
  let release = await hold(ownerLock(owner));
  addEventListener('pagehide', () => release());
  addEventListener('pageshow', async (event) => { if (event.persisted) release = await hold(ownerLock(owner)); });
  return { owner, database: await openDatabase() };
})());

/** Whom somebody has picked for a call stays, whatever the server thinks. */
const amend = (row, extra) => {
  Object.assign(row.extra, extra);
  if (extra.contact) row.picked = true;
};

const hold = (name) => new Promise((resolve, reject) => {
  const granted = () => new Promise((release) => { resolve(release); });
  Promise.resolve(locked(name, {}, granted)).catch(reject);
});

export class Reports {
  #phone;
  #page;
  #outbox;
  // Of its own: an object hears nothing of what it says itself, and another phone of the page must.
  #channel = new BroadcastChannel('soft-phone-calls');
  // Calls of this page that go on: id -> row.
  #live = new Map();
  // Calls of another page that are being taken up: id -> when that is done.
  #taking = new Map();
  // Ends of a moment ago that the server does not have yet: they go by a beacon when the page goes. Some browsers close
  // the connection before, by which a call ends.
  #last = new Map();
  #gone = false;
  #watched = new Set();
  #desk = null;
  #timer = null;
  #listeners = new AbortController();
  #told = null;

  /** `phone` is `{element, owner(), askAgain()}`. */
  static async open(phone) {
    const reports = new Reports();
    reports.#phone = phone;
    reports.#page = await openPage();
    reports.#outbox = new Outbox(reports.#page.database, {
      target: () => reports.#target(),
      sends: () => phone.element.leader,
      askAgain: () => phone.askAgain(),
      changed: (what) => reports.#changed(what),
      known: (event, result) => reports.#known(event, result),
    });
    reports.#listen();
    reports.#start();
    reports.#learn();
    return reports;
  }

  #listen() {
    const { signal } = this.#listeners;
    this.#channel.addEventListener('message', ({ data }) => this.#heard(data), { signal });
    // Behind the phone's own listener, which hangs up.
    addEventListener('pagehide', () => this.#leave(), { signal });
    addEventListener('pageshow', (event) => {
      this.#gone = false;
      if (event.persisted) this.#start();
    }, { signal });
    addEventListener('online', () => this.#outbox.wake(), { signal });
    // Somebody who had to sign in again comes back from there.
    const back = () => {
      const { state } = this.#outbox;
      if (document.visibilityState !== 'visible' || !state) return;
      // It may be somebody else: first the account, which wakes the outbox.
      if (state !== 'sign-in' || !this.#phone.askAgain()) this.#outbox.wake();
    };
    addEventListener('focus', back, { signal });
    document.addEventListener('visibilitychange', back, { signal });
  }

  #start() {
    this.#watched.clear();
    this.#outbox.owners().then((owners) => owners.forEach((owner) => this.#watch(owner))).catch(this.#failed);
    this.#outbox.prune().catch(this.#failed);
    this.#drain();
    this.#changed('delivered');
  }

  // Knows how the world writes the numbers of the user's country.
  #numbers = null;
  #rules = '';

  /** Loads it, where a country is known. A call that begins before is told of as it was dialled. */
  #learn() {
    const plan = this.#phone.owner()?.plan;
    const rules = JSON.stringify(plan);
    if (!plan?.country || rules === this.#rules) return;
    this.#rules = rules;
    import('./numbers.js').then(({ Numbers }) => { if (rules === this.#rules) this.#numbers = new Numbers(plan); }, () => {
      // Built without it: numbers are told as they are.
    });
  }

  #drain() {
    // A page that goes holds no lock.
    if (this.#gone) return;
    // The tab that has the phone sends.
    if (this.#phone.element.leader) this.#outbox.drain().catch(this.#failed);
    else this.#channel.postMessage({ drain: true });
  }

  /** The element is gone for good; what it has told is sent all the same. */
  close() {
    this.#listeners.abort();
    this.#channel.close();
    this.#desk?.then((desk) => desk.close());
  }

  /** What the phone tells; `call` is a record as in the README, or what has changed of one. The promise, for a call that is
   * new, settles once it is on the disk. */
  report(state, call) {
    if (state === 'account') {
      this.#learn();
      this.#outbox.wake();
      this.#changed('delivered');
    } else if (state === 'updated') {
      const { id, ...extra } = call;
      this.update(id, extra);
    } else {
      return this.#move(state, call);
    }
    return undefined;
  }

  #move(state, call) {
    const scope = this.#target()?.scope;
    if (state === 'taken') {
      this.#taking.set(call.id, this.#take(scope, call));
      return undefined;
    }
    if (state === 'left') {
      // Another tab goes on with it, and numbers its events.
      this.#live.delete(call.id);
      this.#taking.delete(call.id);
      this.#tick();
      return undefined;
    }
    const taking = this.#taking.get(call.id);
    if (taking) {
      this.#taking.set(call.id, taking.then(() => { this.#note(scope, state, call); }));
      return undefined;
    }
    return this.#note(scope, state, call);
  }

  async #take(scope, call) {
    const row = await this.#outbox.take(call.id, this.#page.owner).catch(this.#failed);
    // Of another user's it is no business of this one.
    if (row && row.scope === scope) this.#live.set(call.id, row);
    this.#tick();
    // What has been told meanwhile comes first, in its order.
    const last = this.#taking.get(call.id);
    setTimeout(() => { if (this.#taking.get(call.id) === last) this.#taking.delete(call.id); });
  }

  #note(scope, state, call) {
    const known = this.#live.get(call.id);
    const row = known ?? { id: call.id, scope, owner: this.#page.owner, seq: 0, extra: {}, live: true, wrapUp: false };
    // No account, so nobody whose call it is.
    if (!row.scope) return undefined;
    this.#live.set(call.id, row);
    const { notes, outcome, ...snapshot } = call;
    if (notes) row.extra.notes = notes;
    if (outcome) row.extra.outcome = outcome;
    const world = (number) => (number && this.#numbers?.normalise(number)) || number;
    row.snapshot = { ...snapshot, from: world(call.from), to: world(call.to), notes: '', outcome: null };
    if (state === 'ended') {
      this.#live.delete(call.id);
      row.live = false;
      row.wrapUp = Boolean(call.answeredAt) && this.#phone.element.hasAttribute('wrap-up');
    }
    const kept = this.#keep(row, state === 'dialing' ? null : state);
    if (this.#live.size === 1 && row.seq <= 1) this.#channel.postMessage({ live: this.#page.owner });
    this.#tick();
    if (state === 'ended' && call.answeredAt) this.#atDesk((desk) => desk.write(row));
    return known ? undefined : kept;
  }

  #keep(row, state) {
    row.seen = Date.now();
    const event = state && this.#event(row, state);
    if (state === 'ended') {
      this.#last.set(row.id, { row, event });
      setTimeout(() => this.#last.delete(row.id), LAST_MS);
    }
    const kept = this.#outbox.keep({ ...row }, event);
    kept.then(() => this.#drain()).catch(this.#failed);
    return kept;
  }

  #event(row, state) {
    row.seq += 1;
    return { id: crypto.randomUUID(), seq: row.seq, state, at: new Date().toISOString(), call: { ...row.snapshot, ...row.extra } };
  }

  #tick() {
    if (!this.#live.size) {
      clearInterval(this.#timer);
      this.#timer = null;
    }
    this.#timer ??= this.#live.size ? setInterval(() => { for (const row of this.#live.values()) this.#keep(row, null); }, SEEN_MS) : null;
  }

  /** Adds to a call, of whatever page, what became known late: `{notes, outcome, recordingUrl, contact}`. */
  async update(id, facts) {
    const extra = Object.fromEntries(['notes', 'outcome', 'recordingUrl', 'contact'].filter((name) => facts[name] !== undefined).map((name) => [name, facts[name]]));
    const live = this.#live.get(id);
    if (live) {
      amend(live, extra);
      this.#keep(live, 'updated');
      return true;
    }
    let elsewhere = false;
    const known = await this.#outbox.amend(id, (row) => {
      elsewhere = row.live;
      if (elsewhere) return null;
      amend(row, extra);
      row.wrapUp = false;
      return this.#event(row, 'updated');
    });
    // Whose call it is numbers its events.
    if (elsewhere) this.#channel.postMessage({ update: id, extra });
    if (known) this.#drain();
    return known || elsewhere;
  }

  // The page goes. What is in the outbox may not be on the disk yet, and what is under way may not arrive: the last word
  // on each call goes by a beacon. The server gets it twice at most, under one number.
  #leave() {
    this.#gone = true;
    for (const row of this.#live.values()) this.#keep(Object.assign(row, { left: Date.now() }), null);
    this.#live.clear();
    const target = this.#target(true);
    this.#outbox.stop();
    clearInterval(this.#timer);
    this.#timer = null;
    const last = [...this.#last.values()];
    for (const scope of new Set(last.map(({ row }) => row.scope))) {
      if (target?.scope !== scope) continue;
      const events = last.filter(({ row }) => row.scope === scope).map(({ event }) => event);
      for (const form of beacons(target.style, events, target.csrf)) navigator.sendBeacon(target.url, form);
    }
  }

  #watch(owner) {
    if (owner === this.#page.owner || this.#watched.has(owner)) return;
    this.#watched.add(owner);
    const { signal } = this.#listeners;
    const heir = this.#page.owner;
    const inherit = async () => {
      const patience = await this.#outbox.grace(owner);
      if (patience) await new Promise((resolve) => { setTimeout(resolve, patience); });
      return signal.aborted ? [] : this.#outbox.adopt(owner, heir);
    };
    Promise.resolve(locked(ownerLock(owner), { signal }, inherit)).then((rows) => {
      this.#watched.delete(owner);
      for (const row of rows) if (row.wrapUp) this.#atDesk((desk) => desk.write(row));
      if (rows.length) this.#drain();
    }).catch((error) => { if (!signal.aborted) this.#failed(error); });
  }

  #heard({ live, update, extra, drain }) {
    if (live) this.#watch(live);
    if (drain && this.#phone.element.leader) this.#drain();
    if (update && this.#live.has(update)) this.update(update, extra);
  }

  #known(event, result) {
    if (event.state === 'ended') this.#last.delete(event.call.id);
    const row = this.#live.get(event.call.id);
    if (row && result.contact && !row.picked) row.extra.contact = contactOf(result);
  }

  // The account goes before the page does: what it was is remembered for the last words.
  #target(leaving) {
    const { element } = this.#phone;
    const url = element.getAttribute('calls-url');
    const owner = this.#phone.owner() ?? (leaving || !element.isConnected ? this.#lastOwner : null);
    if (!url || !owner) return null;
    this.#lastOwner = owner;
    const absolute = new URL(url, document.baseURI).href;
    return { scope: `${absolute} ${owner.user}`, url: absolute, style: element.callsStyle, csrf: owner.csrf };
  }
  #lastOwner = null;

  #changed(what) {
    const { state } = this.#outbox;
    if (state !== this.#told && state === 'sign-in') this.#tell('calls-sign-in', 'sign in to the application again: its server takes no calls until then');
    this.#told = state;
    if (what === 'refused') this.#tell('calls-refused', 'the application has refused to keep a call');
    Promise.resolve(this.#outbox.dead()).then((dead) => {
      if (state || dead.length || this.#desk) this.#atDesk((desk) => desk.show(state, dead));
    }).catch(this.#failed);
  }

  #tell(code, message) {
    this.#phone.element.dispatchEvent(new CustomEvent('soft-phone-error', { bubbles: true, composed: true, detail: { code, message } }));
  }

  // A storage that is full, forbidden or taken away: the user must know that calls are not kept.
  #failed = (error) => this.#tell('calls-not-kept', `calls cannot be kept in this browser: ${error?.message ?? error}`);

  /** The forms in the window, loaded when there is something to be written or read. */
  #atDesk(use) {
    this.#desk ??= import('./wrap-up.js').then(({ Desk }) => new Desk(this.#phone.element, {
      save: (id, facts) => this.update(id, facts),
      bury: (again) => this.#outbox.bury(again).then(() => this.#changed('delivered')),
      retry: () => { if (this.#outbox.state !== 'sign-in' || !this.#phone.askAgain()) this.#outbox.wake(); },
    }));
    this.#desk.then(use).catch(this.#failed);
  }
}
