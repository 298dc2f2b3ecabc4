// Call events that wait for the application's server, in IndexedDB: written before they are sent, gone when the server
// has said that it has them. All tabs of the origin share it; a Web Lock lets one of them send at a time.
//
//   calls   {id, scope, owner, seq, snapshot, extra, live, seen, left, wrapUp}   a call, the last 500
//   outbox  {n, scope, event}                                                    to be sent, in this order
//   dead    {n, scope, event, status, reason, at}                                what the server refused for good
//
// `scope` is URL and user: what one user has done is never sent in the name of another.

import { batch, grace, interrupted, judge, requests, wait } from './delivery.js';

const DATABASE = 'soft-phone';
const KEPT = 500;
const TIMEOUT_MS = 10_000;
/** An outbox that waits for a sign-in asks by itself now and then. */
const PATIENCE_MS = 300_000;

const done = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

export function openDatabase() {
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => {
    const database = request.result;
    database.createObjectStore('calls', { keyPath: 'id' }).createIndex('seen', 'seen');
    for (const name of ['outbox', 'dead']) {
      database.createObjectStore(name, { keyPath: 'n', autoIncrement: true }).createIndex('scope', 'scope');
    }
  };
  return done(request);
}

export const locked = (name, options, run) =>
  navigator.locks ? navigator.locks.request(name, options, run) : run({});

export class Outbox {
  #database;
  #wake = null;
  #stop = new AbortController();
  #draining = false;
  #news = false;
  #woken = false;
  #singles = 0;
  // The request that the application refused as forged before it was asked for a new account.
  #stale = null;
  #asked = false;
  failures = 0;
  /** Why nothing is sent: `sign-in`, `unreachable`, or null. */
  state = null;

  /** `phone` gives `target() → {scope, url, style, csrf} | null`, `sends()`: whether it is this tab that sends,
   * `askAgain()`, `changed(what)`, `known(event, result)`. */
  constructor(database, phone) {
    this.#database = database;
    this.phone = phone;
  }

  /** Runs `act` on stores in one transaction, which is on disk when the promise settles. */
  async #write(stores, act) {
    const transaction = this.#database.transaction(stores, 'readwrite', { durability: 'strict' });
    const end = new Promise((resolve, reject) => {
      transaction.oncomplete = resolve;
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
    const store = (name) => transaction.objectStore(name);
    try {
      const result = await act(store);
      await end;
      return result;
    } catch (error) {
      end.catch(() => {});
      throw error;
    }
  }

  /** Keeps a call and an event of it, if there is one. Nothing is awaited before it is on its way to the disk. */
  keep(row, event) {
    return this.#write(['calls', 'outbox'], async (store) => {
      store('calls').put(row);
      if (event) store('outbox').add({ scope: row.scope, event });
      // What was asked for is written even when the page goes now.
      store('calls').transaction.commit?.();
    });
  }

  /** Changes a call that is over and adds the event that tells of it; false when it is not known. */
  amend(id, change) {
    return this.#write(['calls', 'outbox'], async (store) => {
      const row = await done(store('calls').get(id));
      const event = row && change(row);
      if (!event) return false;
      store('calls').put(row);
      store('outbox').add({ scope: row.scope, event });
      return true;
    });
  }

  /** How long calls of an owner that is gone may still be taken up by another page, ms. */
  async grace(owner) {
    const rows = await done(this.#database.transaction('calls').objectStore('calls').getAll());
    return Math.max(0, ...rows.filter((row) => row.owner === owner).map((row) => grace(row, Date.now())));
  }

  /** Goes on with a call of another page: its row, as it is from now on, or null when it is not known. */
  take(id, owner) {
    return this.#write(['calls'], async (store) => {
      const row = await done(store('calls').get(id));
      if (!row) return null;
      Object.assign(row, { owner, live: true, left: null, seen: Date.now() });
      store('calls').put(row);
      return row;
    });
  }

  /** Ends the live calls of an owner that is gone, and takes over what is to be written about them. */
  adopt(owner, heir) {
    return this.#write(['calls', 'outbox'], async (store) => {
      const rows = (await done(store('calls').getAll())).filter((row) => row.owner === owner && (row.live || row.wrapUp));
      for (const row of rows) {
        if (row.live) {
          row.live = false;
          row.seq += 1;
          row.snapshot = interrupted(row);
          const at = new Date().toISOString();
          const call = { ...row.snapshot, ...row.extra };
          store('outbox').add({ scope: row.scope, event: { id: crypto.randomUUID(), seq: row.seq, state: 'ended', at, call } });
        }
        row.owner = heir;
        store('calls').put(row);
      }
      return rows;
    });
  }

  /** Owners of calls that may be left behind. */
  async owners() {
    const rows = await done(this.#database.transaction('calls').objectStore('calls').getAll());
    return [...new Set(rows.filter((row) => row.live || row.wrapUp).map((row) => row.owner))];
  }

  /** Forgets all but the last calls. */
  prune() {
    return this.#write(['calls'], async (store) => {
      const index = store('calls').index('seen');
      let spare = (await done(index.count())) - KEPT;
      if (spare <= 0) return;
      await new Promise((resolve) => {
        const cursors = index.openCursor();
        cursors.onsuccess = () => {
          const cursor = cursors.result;
          if (!cursor || spare-- <= 0) return resolve();
          if (!cursor.value.live && !cursor.value.wrapUp) cursor.delete();
          cursor.continue();
        };
      });
    });
  }

  #all(store, scope, most) {
    return done(this.#database.transaction(store).objectStore(store).index('scope').getAll(scope, most));
  }

  /** What the server refused for good. */
  dead() {
    const scope = this.phone.target()?.scope;
    return scope ? this.#all('dead', scope) : [];
  }

  /** Sends what was refused again, or forgets it. */
  async bury(again) {
    const letters = await this.dead();
    await this.#write(['outbox', 'dead'], async (store) => {
      for (const { n, scope, event } of letters) {
        store('dead').delete(n);
        if (again) store('outbox').add({ scope, event });
      }
    });
    if (again) this.drain();
  }

  /** Something has changed for the better: tries now. */
  wake() {
    this.#woken = true;
    this.#wake?.();
    this.drain();
  }

  /** Sends nothing any more. */
  stop() {
    this.#stop.abort();
    this.#wake?.();
    this.#stop = new AbortController();
  }

  /** Sends all there is, where it is this tab that sends; of several phones of one user, whichever is at it. */
  async drain() {
    this.#news = true;
    if (this.#draining || !this.phone.sends() || !this.phone.target()) return;
    this.#draining = true;
    const { signal } = this.#stop;
    try {
      while (this.#news && !signal.aborted) {
        const { scope } = this.phone.target() ?? {};
        if (!scope) break;
        await locked(`soft-phone-outbox ${scope}`, { signal }, () => this.#empty(scope, signal));
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#draining = false;
    }
  }

  async #empty(scope, signal) {
    for (;;) {
      this.#news = this.#woken = false;
      const target = this.phone.target();
      if (signal.aborted || target?.scope !== scope) return;
      const letters = await this.#all('outbox', scope, 64);
      if (!letters.length) return;
      const chosen = batch(letters.map((letter) => letter.event), this.#singles > 0 || target.style === 'zammad' ? 1 : undefined);
      const { verdict, status, results, key } = await this.#send(target, chosen, signal);
      if (signal.aborted) return;
      if (verdict === 'done' || (verdict === 'refused' && chosen.length === 1)) {
        this.#singles = Math.max(0, this.#singles - 1);
        this.failures = 0;
        this.#asked = false;
        this.#state(null);
        await this.#settle(letters.slice(0, chosen.length), results, status);
      } else if (verdict === 'refused') {
        // One of them is at fault: alone it is found.
        this.#singles = chosen.length;
      } else if (verdict === 'stale' && this.#stale === key) {
        this.#stale = null;
        await this.#settle(letters.slice(0, chosen.length), undefined, status);
      } else if (verdict === 'retry') {
        this.failures += 1;
        if (this.failures > 2) this.#state('unreachable');
        await this.#pause(wait(this.failures, Math.random()));
      } else {
        this.#state('sign-in');
        if (verdict === 'stale') this.#stale = key;
        // With a new account comes a new token, if the user is signed in. Once: two servers that disagree are no reason
        // for a storm.
        const asked = !this.#asked && this.phone.askAgain();
        this.#asked = true;
        // A source that knows nothing else has no other token: what it says now is final.
        if (asked || verdict === 'sign-in') await this.#pause(PATIENCE_MS);
      }
    }
  }

  async #send(target, events, signal) {
    let answer = { verdict: 'done', results: new Map(events.map((event) => [event.id, { status: 'ok' }])) };
    let name;
    for (const { key, headers, body } of requests(target.style, events, target.csrf)) {
      name = key;
      const bound = new AbortController();
      const timer = setTimeout(() => bound.abort(), TIMEOUT_MS);
      const stop = () => bound.abort();
      signal.addEventListener('abort', stop);
      try {
        const response = await fetch(target.url, {
          method: 'POST', body, keepalive: true, credentials: 'same-origin', cache: 'no-store', signal: bound.signal,
          headers: { Accept: 'application/json', 'Idempotency-Key': key, ...headers },
        });
        const text = await response.text();
        const { status, redirected } = response;
        answer = { status, ...judge(target.style, { status, redirected, json: parsed(text) }, events) };
      } catch {
        answer = { verdict: 'retry' };
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
      }
      if (answer.verdict !== 'done') break;
    }
    return { ...answer, key: name };
  }

  /** Takes out what the server has, and puts aside what it refuses. */
  async #settle(letters, results, status) {
    let refused = 0;
    await this.#write(['outbox', 'dead', 'calls'], async (store) => {
      for (const { n, scope, event } of letters) {
        const result = results ? results.get(event.id) : { status: 'error' };
        // Not mentioned: it is sent again.
        if (!result) continue;
        store('outbox').delete(n);
        this.phone.known(event, result);
        if (result.status === 'error') {
          refused += 1;
          store('dead').add({ scope, event, status, reason: String(result.message ?? ''), at: Date.now() });
        }
        // While a call goes on its page writes the row, and has been told.
        const row = result.contact && (await done(store('calls').get(event.call.id)));
        if (row && !row.live && !row.extra.contact) {
          row.extra.contact = contactOf(result);
          store('calls').put(row);
        }
      }
    });
    this.phone.changed(refused ? 'refused' : 'delivered');
  }

  #state(state) {
    if (this.state === state) return;
    this.state = state;
    this.phone.changed(state ?? 'delivered');
  }

  #pause(milliseconds) {
    if (this.#woken) return;
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    }).finally(() => { this.#wake = null; });
  }
}

/** Whom the application takes the far end for. */
export const contactOf = ({ contact }) => ({ type: contact.type, id: contact.id });

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
