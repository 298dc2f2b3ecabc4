// What the outbox decides, apart from any browser: when it tries again, what goes into a request, what an answer means.
// The wire format is that of the README's "Call events".

/** First and longest wait before another try, ms. */
const FIRST_MS = 1000;
const LONGEST_MS = 300_000;
/** Browsers refuse a beacon, and a request that outlives its page, above 64 KiB. */
const MOST_BYTES = 60 * 1024;
const MOST_EVENTS = 50;
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded;charset=UTF-8' };

/**
 * How long to wait after so many failures in a row, ms: doubled each time, and half as much again at random, so that
 * the phones of an office do not come back in step.
 */
export function wait(failures, random) {
  const base = FIRST_MS * 2 ** Math.min(Math.max(failures, 1) - 1, 20);
  return Math.min(LONGEST_MS, base * (1 + random / 2));
}

const bytes = (text) => new TextEncoder().encode(text).length;

/** The oldest events that fit into one request; always at least one, if there is any. */
export function batch(events, most = MOST_EVENTS) {
  let size = 0;
  const fit = (event) => (size += bytes(JSON.stringify(event)) + 1) <= MOST_BYTES - 1024;
  const end = events.slice(0, most).findIndex((event) => !fit(event));
  return end < 0 ? events.slice(0, most) : events.slice(0, Math.max(end, 1));
}

/**
 * The requests that tell the server of these events: `[{body, headers, key}]`, sent one after the other. The key is the
 * same for the same events, and for no others.
 */
export function requests(style, events, csrf) {
  const headers = csrf ? { 'X-CSRF-Token': csrf[1] } : {};
  if (style === 'zammad') {
    return events.flatMap(zammad).map(([key, fields]) => ({
      key,
      headers: { ...headers, ...FORM },
      body: String(form(fields, csrf)),
    }));
  }
  const ids = events.map((event) => event.id);
  const key = ids.length === 1 ? ids[0] : `${ids[0]}.${ids.at(-1)}.${ids.length}`;
  if (style === 'form') {
    const body = String(form({ events: JSON.stringify(events) }, csrf));
    return [{ key, headers: { ...headers, ...FORM }, body }];
  }
  const body = JSON.stringify({ ...(csrf ? { [csrf[0]]: csrf[1] } : {}), events });
  return [{ key, headers: { ...headers, 'Content-Type': 'application/json' }, body }];
}

/** The forms of beacons: headers cannot be given to one. */
export function beacons(style, events, csrf) {
  if (style === 'zammad') return events.flatMap(zammad).map(([, fields]) => form(fields, csrf));
  const rest = [...events];
  const forms = [];
  while (rest.length) {
    const some = batch(rest);
    rest.splice(0, some.length);
    forms.push(form({ events: JSON.stringify(some) }, csrf));
  }
  return forms;
}

function form(fields, csrf) {
  const form = new URLSearchParams();
  if (csrf) form.append(csrf[0], csrf[1]);
  for (const [name, value] of Object.entries(fields)) if (value != null) form.append(name, value);
  return form;
}

// Zammad's generic CTI: newCall, answer, hangup. https://docs.zammad.org/en/latest/api/generic-cti/
const CAUSES = { busy: 'busy', rejected: 'busy', missed: 'noAnswer', cancelled: 'cancel', failed: 'congestion' };

/** An event in Zammad's words: `[[key, fields]]`; it knows neither hold nor notes. */
function zammad({ id, seq, state, call }) {
  const fields = (event, more) => ({
    event,
    callId: call.id,
    direction: call.direction === 'inbound' ? 'in' : 'out',
    from: call.from,
    to: call.to,
    ...more,
  });
  const newCall = () => [`${id}-new`, fields('newCall', {})];
  // Whoever did not hear it ring knows nothing of the call yet.
  const first = seq === 1 && state !== 'ringing' ? [newCall()] : [];
  switch (state) {
    case 'ringing': return [newCall()];
    case 'answered': return [...first, [id, fields('answer', { answeringNumber: call.direction === 'inbound' ? call.to : call.from })]];
    case 'ended': {
      const cause = call.cause === 'not-found' ? 'notFound' : CAUSES[call.disposition] ?? 'normalClearing';
      return [...first, [id, fields('hangup', { cause })]];
    }
    default: return [];
  }
}

/**
 * What an answer means. `answer` is `{status, redirected, json}`, where `json` is undefined for what is no JSON.
 *
 * - `done` with the results: by id, `{status, message, contact, record, url}`
 * - `sign-in`: kept until the user has signed in to the application again
 * - `stale`: the application refuses the token against forged requests; with a new account there is a new one
 * - `retry`: the server cannot now
 * - `refused`: it never will
 */
export function judge(style, answer, events) {
  const { status, redirected, json } = answer;
  // A lost session often ends at a sign-in page with status 200.
  if (status === 401 || redirected) return { verdict: 'sign-in' };
  if (status === 403 || status === 419) return { verdict: 'stale' };
  if (status === 408 || status === 425 || status === 429 || status >= 500) return { verdict: 'retry' };
  if (status < 200 || status >= 300) return { verdict: 'refused' };
  if (style === 'zammad') {
    if (status !== 204 && json === undefined) return { verdict: 'sign-in' };
    return { verdict: 'done', results: new Map(events.map((event) => [event.id, { status: 'ok' }])) };
  }
  if (!Array.isArray(json?.results)) return { verdict: 'sign-in' };
  const sent = new Set(events.map((event) => event.id));
  const told = json.results.filter((it) => sent.has(it?.id) && ['ok', 'duplicate', 'error'].includes(it.status));
  // An answer that says nothing of what was asked is as good as none.
  if (!told.length) return { verdict: 'retry' };
  return { verdict: 'done', results: new Map(told.map((it) => [it.id, it])) };
}

/** How long the next page of a tab may take to go on with a call, and any page with one of a page that crashed, ms. */
const TAKING_UP_MS = 21_000;
const CRASHED_MS = 10_000;

/**
 * How long a call without a page may still be taken up by another one, ms; 0 when it may not. `row.left` is when its page
 * went and left it to the next one.
 */
export function grace(row, now) {
  if (!row.live || !row.snapshot?.answeredAt) return 0;
  const until = row.left ? row.left + TAKING_UP_MS : row.seen + CRASHED_MS;
  return Math.min(TAKING_UP_MS, Math.max(0, until - now));
}

/** The end of a call whose page is gone without a word: what is known, up to when it was seen last. */
export function interrupted(row) {
  const { snapshot, seen } = row;
  const since = (start) => (start ? Math.max(0, Math.round((seen - Date.parse(start)) / 1000)) : 0);
  return {
    ...snapshot,
    endedAt: new Date(seen).toISOString(),
    totalSeconds: since(snapshot.startedAt),
    talkSeconds: since(snapshot.answeredAt),
    disposition: 'interrupted',
  };
}
