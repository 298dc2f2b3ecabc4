//! From the decoder's rate to the card's: a polyphase filter for two rates whose ratio is a small fraction.
//!
//! Windowed sinc, Kaiser window (Kaiser and Schafer, "On the use of the I0-sinh window for spectrum analysis", 1980),
//! side lobes at about −60 dB. Rates that are the same pass untouched.

use crate::simd::dot;

/// Taps of each phase where the rate rises; half of them look ahead.
const TAPS: usize = 32;
/// Shape of the window.
const BETA: f64 = 6.0;
/// How much of the lower rate's band is kept: the rest is where the filter falls.
const BAND: f64 = 0.88;

/// Turns frames of 10 ms at one rate into frames of 10 ms at another.
#[derive(Clone, Debug)]
pub(crate) struct Resampler {
    from: u32,
    to: u32,
    /// The ratio of the rates in lowest terms: `up` samples come out for `down` that go in.
    up: usize,
    down: usize,
    taps: usize,
    /// One row of taps for each of the `up` phases, to be met by samples in the order of time.
    table: Vec<f32>,
    /// What is left of frames before, and the frame.
    samples: Vec<f32>,
}

impl Resampler {
    /// A resampler at rest. Both rates are multiples of 100 Hz.
    pub fn new(from: u32, to: u32) -> Self {
        let mut resampler = Self::for_table(from, to);
        resampler.design();
        resampler
    }

    fn for_table(from: u32, to: u32) -> Self {
        let divisor = gcd(from, to).max(1);
        let (up, down) = ((to / divisor) as usize, (from / divisor) as usize);
        // Where the rate falls the filter is longer by the same factor.
        let taps = if from == to { 0 } else { (TAPS * from.max(to) as usize / to as usize).next_multiple_of(2) };
        let frame = (from / 100) as usize;
        Self { from, to, up, down, taps, table: vec![0.0; up * taps], samples: vec![0.0; taps.max(1) - 1 + frame] }
    }

    fn design(&mut self) {
        let (up, taps) = (self.up, self.taps);
        let cutoff = BAND * f64::from(self.to.min(self.from)) / f64::from(self.from);
        for phase in 0..up {
            let row = &mut self.table[phase * taps..][..taps];
            let offset = phase as f64 / up as f64;
            let mut sum = 0.0;
            for (k, tap) in row.iter_mut().enumerate() {
                let x = k as f64 - (taps / 2 - 1) as f64 - offset;
                let angle = std::f64::consts::PI * cutoff * x;
                let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
                let position = (x / (taps / 2) as f64).clamp(-1.0, 1.0);
                let value = sinc * bessel(BETA * (1.0 - position * position).sqrt());
                *tap = value as f32;
                sum += value;
            }
            for tap in row.iter_mut() {
                *tap /= sum as f32;
            }
        }
    }

    /// Delay, ms.
    pub fn latency_ms(&self) -> f64 {
        (self.taps / 2) as f64 * 1_000.0 / f64::from(self.from)
    }

    /// Takes 10 ms, gives 10 ms.
    pub fn process(&mut self, frame: &[f32], out: &mut [f32]) {
        if self.taps == 0 {
            out.copy_from_slice(frame);
            return;
        }
        let taps = self.taps;
        self.samples[taps - 1..].copy_from_slice(frame);
        let (mut at, mut phase) = (0, 0);
        for out in out.iter_mut() {
            *out = dot(&self.samples[at..at + taps], &self.table[phase * taps..][..taps]);
            phase += self.down;
            at += phase / self.up;
            phase %= self.up;
        }
        self.samples.copy_within(frame.len().., 0);
    }

    pub fn reset(&mut self) {
        self.samples.fill(0.0);
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The modified Bessel function of order 0, by its series.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum, mut k) = (1.0, 1.0, 1.0);
    while term > 1e-12 * sum {
        term *= (x / (2.0 * k)) * (x / (2.0 * k));
        sum += term;
        k += 1.0;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_level_and_pitch_at_every_pair_of_rates() {
        for from in [8_000, 16_000, 32_000, 44_100, 48_000] {
            for to in [8_000, 16_000, 32_000, 44_100, 48_000] {
                let mut resampler = Resampler::new(from, to);
                let (mut input, mut output) = (vec![0.0; from as usize / 100], vec![0.0; to as usize / 100]);
                let mut all = Vec::new();
                for frame in 0..20 {
                    for (n, sample) in input.iter_mut().enumerate() {
                        let t = (frame * from as usize / 100 + n) as f64 / f64::from(from);
                        *sample = (std::f64::consts::TAU * 1_000.0 * t).sin() as f32;
                    }
                    resampler.process(&input, &mut output);
                    all.extend_from_slice(&output);
                }
                let delay = resampler.latency_ms() / 1_000.0;
                let worst = all.iter().enumerate().skip(to as usize / 20).fold(0.0_f64, |worst, (n, sample)| {
                    let t = n as f64 / f64::from(to) - delay;
                    worst.max((f64::from(*sample) - (std::f64::consts::TAU * 1_000.0 * t).sin()).abs())
                });
                assert!(worst < 4e-3, "{from} → {to}: {worst}");
            }
        }
    }
}
