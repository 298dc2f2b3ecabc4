// Loaded before the phone's receiving worklet: each packet comes to it when its time has come by the worklet's own clock. An
// offline context renders faster than messages could say when.
const register = globalThis.registerProcessor;
globalThis.registerProcessor = (name, Processor) => register(name, class extends Processor {
  constructor(options) {
    super(options);
    this.coming = options.processorOptions.packets;
    this.next = 0;
  }

  process(...about) {
    while (this.coming[this.next]?.at <= currentTime * 1000) this.insert(this.coming[this.next++]);
    return super.process(...about);
  }
});
