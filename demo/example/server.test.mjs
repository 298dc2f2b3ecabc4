// The example server under PHP's own web server, asked in the phone's own words: `node --test demo/example/`.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, before, beforeEach } from 'node:test';
import { fileURLToPath } from 'node:url';
import { beacons, judge, requests } from '../../component/js/delivery.js';

const folder = mkdtempSync(join(tmpdir(), 'soft-phone-example-'));
const database = join(folder, 'calls.sqlite');
let server;
let origin;

/** Rows of the database, read by PHP as Node 18 has no SQLite. */
function sql(text) {
  const code = '$s = (new PDO("sqlite:$argv[1]"))->query($argv[2]); echo json_encode($s ? $s->fetchAll(PDO::FETCH_ASSOC) : []);';
  return JSON.parse(execFileSync('php', ['-r', code, database, text], { encoding: 'utf8' }));
}

async function free() {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address();
  probe.close();
  await once(probe, 'close');
  return port;
}

before(async () => {
  const port = await free();
  origin = `http://127.0.0.1:${port}`;
  const script = fileURLToPath(new URL('server.php', import.meta.url));
  server = spawn('php', ['-S', `127.0.0.1:${port}`, script], { env: { ...process.env, SOFT_PHONE_DB: database } });
  let said = '';
  await new Promise((resolve, reject) => {
    server.stderr.on('data', (data) => { said += data; if (said.includes('started')) resolve(); });
    server.on('exit', () => reject(new Error(said)));
  });
  // It makes its tables when it is first asked.
  await fetch(origin);
  const hash = execFileSync('php', ['-r', 'echo password_hash("right", PASSWORD_DEFAULT);'], { encoding: 'utf8' });
  sql(`INSERT INTO users VALUES (1, 'alice', '${hash}', '1001', 's1p'), (2, 'bob', '${hash}', '1002', 's2p')`);
  sql(`INSERT INTO contacts VALUES (7, 'Ivan', 'Ivan Ltd', '79161234567'), (8, 'Desk', '', '1001'), (9, 'A', '', '74950000000'), (10, 'B', '', '84950000000')`);
});
after(() => {
  server.kill();
  rmSync(folder, { recursive: true });
});
beforeEach(() => sql('DELETE FROM calls'));

/** Who is signed in: its cookie, and what it can ask. */
async function session(name) {
  const answer = await fetch(`${origin}/login`, { method: 'POST', body: new URLSearchParams({ name, password: 'right' }) });
  assert.equal(answer.status, 200);
  const cookie = answer.headers.getSetCookie().at(-1);
  assert.match(cookie, /HttpOnly/);
  assert.match(cookie, /SameSite=Lax/);
  const ask = async (path, options = {}) => {
    const response = await fetch(origin + path, { ...options, headers: { Cookie: cookie.split(';')[0], ...options.headers } });
    return { status: response.status, redirected: response.redirected, json: await response.json() };
  };
  const { json: account } = await ask('/account');
  const csrf = [account.csrf.name, account.csrf.value];
  const send = async (events, token = csrf) => {
    const [{ key, headers, body }] = requests('soft-phone', events, token);
    return ask('/calls', { method: 'POST', headers: { ...headers, 'Idempotency-Key': key }, body });
  };
  return { account, csrf, ask, send };
}

const event = (seq, state, call = {}) => ({
  id: `e${seq}`, seq, state, at: '2026-01-01T10:00:00.000Z',
  call: { id: 'c1', direction: 'inbound', from: '8 (916) 123-45-67', to: '1001', disposition: null, ...call },
});
const cards = () => sql('SELECT * FROM calls ORDER BY user').map((row) => ({ ...row, call: JSON.parse(row.call) }));

test('each user has an account, nobody else has any', async () => {
  const alice = await session('alice');
  assert.equal(alice.account.uri, 'sip:1001@example.com');
  assert.equal(alice.account.password, 's1p');
  assert.equal((await session('bob')).account.username, '1002');
  for (const path of ['/account', '/calls', '/lookup?number=1']) assert.equal((await fetch(origin + path)).status, 401, path);
  const wrong = await fetch(`${origin}/login`, { method: 'POST', body: new URLSearchParams({ name: 'alice', password: 'wrong' }) });
  assert.equal(wrong.status, 403);
});

test('a call is one card, in the phone\'s own words, whatever comes how often', async () => {
  const { send } = await session('alice');
  const events = [event(1, 'ringing'), event(2, 'answered'), event(3, 'ended', { disposition: 'answered', talkSeconds: 5 })];
  const first = judge('soft-phone', await send(events), events);
  assert.equal(first.verdict, 'done');
  assert.deepEqual([...first.results.values()].map((it) => [it.status, it.contact.id]), [['ok', 7], ['ok', 7], ['ok', 7]]);
  const again = judge('soft-phone', await send(events), events);
  assert.deepEqual([...again.results.values()].map((it) => it.status), ['duplicate', 'duplicate', 'duplicate']);
  const [card, ...more] = cards();
  assert.deepEqual(more, []);
  assert.deepEqual([card.seq, card.contact, card.call.talkSeconds], [3, 7, 5]);
  await send([event(4, 'updated', { disposition: 'answered', recordingUrl: 'https://pbx/1.wav' })]);
  assert.equal(cards()[0].call.recordingUrl, 'https://pbx/1.wav');
});

test('the last words of a page come as a form', async () => {
  const { ask, csrf } = await session('alice');
  const [form] = beacons('soft-phone', [event(9, 'ended', { disposition: 'interrupted' })], csrf);
  const answer = await ask('/calls', { method: 'POST', body: form });
  assert.equal(answer.json.results[0].status, 'ok');
  assert.equal(cards()[0].call.disposition, 'interrupted');
});

test('without the token nothing is taken, and the phone asks for a new one', async () => {
  const [alice, bob] = [await session('alice'), await session('bob')];
  for (const token of [null, ['csrf_token', 'guess'], bob.csrf]) {
    const answer = await alice.send([event(1, 'ringing')], token);
    assert.equal(judge('soft-phone', answer, []).verdict, 'stale');
  }
  assert.deepEqual(cards(), []);
});

test('one user\'s events do not reach another\'s card', async () => {
  const [alice, bob] = [await session('alice'), await session('bob')];
  await alice.send([event(1, 'ringing')]);
  await bob.send([event(9, 'ended', { from: 'mine' })]);
  assert.deepEqual(cards().map((card) => [card.user, card.seq, card.call.from]), [[1, 1, '8 (916) 123-45-67'], [2, 9, 'mine']]);
});

test('who has a number: all of them, by its last nine digits; SQL in it is only a number', async () => {
  const { ask } = await session('alice');
  const found = async (number) => (await ask(`/lookup?number=${encodeURIComponent(number)}`)).json.candidates.map((it) => it.id);
  assert.deepEqual(await found('+7 916 123-45-67'), [7]);
  assert.deepEqual(await found('1001'), [8]);
  assert.deepEqual(await found('+74950000000'), [9, 10]);
  for (const none of ['', '001', "' OR 1=1 --", '%', '23456701']) assert.deepEqual(await found(none), [], none);
});

test('what is no event is answered as none', async () => {
  const { send, ask, csrf } = await session('alice');
  const answer = await send([{ id: 'x' }, event(1, 'ringing')]);
  assert.deepEqual(answer.json.results.map((it) => it.status), ['error', 'ok']);
  const bad = await ask('/calls', { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ csrf_token: csrf[1] }) });
  assert.equal(bad.status, 400);
});
