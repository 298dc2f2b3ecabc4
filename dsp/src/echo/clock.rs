//! The far end on the microphone's clock: a resampler for rates that differ by parts per million.
//!
//! Windowed-sinc interpolation (16 taps, Kaiser window) with linear interpolation between 64 phases. While both clocks
//! agree the signal passes untouched and undelayed.

/// Taps of the interpolator; half of them look ahead.
const TAPS: usize = 16;
const PHASES: usize = 64;
/// Shape of the Kaiser window: side lobes at about −60 dB.
const BETA: f64 = 6.0;

/// Turns a stream of frames into one that is read a little slower or faster.
#[derive(Clone, Debug)]
pub(crate) struct FarClock {
    /// One row of taps for each phase, and one for the phase behind the last.
    table: Vec<[f32; TAPS]>,
    /// Samples that wait to be read, the oldest first.
    samples: Vec<f32>,
    filled: usize,
    /// Where the next sample is read, from the first of `samples`: whole part and fraction.
    at: usize,
    fraction: f64,
    /// How much slower than written the stream is read: 1e-6 is one part per million.
    slower: f64,
}

impl FarClock {
    pub fn new(frame: usize) -> Self {
        let row = |phase: usize| {
            let offset = phase as f64 / PHASES as f64;
            let mut taps = [0.0; TAPS];
            for (k, tap) in taps.iter_mut().enumerate() {
                let x = k as f64 - (TAPS / 2 - 1) as f64 - offset;
                let sinc = if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) };
                let position = (x / (TAPS / 2) as f64).clamp(-1.0, 1.0);
                *tap = (sinc * bessel(BETA * (1.0 - position * position).sqrt()) / bessel(BETA)) as f32;
            }
            let sum: f32 = taps.iter().sum();
            taps.map(|tap| tap / sum)
        };
        Self {
            table: (0..=PHASES).map(row).collect(),
            samples: vec![0.0; 4 * frame + TAPS],
            filled: 0,
            at: 0,
            fraction: 0.0,
            slower: 0.0,
        }
    }

    /// How much slower the stream is read.
    pub fn slower(&self) -> f64 {
        self.slower
    }

    /// From now on the stream is read slower by that much; the last time to say so is once a frame.
    pub fn set_slower(&mut self, slower: f64) {
        self.slower = slower;
    }

    /// Whether frames pass as they are.
    pub fn is_idle(&self) -> bool {
        self.slower == 0.0 && self.filled == 0
    }

    /// Takes the next frame.
    pub fn write(&mut self, frame: &[f32]) {
        // What is behind the first tap of the next sample is not needed any more.
        let used = self.at.saturating_sub(TAPS / 2 - 1).min(self.filled);
        self.samples.copy_within(used..self.filled, 0);
        self.filled -= used;
        self.at -= used;
        if self.filled + frame.len() > self.samples.len() {
            // Cannot be as long as frames are read; rather lose samples than grow.
            self.filled = 0;
            self.at = 0;
        }
        if self.filled == 0 {
            // The first samples are read from what lies before them: silence.
            self.samples[..TAPS / 2 - 1].fill(0.0);
            self.filled = TAPS / 2 - 1;
            self.at = TAPS / 2 - 1;
            self.fraction = 0.0;
        }
        self.samples[self.filled..self.filled + frame.len()].copy_from_slice(frame);
        self.filled += frame.len();
    }

    /// Reads the next frame on the other clock; `false`: there are not enough samples for one yet.
    pub fn read(&mut self, frame: &mut [f32]) -> bool {
        let step = 1.0 - self.slower;
        let last = self.at as f64 + self.fraction + step * frame.len() as f64;
        if last as usize + TAPS / 2 + 1 > self.filled {
            return false;
        }
        for out in frame.iter_mut() {
            let phase = self.fraction * PHASES as f64;
            let (row, between) = (phase as usize, (phase - phase.floor()) as f32);
            let (a, b) = (&self.table[row], &self.table[row + 1]);
            let samples = &self.samples[self.at + 1 - TAPS / 2..self.at + 1 + TAPS / 2];
            let mut sum = 0.0;
            for ((x, a), b) in samples.iter().zip(a).zip(b) {
                sum += x * (a + between * (b - a));
            }
            *out = sum;
            self.fraction += step;
            let whole = self.fraction as usize;
            self.at += whole;
            self.fraction -= whole as f64;
        }
        true
    }

    pub fn reset(&mut self) {
        (self.filled, self.at, self.fraction, self.slower) = (0, 0, 0.0, 0.0);
    }
}

/// The modified Bessel function of order 0, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for k in 1..30 {
        term *= (x / 2.0 / f64::from(k)).powi(2);
        sum += term;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hz: f64, n: f64) -> f32 {
        (std::f64::consts::TAU * hz * n / 16_000.0).sin() as f32
    }

    #[test]
    fn a_tone_is_read_at_the_other_rate() {
        for slower in [-300e-6, -1e-6, 50e-6, 300e-6] {
            let mut clock = FarClock::new(160);
            clock.set_slower(slower);
            let (mut frames, mut read, mut worst) = (0, 0_usize, 0.0_f32);
            let mut out = [0.0; 160];
            for block in 0..6_000 {
                let frame: Vec<f32> = (0..160).map(|n| tone(3_000.0, (block * 160 + n) as f64)).collect();
                clock.write(&frame);
                while clock.read(&mut out) {
                    for (n, y) in out.iter().enumerate() {
                        let at = (read + n) as f64 * (1.0 - slower);
                        if read > 160 {
                            worst = worst.max((y - tone(3_000.0, at)).abs());
                        }
                    }
                    read += 160;
                    frames += 1;
                }
            }
            let expected = 6_000.0 / (1.0 - slower);
            assert!((f64::from(frames) - expected).abs() < 2.0, "{frames} frames of {expected} at {slower}");
            assert!(worst < 2e-3, "error {worst} at {slower}");
        }
    }
}
