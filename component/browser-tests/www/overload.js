// An AudioWorklet that takes a fifth more time than there is.
class Overload extends AudioWorkletProcessor {
  constructor() {
    super();
    this.wanted = 0;
    this.taken = 0;
  }

  process() {
    this.wanted += 1200 * 128 / sampleRate;
    // The only clock here has steps of a millisecond: what is too much now is left out later.
    const start = Date.now();
    let now = start;
    while (this.taken + now - start < this.wanted) now = Date.now();
    this.taken += now - start;
    return true;
  }
}
registerProcessor("overload", Overload);
