// The audio worklet: runs the voice engine (engine.wasm, compiled on the page) over the microphone.
// In this scope there is no fetch, no performance, no TextDecoder; the engine needs none of them.

const REPORTS_PER_SECOND = 10;

class SoftPhoneProcessor extends AudioWorkletProcessor {
  constructor({ processorOptions }) {
    super();
    this.engine = new WebAssembly.Instance(processorOptions.module, {}).exports;
    this.state = this.engine.engine_create(sampleRate);
    if (!this.state) throw new RangeError(`unusable sample rate: ${sampleRate}`);
    this.capacity = this.engine.engine_capacity();
    this.sinceReport = 0;
    this.ended = false;
    this.port.onmessage = ({ data }) => { if (data === 'end') this.end(); };
  }

  // The view dies whenever the engine's memory grows.
  input() {
    const { memory, engine_input } = this.engine;
    if (this.view?.buffer !== memory.buffer) this.view = new Float32Array(memory.buffer, engine_input(this.state), this.capacity);
    return this.view;
  }

  process([[microphone]]) {
    if (this.ended) return false;
    if (!microphone) return true; // nothing connected yet
    for (let from = 0; from < microphone.length; from += this.capacity) {
      const piece = microphone.length <= this.capacity ? microphone : microphone.subarray(from, from + this.capacity);
      this.input().set(piece);
      this.engine.engine_process(this.state, piece.length);
    }
    this.sinceReport += microphone.length;
    if (this.sinceReport * REPORTS_PER_SECOND >= sampleRate) {
      this.sinceReport = 0;
      this.port.postMessage({ level: this.engine.engine_level_dbfs(this.state) });
    }
    return true;
  }

  end() {
    if (this.ended) return;
    this.ended = true;
    this.engine.engine_destroy(this.state);
  }
}

registerProcessor('soft-phone-processor', SoftPhoneProcessor);
