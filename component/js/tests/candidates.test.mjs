// What is believed of an application's answer.
import assert from 'node:assert/strict';
import test from 'node:test';
import { Answers, readCandidates } from '../candidates.js';

const base = 'https://crm.example.com/app/';
const read = (candidate, at = base) => readCandidates({ candidates: [{ type: 'Contacts', id: '1', name: 'Anna', ...candidate }] }, at)[0];

test('only addresses of pages are followed', () => {
  for (const [url, href] of [
    ['/contact/1', 'https://crm.example.com/contact/1'], ['card?id=1', 'https://crm.example.com/app/card?id=1'], ['https://other.example.com/', 'https://other.example.com/'],
    ['http://crm.example.com/', ''], ['javascript:alert(1)', ''], [' \tjava\nscript:alert(1)', ''], ['data:text/html,x', ''], ['blob:https://crm.example.com/x', ''],
    ['file:///etc/passwd', ''], ['https://user:secret@crm.example.com/', ''], ['https://', ''], ['', ''], [7, ''], [null, ''], [{}, ''],
  ]) assert.equal(read({ url }).url, href, String(url));
  assert.equal(read({ url: 'http://crm.example.com/1' }, 'http://crm.example.com/').url, 'http://crm.example.com/1');
});

test('fields are text of one line and of a length', () => {
  const { type, id, name, company } = read({ type: {}, id: 7, name: ' Anna\u202e\n<b>\u0000 ', company: 'x'.repeat(500) });
  assert.deepEqual([type, id, name, company.length], ['', '7', 'Anna <b>', 200]);
});

test('those without a name or an id, and those that are there twice, are left out', () => {
  const candidates = [{ id: 1, name: 'A' }, { id: 1, name: 'B' }, { id: 2, name: '' }, { name: 'C' }, { type: 'Leads', id: 1, name: 'D' }];
  assert.deepEqual(readCandidates({ candidates }, base).map(({ name }) => name), ['A', 'D']);
  const many = Array.from({ length: 50 }, (_, id) => ({ id, name: 'x' }));
  assert.equal(readCandidates({ candidates: many }, base).length, 20);
});

test('what is no answer throws', () => {
  for (const answer of [null, [], {}, { candidates: {} }, { candidates: [null] }, { candidates: ['Anna'] }, 'x']) assert.throws(() => readCandidates(answer, base), TypeError);
});

test('the last hundred answers are remembered, each for one user', () => {
  const rows = new Map();
  const answers = new Answers({ getItem: (key) => rows.get(key) ?? null, setItem: (key, value) => rows.set(key, value) });
  const anna = [{ id: '1', name: 'Anna' }];
  answers.put('user-1', '+1', anna);
  answers.put('user-1', '+2', []);
  assert.deepEqual(answers.get('user-1', '+1'), anna);
  assert.equal(answers.get('user-2', '+1'), null);
  assert.equal(answers.get('user-1', '+2'), null);
  for (let n = 0; n < 100; n += 1) answers.put('user-1', `n${n}`, anna);
  assert.equal(answers.get('user-1', '+1'), null);
  assert.deepEqual(answers.get('user-1', 'n99'), anna);
  for (const broken of ['{', '7', '[[1]]', 'null']) {
    rows.set('soft-phone-lookup', broken);
    assert.equal(answers.get('user-1', 'n99'), null);
  }
  const full = new Answers({ getItem: () => { throw new Error('forbidden'); }, setItem: () => { throw new Error('full'); } });
  full.put('a', 'b', anna);
  assert.equal(full.get('a', 'b'), null);
  assert.equal(new Answers(null).get('a', 'b'), null);
});
