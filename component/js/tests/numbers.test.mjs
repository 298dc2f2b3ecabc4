// What is a number and what it comes to: `node --test component/js/tests`, after `cargo xtask build`, which bundles what
// is tested.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';

const bundle = process.env.SOFT_PHONE_NUMBERS ?? new URL('../../dist/numbers.js', import.meta.url).href;
const { Numbers } = await import(bundle).catch((error) => {
  throw new Error('dist/numbers.js is missing: `cargo xtask setup` installs the library, `cargo xtask build` bundles it', { cause: error });
});

const offices = new Map();
/** The rules of an office in this country, whose own numbers have up to five digits. */
const office = (country) => {
  if (!offices.has(country)) offices.set(country, new Numbers({ country, outPrefix: country === 'RU' ? '9' : '', extensionMaxDigits: 5, emergency: ['112', '103'] }));
  return offices.get(country);
};

/** Lines of `kind, country, text, expected`: numbers between spaces, `=` before what stays as it is, `-` for none. */
const corpus = (name) =>
  readFileSync(new URL(`data/numbers-${name}.tsv`, import.meta.url), 'utf8').split('\n').filter(Boolean).map((line) => {
    const [kind, country, text, expected] = line.split('\t');
    return { kind, country, text, expected: expected === '-' ? [] : expected.split(' ') };
  });

const told = ({ kind, number, extension }) => (kind === 'number' ? number : `=${number}`) + (extension && `;ext=${extension}`);

function read({ kind, country, text }) {
  const numbers = office(country);
  if (kind === 'text') return numbers.find(text).map(told);
  const found = kind === 'link' ? numbers.link(text) : numbers.field(text);
  return found ? [told(found)] : [];
}

/** Of all that was read, the share that is right; of all that is there, the share that was read. */
function measure(rows) {
  let [right, wrong, missed] = [0, 0, 0];
  for (const row of rows) {
    const left = [...row.expected];
    for (const number of read(row)) {
      const at = left.indexOf(number);
      if (at >= 0) {
        left.splice(at, 1);
        right += 1;
      } else {
        wrong += 1;
        if (process.env.SHOW === row.part) console.log('wrong', row.kind, row.country, JSON.stringify(row.text), number);
      }
    }
    missed += left.length;
    if (left.length && process.env.SHOW === row.part) console.log('missed', row.kind, row.country, JSON.stringify(row.text), left);
  }
  return { strings: rows.length, precision: right / (right + wrong), recall: right / (right + missed) };
}

for (const part of ['tuning', 'held-back']) {
  const rows = corpus(part).map((row) => ({ ...row, part }));
  for (const [name, kinds, bar] of [['links and fields', ['link', 'field'], 0.99], ['free text', ['text'], 0.95]]) {
    test(`${part}: ${name}`, () => {
      const { strings, precision, recall } = measure(rows.filter((row) => kinds.includes(row.kind)));
      console.log(`numbers, ${part}, ${name}: ${strings} strings, precision ${precision.toFixed(4)}, recall ${recall.toFixed(4)}`);
      assert.ok(precision >= bar, `precision ${precision}`);
      assert.ok(recall >= bar - 0.05, `recall ${recall}`);
    });
  }
}

const plan = (more) => new Numbers({ country: 'RU', outPrefix: null, extensionMaxDigits: 5, emergency: ['112'], ...more });
const dialled = (numbers, text) => numbers.link(`tel:${text}`)?.dial;

test('behind a prefix for the world outside there comes what its country dials', () => {
  const office = plan({ outPrefix: '9' });
  assert.equal(dialled(office, '+79161234567'), '989161234567');
  assert.equal(dialled(office, '8-916-123-45-67'), '989161234567');
  assert.equal(dialled(office, '9-8-916-123-45-67'), '989161234567');
  assert.equal(dialled(office, '+12125550123'), '98101' + '2125550123');
  assert.equal(dialled(office, '+77011234567'), '987011234567');
  assert.equal(dialled(office, '+74951234567;ext=12'), '984951234567');
  assert.equal(dialled(plan({ country: 'US', outPrefix: '9' }), '+442079460123'), '901144' + '2079460123');
  assert.equal(dialled(plan({ country: 'US', outPrefix: '9' }), '(212) 555-0123'), '91' + '2125550123');
});

test('own, emergency and service numbers are never rewritten', () => {
  const office = plan({ outPrefix: '9', extensionMaxDigits: 4, emergency: ['112', '103', '01'] });
  for (const number of ['1001', '112', '103', '01', '911', '7']) {
    assert.equal(dialled(office, number), number);
    assert.equal(office.normalise(number), number);
  }
  // One digit more than the office's own: no number of the country, but a link's word.
  assert.deepEqual(office.link('tel:10011'), { kind: 'unknown', number: '10011', dial: '10011', extension: '' });
  assert.equal(office.isInternal('1001'), true);
  assert.equal(office.isInternal('10011'), false);
  assert.equal(office.isInternal('+1001'), false);
});

test('codes that change settings of a server are told apart', () => {
  assert.equal(plan().link('tel:*21*600%23').kind, 'code');
  assert.equal(plan().link('tel:%23100').kind, 'code');
  assert.equal(plan().field('*97').kind, 'code');
});

test('what cards say is E.164 where it is a number, and else as it came', () => {
  const office = plan();
  for (const [raw, told] of [
    ['89161234567', '+79161234567'], ['8 (916) 123-45-67', '+79161234567'], ['+79161234567', '+79161234567'], ['79161234567', '+79161234567'],
    ['600', '600'], ['alice', 'alice'], ['', ''], ['anonymous', 'anonymous'], ['*97', '*97'], ['12345678901234567890', '12345678901234567890'],
  ]) assert.equal(office.normalise(raw), told, raw);
  assert.equal(new Numbers(null).normalise('89161234567'), '89161234567');
  assert.equal(new Numbers({ country: 'Utopia' }).normalise('+79161234567'), '+79161234567');
});

test('places in words are where the numbers stand', () => {
  const text = 'Анна 8 916 123-45-67, заказ 4951234567, офис +7 495 123-45-67 доб. 12.';
  const found = plan().find(text).map(({ start, end, number, extension }) => [text.slice(start, end), number, extension]);
  assert.deepEqual(found, [['8 916 123-45-67', '+79161234567', ''], ['+7 495 123-45-67 доб. 12', '+74951234567', '12']]);
});
