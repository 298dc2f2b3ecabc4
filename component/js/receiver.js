// The audio worklet of what is received: runs jitter buffer and decoders (receive.wasm, compiled on the page) and plays what
// they give; input 0 is the same stream as the browser's own jitter buffer plays it, output 0 what is heard.
// In this scope there is no fetch, no performance, no TextDecoder, and no clock but Date.now().

import { Reader } from './ring.js';
import { Watch } from './watch.js';

const REPORTS_PER_SECOND = 10;
// From one jitter buffer to the other.
const FADE_SECONDS = 0.02;
// `soft_phone_dsp::host::ReceiveFigure`.
const PLAYING = 0;

class SoftPhoneReceiver extends AudioWorkletProcessor {
  constructor({ processorOptions: { module, leastDelay } }) {
    super();
    this.engine = new WebAssembly.Instance(module, {}).exports;
    this.state = this.engine.receiver_create(sampleRate, leastDelay);
    if (!this.state) throw new RangeError(`unusable sample rate: ${sampleRate}`);
    this.capacity = this.engine.receiver_capacity();
    this.longest = this.engine.receiver_payload_capacity();
    this.insert = this.insert.bind(this);
    this.codecs = new Set();
    this.watch = new Watch();
    this.sinceReport = 0;
    this.busy = 0;
    this.overload = false;
    this.ended = false;
    // Share of ours in what is heard.
    this.share = 0;
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take(data) {
    if (data === 'end') return this.end();
    if (data.memory) this.ring = new Reader(data.memory);
    if (!data.packets) return;
    this.packets = data.packets;
    this.packets.onmessage = ({ data: packet }) => {
      if (!this.engine) return;
      try {
        this.insert(packet);
      } catch (error) {
        this.fail(error);
      }
    };
  }

  insert({ payloadType, codec, sequence, timestamp, ssrc, payload }) {
    if (!this.codecs.has(payloadType)) {
      // One that is none leaves the type unknown, and its packets are counted as such.
      this.engine.receiver_codec(this.state, payloadType, codec, 44100);
      this.codecs.add(payloadType);
    }
    if (payload.byteLength > this.longest) return;
    const { memory, receiver_payload, receiver_insert } = this.engine;
    new Uint8Array(memory.buffer, receiver_payload(this.state), payload.byteLength).set(payload);
    receiver_insert(this.state, currentTime * 1000, ssrc, sequence, timestamp, payloadType, payload.byteLength);
  }

  // The views die whenever the memory grows. Made anew for that or for another quantum only: what is made for each quantum
  // would be rubbish to collect.
  views(samples) {
    const { memory, receiver_output, receiver_statistics, receiver_statistics_length } = this.engine;
    if (this.memory === memory.buffer && this.samples === samples) return;
    this.statistics = new Float32Array(memory.buffer, receiver_statistics(this.state), receiver_statistics_length());
    this.output = new Float32Array(memory.buffer, receiver_output(this.state), samples);
    this.memory = memory.buffer;
    this.samples = samples;
  }

  process([[native]], [[output]]) {
    if (this.ended) return false;
    const before = Date.now();
    if (this.engine) {
      try {
        this.run(output);
      } catch (error) {
        this.fail(error);
      }
    }
    this.mix(native, output);
    const after = Date.now();
    // In steps of a millisecond, which are right on average.
    this.busy += after - before;
    this.overload = this.watch.note(after, output.length) || this.overload;
    this.sinceReport += output.length;
    if (this.sinceReport * REPORTS_PER_SECOND >= sampleRate) this.report();
    return true;
  }

  run(output) {
    this.ring?.read(this.insert);
    const { length } = output;
    for (let from = 0; from < length; from += this.capacity) {
      const samples = Math.min(this.capacity, length - from);
      this.engine.receiver_render(this.state, currentTime * 1000 + from * 1000 / sampleRate, samples);
      this.views(samples);
      output.set(this.output, from);
    }
  }

  // Ours once it plays, else the browser's.
  mix(native, output) {
    const wanted = this.engine && this.playing ? 1 : 0;
    const step = 1 / (FADE_SECONDS * sampleRate);
    if (!this.engine) output.fill(0);
    if (this.share === wanted && wanted === 1) return;
    for (let index = 0; index < output.length; index++) {
      if (this.share < wanted) this.share = Math.min(wanted, this.share + step);
      else if (this.share > wanted) this.share = Math.max(wanted, this.share - step);
      output[index] = output[index] * this.share + (native ? native[index] : 0) * (1 - this.share);
    }
  }

  report() {
    const share = this.busy * sampleRate / (1000 * this.sinceReport);
    let statistics = null;
    if (this.engine) {
      this.engine.receiver_statistics(this.state);
      this.playing = this.statistics[PLAYING] > 0;
      statistics = this.statistics.slice();
    }
    this.port.postMessage({ statistics, share, overload: this.overload, playing: this.share > 0 });
    this.sinceReport = 0;
    this.busy = 0;
    this.overload = false;
  }

  fail(error) {
    this.engine = null;
    this.port.postMessage({ failed: String(error) });
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.packets?.close();
    // What the engine holds goes with its memory.
    this.engine = null;
  }
}

registerProcessor('soft-phone-receiver', SoftPhoneReceiver);
