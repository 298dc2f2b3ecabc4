// An AudioWorklet that hands on what it hears, four render quanta at a time.
class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.samples = [];
    this.port.onmessage = () => { this.done = true; };
  }

  process([input]) {
    if (this.done) return false;
    // An input without a channel is silent for this quantum; time goes on all the same.
    const mono = input[0] ?? new Float32Array(128);
    for (const sample of mono) this.samples.push(Math.max(-32768, Math.min(32767, Math.round(sample * 32767))));
    if (this.samples.length >= 512) this.port.postMessage(Int16Array.from(this.samples.splice(0)));
    return true;
  }
}
registerProcessor("recorder", Recorder);
