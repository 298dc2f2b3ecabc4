// Whether a worklet's audio keeps up: what both worklets look at.

/**
 * Tells whether audio keeps up with the wall clock. A host renders in bursts of its own size, so what counts is the
 * least lag of each quarter of a second: the one at the end of a burst. A clock that is set, or a machine that sleeps,
 * moves one quarter only; an overload moves them all.
 */
export class Watch {
  static QUARTER_MS = 250;
  // Audio below 0.97 of the wall clock's time, over a second.
  static LAG_MS = 30;

  constructor() {
    this.begin(Date.now());
  }

  begin(now) {
    this.start = now;
    this.frames = 0;
    this.quarter = 0;
    this.least = Infinity;
    this.lags = [];
  }

  /** Frames were rendered by the time `now`; true when it did not keep up over the last second. */
  note(now, frames) {
    this.frames += frames;
    const wall = now - this.start;
    const lag = wall - this.frames * 1000 / sampleRate;
    this.least = Math.min(this.least, lag);
    if (wall < (this.quarter + 1) * Watch.QUARTER_MS) return false;
    this.quarter = Math.floor(wall / Watch.QUARTER_MS);
    this.lags.push(this.least);
    this.least = Infinity;
    if (this.lags.length < 5) return false;
    const steps = this.lags.slice(1).map((late, index) => late - this.lags[index]);
    const grown = this.lags[4] - this.lags[0];
    this.lags.shift();
    return grown > Watch.LAG_MS && steps.filter((step) => step > Watch.LAG_MS / 8).length >= 3;
  }
}
