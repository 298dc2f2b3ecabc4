// Packets in shared memory come out as they went in, in order, and none that is stale.
import assert from 'node:assert/strict';
import test from 'node:test';
import { memory, Reader, Writer } from '../ring.js';

const packet = (sequence, length = 3) => ({
  payloadType: 111, codec: 4, sequence, timestamp: 0xFFFF_FF00 + sequence, ssrc: 0xDEAD_BEEF, payload: new Uint8Array(length).fill(sequence),
});

const ends = () => {
  const shared = memory();
  return { shared, writer: new Writer(shared), reader: new Reader(shared) };
};

const readAll = (reader) => {
  const packets = [];
  reader.read((read) => packets.push({ ...read, payload: read.payload.slice() }));
  return packets;
};

test('packets are read as they were written, once each', () => {
  const { writer, reader } = ends();
  assert.deepEqual(readAll(reader), []);
  const written = [packet(1), packet(2, 0), packet(3, 1500)];
  for (const one of written) writer.write(one);
  assert.deepEqual(readAll(reader), written);
  assert.deepEqual(readAll(reader), []);
});

test('counters go on beyond 32 bits', () => {
  const { shared, writer, reader } = ends();
  new Uint32Array(shared).fill(0xFFFF_FFF0, 0, 2);
  for (let from = 0; from < 64; from += 16) {
    const written = Array.from({ length: 16 }, (_, index) => packet(from + index));
    for (const one of written) writer.write(one);
    assert.deepEqual(readAll(reader), written);
  }
});

test('what nobody has read for more than a second is not played', () => {
  const { writer, reader } = ends();
  for (let sequence = 0; sequence < 63; sequence++) writer.write(packet(sequence));
  assert.equal(readAll(reader).length, 63, 'almost full');
  for (let sequence = 0; sequence < 200; sequence++) writer.write(packet(sequence));
  assert.deepEqual(readAll(reader), []);
  writer.write(packet(7));
  assert.deepEqual(readAll(reader), [packet(7)], 'and goes on');
});

test('a payload that is longer than any packet takes no place', () => {
  const { writer, reader } = ends();
  writer.write(packet(1, 1501));
  writer.write(packet(2));
  assert.deepEqual(readAll(reader), [packet(2)]);
});
