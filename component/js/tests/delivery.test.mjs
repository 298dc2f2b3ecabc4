// What the outbox decides: `node --test component/js/tests`.
import assert from 'node:assert/strict';
import test from 'node:test';
import { batch, beacons, grace, interrupted, judge, requests, wait } from '../delivery.js';

const call = { id: 'c1', direction: 'inbound', from: '+79161234567', to: '1001', disposition: null, cause: null };
const event = (id, state, seq, more) => ({ id, seq, state, call: { ...call, ...more } });

test('the wait doubles from one second to five minutes, with up to half of it at random', () => {
  assert.deepEqual([1, 2, 3, 4].map((failures) => wait(failures, 0)), [1000, 2000, 4000, 8000]);
  assert.equal(wait(3, 1), 6000);
  assert.equal(wait(12, 0.5), 300_000);
  assert.equal(wait(1_000_000, 1), 300_000);
});

test('a request holds what a beacon can carry, and never nothing', () => {
  const small = [event('a', 'ringing', 1), event('b', 'ended', 2)];
  assert.deepEqual(batch(small), small);
  assert.deepEqual(batch(small, 1), [small[0]]);
  const large = [1, 2, 3].map((seq) => event(`e${seq}`, 'updated', seq, { notes: 'ж'.repeat(12_000) }));
  assert.equal(batch(large).length, 2);
  const huge = event('h', 'updated', 1, { notes: 'x'.repeat(100_000) });
  assert.deepEqual(batch([huge, ...small]), [huge]);
  assert.deepEqual(batch([]), []);
});

test('the key is the same for the same events only', () => {
  const key = (...ids) => requests('soft-phone', ids.map((id) => event(id, 'held', 1)), null)[0].key;
  assert.equal(key('a', 'b', 'c'), key('a', 'b', 'c'));
  assert.equal(new Set([key('a'), key('b'), key('a', 'b'), key('a', 'c'), key('a', 'x', 'c'), key('a', 'x', 'y', 'c')]).size, 5 + 1);
});

test('the token goes as header and as field, and nowhere when there is none', () => {
  const [request] = requests('soft-phone', [event('a', 'ringing', 1)], ['token', 's3']);
  assert.equal(request.headers['X-CSRF-Token'], 's3');
  assert.deepEqual(Object.keys(JSON.parse(request.body)), ['token', 'events']);
  assert.deepEqual(Object.keys(JSON.parse(requests('soft-phone', [event('a', 'ringing', 1)], null)[0].body)), ['events']);
  const [form] = beacons('soft-phone', [event('a', 'ended', 3)], ['token', 's3']);
  assert.equal(form.get('token'), 's3');
  assert.equal(JSON.parse(form.get('events'))[0].id, 'a');
});

test('an application that reads forms gets what a beacon brings', () => {
  const events = [event('a', 'ringing', 1, { notes: 'ж & =' }), event('b', 'ended', 2)];
  const [request, ...more] = requests('form', events, ['__vtrftk', 'sid:1,2']);
  assert.deepEqual(more, []);
  assert.match(request.headers['Content-Type'], /^application\/x-www-form-urlencoded/);
  const fields = Object.fromEntries(new URLSearchParams(request.body));
  assert.deepEqual(Object.keys(fields), ['__vtrftk', 'events']);
  assert.equal(fields.__vtrftk, 'sid:1,2');
  assert.deepEqual(JSON.parse(fields.events), events);
  assert.equal(request.body, String(beacons('form', events, ['__vtrftk', 'sid:1,2'])[0]));
  assert.equal(request.key, requests('soft-phone', events, null)[0].key);
});

test('Zammad hears of a new call before anything else of it', () => {
  const told = (...args) => requests('zammad', [event(...args)], null).map(({ body }) => Object.fromEntries(new URLSearchParams(body)));
  assert.deepEqual(told('a', 'ringing', 1), [{ event: 'newCall', callId: 'c1', direction: 'in', from: '+79161234567', to: '1001' }]);
  assert.deepEqual(told('b', 'answered', 2).map((it) => [it.event, it.answeringNumber]), [['answer', '1001']]);
  assert.deepEqual(told('c', 'ended', 1, { disposition: 'busy' }).map((it) => [it.event, it.cause]), [['newCall', undefined], ['hangup', 'busy']]);
  assert.deepEqual(told('d', 'ended', 3, { disposition: 'answered' }).map((it) => it.cause), ['normalClearing']);
  assert.deepEqual(told('e', 'ended', 2, { disposition: 'failed', cause: 'not-found' }).map((it) => it.cause), ['notFound']);
  for (const state of ['held', 'resumed', 'updated', 'transferred']) assert.deepEqual(told('f', state, 2), []);
});

test('each answer has its meaning', () => {
  const events = [event('a', 'ringing', 1), event('b', 'ended', 2)];
  const verdict = (status, json, redirected = false, style = 'soft-phone') => judge(style, { status, json, redirected }, events).verdict;
  const ok = { results: [{ id: 'a', status: 'ok' }, { id: 'b', status: 'duplicate' }] };
  assert.equal(verdict(200, ok), 'done');
  assert.equal(verdict(200, ok, true), 'sign-in');
  // "Invalid request" with 200, a sign-in page, success: false.
  for (const json of [undefined, null, [], {}, { success: false }]) assert.equal(verdict(200, json), 'sign-in');
  assert.equal(verdict(401), 'sign-in');
  for (const status of [403, 419]) assert.equal(verdict(status), 'stale');
  for (const status of [408, 425, 429, 500, 502, 503, 504]) assert.equal(verdict(status, ok), 'retry');
  for (const status of [400, 404, 409, 413, 422]) assert.equal(verdict(status, ok), 'refused');
  assert.equal(verdict(200, { results: [{ id: 'x', status: 'ok' }, { id: 'a', status: 'perhaps' }, null] }), 'retry');
  assert.equal(verdict(204, undefined, false, 'zammad'), 'done');
  assert.equal(verdict(200, {}, false, 'zammad'), 'done');
  assert.equal(verdict(200, undefined, false, 'zammad'), 'sign-in');
});

test('only what the server has named is settled', () => {
  const events = [event('a', 'ringing', 1), event('b', 'ended', 2)];
  const { results } = judge('soft-phone', { status: 200, json: { results: [{ id: 'b', status: 'error', message: 'no' }] } }, events);
  assert.deepEqual([...results.keys()], ['b']);
});

test('a call whose page is gone ends when it was seen last', () => {
  const snapshot = { id: 'c1', startedAt: '2026-01-01T10:00:00.000Z', answeredAt: '2026-01-01T10:00:10.000Z', endedAt: null };
  const end = interrupted({ snapshot, seen: Date.parse('2026-01-01T10:01:00.000Z') });
  assert.deepEqual([end.endedAt, end.totalSeconds, end.talkSeconds, end.disposition], ['2026-01-01T10:01:00.000Z', 60, 50, 'interrupted']);
  assert.equal(interrupted({ snapshot: { ...snapshot, answeredAt: null }, seen: 0 }).totalSeconds, 0);
});

test('a call whose page is gone waits for the next one, in its time', () => {
  const row = { live: true, seen: 100_000, snapshot: { answeredAt: '2026-01-01T10:00:00.000Z' } };
  assert.equal(grace({ ...row, left: 100_000 }, 101_000), 20_000);
  assert.equal(grace({ ...row, left: 100_000 }, 200_000), 0);
  assert.equal(grace(row, 103_000), 7000, 'one that crashed, since it was seen last');
  assert.equal(grace({ ...row, left: 900_000 }, 100_000), 21_000, 'a clock that was set back');
  assert.equal(grace({ ...row, snapshot: { answeredAt: null } }, 100_000), 0, 'what only rang is over');
  assert.equal(grace({ ...row, live: false }, 100_000), 0);
});
