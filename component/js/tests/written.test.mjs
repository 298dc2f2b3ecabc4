// How a number is taken apart before anything knows its country.
import assert from 'node:assert/strict';
import test from 'node:test';
import { fromField, fromLink, plain, split } from '../written.js';

test('links are read by their schemes', () => {
  for (const [href, read] of [
    ['tel:+7-916-123-45-67', { number: '+79161234567', extension: '' }],
    ['TEL:+7(916)1234567;ext=12', { number: '+79161234567', extension: '12' }],
    ['tel:7042;phone-context=example.com', { number: '7042', extension: '' }],
    ['tel:555-0123;phone-context=+1-212', { number: '+12125550123', extension: '' }],
    ['tel:+74951234567;12', { number: '+74951234567', extension: '12' }],
    ['tel:+74951234567p12', { number: '+74951234567', extension: '12' }],
    ['callto:+7%20916%20123%2045%2067', { number: '+79161234567', extension: '' }],
    ['sip:600', { number: '600', extension: '' }],
    ['sip:bob@example.com;transport=ws?Replaces=x', { address: 'sip:bob@example.com;transport=ws' }],
    ['SIPS:bob@example.com', { address: 'sips:bob@example.com' }],
    ['tel:%E0%A4%A', null], ['tel:', null], ['tel:abc', null], ['mailto:a@b.c', null], ['callto:bob.smith', null],
    ['sip:a b@example.com', null], ['sip:a@b@c', null], ['sip:"<x>@example.com', null], ['javascript:alert(1)', null],
  ]) assert.deepEqual(fromLink(href), read, href);
});

test('fields that hold something else are told', () => {
  for (const text of ['', 'none', '24.11.2026', '24.11.2026 10:30', '2026-11-24', '10.0.0.1', '10.0.0.1:5060', 'anna@example.com 12', '1 500,00', '€ 1500', 'CHF 1500.-', '1'.repeat(300)]) {
    const read = fromField(text);
    assert.ok(read === null || read.words, text);
  }
  assert.deepEqual(fromField('\u202a+7 916 123\u201145\u201167\u202c'), { number: '+79161234567', extension: '', text: '+7 916 123-45-67', words: false });
  assert.equal(fromField('٠١٢٣ ٤٥٦٧٨٩').number, '0123456789');
  assert.equal(fromField('8 (916) 123-45-67, 8 (495) 765-43-21').number, '89161234567');
});

test('an extension has a number before it', () => {
  assert.deepEqual(split('8 495 123-45-67 доб. 12'), ['8 495 123-45-67', '12']);
  assert.deepEqual(split('8 495 123-45-67 (доб. 12)'), ['8 495 123-45-67', '12']);
  assert.deepEqual(split('доб. 12'), ['доб. 12', '']);
  assert.deepEqual(split('12, 34'), ['12, 34', '']);
  assert.equal(plain('１２３\u00a0４'), '123 4');
});
