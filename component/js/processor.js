// The audio worklet: runs the voice engine (engine.wasm, compiled on the page) between the microphone and the uplink.
// Input 0 is the microphone, input 1 what the loudspeaker plays, output 0 what is sent.
// In this scope there is no fetch, no performance, no TextDecoder, and no clock but Date.now().

import { Watch } from './watch.js';

const REPORTS_PER_SECOND = 10;

class SoftPhoneProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions: { module, stages } }) {
    super();
    this.engine = new WebAssembly.Instance(module, {}).exports;
    this.state = this.engine.engine_create(sampleRate);
    if (!this.state) throw new RangeError(`unusable sample rate: ${sampleRate}`);
    this.capacity = this.engine.engine_capacity();
    this.watch = new Watch();
    this.sinceReport = 0;
    this.busy = 0;
    this.overload = false;
    this.ended = false;
    this.configure(stages);
    this.port.onmessage = ({ data }) => this.take(data);
  }

  take(data) {
    if (data === 'end') return this.end();
    if (this.ended || !this.engine) return;
    try {
      if ('stages' in data) this.configure(data.stages);
      else if ('network' in data) this.learn(new Uint8Array(data.network));
    } catch (error) {
      this.fail(error);
    }
  }

  configure(stages) {
    if (this.engine.engine_configure(this.state, stages) !== 0) throw new RangeError(`unusable stages: ${stages}`);
    // What was late with other stages says nothing of these.
    this.stages = stages;
    this.watch.begin(Date.now());
    this.overload = false;
  }

  // Weights of the neural engine. Without them noise is suppressed all the same, by the spectral one.
  learn(file) {
    const { memory, engine_network, engine_network_written } = this.engine;
    const at = engine_network(this.state, file.length);
    if (at) new Uint8Array(memory.buffer, at, file.length).set(file);
    if (!at || engine_network_written(this.state) !== 0) this.port.postMessage({ lacks: 'the network is damaged' });
  }

  // The views die whenever the engine's memory grows. Made anew for that or for another quantum only: what is made for
  // each quantum would be rubbish to collect.
  views(samples) {
    const { memory, engine_microphone, engine_far_end, engine_output, engine_statistics, engine_statistics_length } = this.engine;
    if (this.memory === memory.buffer && this.samples === samples) return;
    this.memory = memory.buffer;
    this.samples = samples;
    const view = (at, length) => new Float32Array(memory.buffer, at, length);
    this.microphone = view(engine_microphone(this.state), samples);
    this.farEnd = view(engine_far_end(this.state), samples);
    this.output = view(engine_output(this.state), samples);
    this.statistics = view(engine_statistics(this.state), engine_statistics_length());
  }

  process([[microphone], [farEnd]], [[output]]) {
    if (this.ended) return false;
    const before = Date.now();
    if (this.engine) {
      try {
        this.run(microphone, farEnd, output);
      } catch (error) {
        this.fail(error);
      }
    }
    // Without an engine the voice goes through as it is: nobody is cut off.
    if (!this.engine && microphone) output.set(microphone);
    const after = Date.now();
    // In steps of a millisecond, which are right on average.
    this.busy += after - before;
    this.overload = this.watch.note(after, output.length) || this.overload;
    this.sinceReport += output.length;
    if (this.sinceReport * REPORTS_PER_SECOND >= sampleRate) this.report();
    return true;
  }

  run(microphone, farEnd, output) {
    const { length } = output;
    for (let from = 0; from < length; from += this.capacity) {
      const samples = Math.min(this.capacity, length - from);
      const whole = samples === length;
      this.views(samples);
      // An input that nothing leads to, or only silence, may have no channel.
      if (microphone) this.microphone.set(whole ? microphone : microphone.subarray(from, from + samples));
      else this.microphone.fill(0);
      if (farEnd) this.farEnd.set(whole ? farEnd : farEnd.subarray(from, from + samples));
      else this.farEnd.fill(0);
      this.engine.engine_process(this.state, samples);
      this.views(samples);
      output.set(this.output, from);
    }
  }

  report() {
    const share = this.busy * sampleRate / (1000 * this.sinceReport);
    let statistics = null;
    if (this.engine) {
      this.engine.engine_statistics(this.state);
      statistics = this.statistics.slice();
    }
    this.port.postMessage({ statistics, share, overload: this.overload, stages: this.stages });
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
    // What the engine holds goes with its memory.
    this.engine = null;
  }
}

registerProcessor('soft-phone-processor', SoftPhoneProcessor);
