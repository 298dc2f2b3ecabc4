// Loaded into the phone's worklet: nothing there can copy samples any more.
Float32Array.prototype.set = () => { throw new Error("made by the test"); };
