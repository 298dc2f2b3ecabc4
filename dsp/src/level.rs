//! How loud a signal is, as a meter shows it: RMS level with an exponential window.

use crate::simd::kernels;

/// Lowest level that is reported, dBFS. Everything quieter, digital silence included, reads as this.
pub const FLOOR_DBFS: f32 = -100.0;

/// Time constant of the window, seconds: short enough to follow syllables, long enough to be read.
const TIME_CONSTANT: f64 = 0.1;

/// Mean squares below this (−140 dBFS) become zero, so that the decay never runs into denormals.
const SILENCE: f32 = 1e-14;

/// Samples that are taken at a time: one by one each would wait for the one before.
const BLOCK: usize = 32;

/// RMS level meter for mono audio.
///
/// The mean square follows `m ← m + a·(x² − m)` with `a = 1 − exp(−1 / (rate · 0.1 s))`, a one-pole low-pass of the
/// instantaneous power (the "fast" detector of IEC 61672-1 with a shorter time constant).
#[derive(Clone, Debug)]
pub struct LevelMeter {
    coefficient: f32,
    /// What a block's samples weigh in the mean when it has passed, and what the mean before it does.
    weights: [f32; BLOCK],
    kept: f32,
    mean_square: f32,
}

impl LevelMeter {
    /// A meter for `sample_rate` Hz, at rest. `None` unless the rate is between 1 kHz and 768 kHz.
    pub fn new(sample_rate: f32) -> Option<Self> {
        if !(1_000.0..=768_000.0).contains(&sample_rate) {
            return None;
        }
        // In 64 bits: what a sample keeps of the mean is so near to 1 that in 32 the time constant would be another.
        let decay = -1.0 / (f64::from(sample_rate) * TIME_CONSTANT);
        let coefficient = -decay.exp_m1();
        let kept = |samples: usize| (decay * samples as f64).exp();
        let weights = std::array::from_fn(|k| (coefficient * kept(BLOCK - 1 - k)) as f32);
        Some(Self { coefficient: coefficient as f32, weights, kept: kept(BLOCK) as f32, mean_square: 0.0 })
    }

    /// Takes a block of any length; full scale is ±1.0. Values beyond it are clamped; NaN and infinities count as 0.
    pub fn process(&mut self, block: &[f32]) {
        let mut blocks = block.chunks_exact(BLOCK);
        for block in &mut blocks {
            self.settle(self.kept * self.mean_square + weighted(block, &self.weights));
        }
        for &sample in blocks.remainder() {
            self.settle(self.mean_square + self.coefficient * (square(sample) - self.mean_square));
        }
    }

    fn settle(&mut self, mean_square: f32) {
        self.mean_square = if mean_square < SILENCE { 0.0 } else { mean_square };
    }

    /// The level now, dBFS: 0 is a full-scale square wave, −3.01 a full-scale sine, [`FLOOR_DBFS`] silence.
    pub fn level_dbfs(&self) -> f32 {
        (10.0 * self.mean_square.log10()).clamp(FLOOR_DBFS, 0.0)
    }

    /// Back to silence, for another microphone.
    pub fn reset(&mut self) {
        self.mean_square = 0.0;
    }
}

#[inline(always)]
fn square(sample: f32) -> f32 {
    let sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
    sample * sample
}

kernels! {
    /// Sum of the squares, each with its weight.
    fn weighted(block: &[f32], weights: &[f32; BLOCK]) -> f32 {
        let mut sums = [0.0_f32; 8];
        for (block, weights) in block.chunks_exact(8).zip(weights.chunks_exact(8)) {
            for k in 0..8 {
                sums[k] += weights[k] * square(block[k]);
            }
        }
        sums.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settle(block: &[f32], rate: f32) -> f32 {
        let mut meter = LevelMeter::new(rate).unwrap();
        for _ in 0..(rate as usize / block.len()) {
            meter.process(block);
        }
        meter.level_dbfs()
    }

    #[test]
    fn square_and_sine_read_as_defined() {
        assert!(settle(&[1.0, -1.0], 48_000.0).abs() < 0.01);
        for rate in [8_000.0, 16_000.0, 44_100.0, 48_000.0] {
            // 1 kHz over one second
            let sine: Vec<f32> =
                (0..rate as usize).map(|n| (std::f32::consts::TAU * 1_000.0 * n as f32 / rate).sin()).collect();
            let level = settle(&sine, rate);
            assert!((level + 3.01).abs() < 0.05, "{level} at {rate}");
        }
    }

    #[test]
    fn block_size_does_not_matter() {
        let noise: Vec<f32> = (0..4_800_u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 8) as f32 / f32::from(u16::MAX) / 256.0 - 0.5)
            .collect();
        let mut whole = LevelMeter::new(48_000.0).unwrap();
        whole.process(&noise);
        let mut pieces = LevelMeter::new(48_000.0).unwrap();
        for piece in noise.chunks(7) {
            pieces.process(piece);
        }
        // What a block keeps of the mean is rounded by 2⁻²⁵, and the block itself weighs 1/150: 2e-5 dB. Single steps are
        // rounded by 2⁻²⁴ of the mean at most, and 4,800 of them walk by their root: 2e-5 dB.
        let apart = (whole.level_dbfs() - pieces.level_dbfs()).abs();
        assert!(apart < 4e-5, "{apart} dB");
        assert!(whole.level_dbfs() > -30.0);
    }

    #[test]
    fn decays_to_exact_silence_and_never_to_a_denormal() {
        let mut meter = LevelMeter::new(48_000.0).unwrap();
        meter.process(&[1.0; 4_800]);
        for _ in 0..1_000 {
            meter.process(&[0.0; 480]);
            assert!(meter.mean_square == 0.0 || meter.mean_square.is_normal());
        }
        assert_eq!(meter.mean_square, 0.0);
        assert_eq!(meter.level_dbfs(), FLOOR_DBFS);
    }

    #[test]
    fn hostile_samples_stay_bounded() {
        let mut meter = LevelMeter::new(48_000.0).unwrap();
        meter.process(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN, f32::MIN_POSITIVE / 2.0]);
        let level = meter.level_dbfs();
        assert!((FLOOR_DBFS..=0.0).contains(&level), "{level}");
        meter.reset();
        assert_eq!(meter.level_dbfs(), FLOOR_DBFS);
    }

    #[test]
    fn unusable_rates_are_refused() {
        for rate in [0.0, -48_000.0, 999.0, 1e9, f32::NAN, f32::INFINITY] {
            assert!(LevelMeter::new(rate).is_none(), "{rate}");
        }
    }
}
