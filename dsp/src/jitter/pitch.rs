//! Pitch, and how alike two stretches of samples are.

use crate::simd::{dot, energy};

/// Shortest and longest pitch period that is looked for, ms: 400 Hz down to 62.5 Hz.
pub(crate) const SHORTEST_MS: f32 = 2.5;
pub(crate) const LONGEST_MS: f32 = 16.0;

/// A period and how sure it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Period {
    /// Samples.
    pub lag: usize,
    /// Normalised correlation over that lag, −1 to 1.
    pub correlation: f32,
}

/// `⟨a, b⟩ / √(⟨a, a⟩⟨b, b⟩)`; 0 of silence.
pub(crate) fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let power = energy(a) * energy(b);
    if power > 1e-18 { (dot(a, b) / power.sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
}

/// Finds periods; holds the scratch memory for it.
#[derive(Clone, Debug)]
pub(crate) struct PitchFinder {
    rate: usize,
    /// How many samples are one of the coarse search: that has 4 to 8 kHz.
    decimation: usize,
    coarse: Vec<f32>,
}

impl PitchFinder {
    pub fn new(rate: u32) -> Self {
        let rate = rate as usize;
        let decimation = (rate / 8_000).max(1) * if rate > 8_000 { 1 } else { 2 };
        Self { rate, decimation, coarse: vec![0.0; rate / 10 / decimation + 1] }
    }

    /// The lag at which the last `window` samples are most like those that many samples before, within `lags`.
    /// Needs `window + lags.end` samples.
    pub fn find(&mut self, samples: &[f32], window: usize, lags: std::ops::RangeInclusive<usize>) -> Period {
        let (shortest, longest) = (*lags.start(), *lags.end());
        let needed = window + longest;
        if samples.len() < needed || shortest == 0 || longest < shortest {
            return Period::default();
        }
        let samples = &samples[samples.len() - needed..];
        let d = self.decimation;
        let count = (needed / d).min(self.coarse.len());
        let coarse = &mut self.coarse[..count];
        let from = needed - count * d;
        for (coarse, samples) in coarse.iter_mut().zip(samples[from..].chunks_exact(d)) {
            *coarse = samples.iter().sum::<f32>();
        }
        let width = (window / d).min(count);
        let now = &coarse[count - width..];
        let power = energy(now);
        let (mut best, mut score) = (shortest.div_ceil(d), f32::MIN);
        let mut past_power = None::<f32>;
        for lag in shortest.div_ceil(d)..=(longest / d).min(count - width) {
            let past = &coarse[count - width - lag..count - lag];
            // One sample comes, one goes.
            let energy_past = match past_power {
                Some(power) => (power + past[0] * past[0] - coarse[count - lag] * coarse[count - lag]).max(0.0),
                None => energy(past),
            };
            past_power = Some(energy_past);
            let product = dot(now, past);
            // A longer lag must be better by a little, or multiples of the period win.
            let value = product / (power * energy_past + 1e-12).sqrt() - 0.02 * lag as f32 / (longest / d + 1) as f32;
            if value > score {
                (best, score) = (lag, value);
            }
        }
        let (low, high) = ((best * d).saturating_sub(d).max(shortest), (best * d + d).min(longest));
        let now = &samples[needed - window..];
        let mut period = Period { lag: low, correlation: f32::MIN };
        for lag in low..=high {
            let value = correlation(now, &samples[needed - window - lag..needed - lag]);
            if value > period.correlation {
                period = Period { lag, correlation: value };
            }
        }
        period
    }

    /// Samples in so many ms.
    pub fn samples(&self, ms: f32) -> usize {
        (ms * self.rate as f32 / 1_000.0) as usize
    }

    /// The pitch at the end of `samples`, from the last 10 to 16 ms.
    pub fn pitch(&mut self, samples: &[f32]) -> Period {
        let (shortest, longest) = (self.samples(SHORTEST_MS), self.samples(LONGEST_MS));
        self.find(samples, self.samples(14.0), shortest..=longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_period_of_a_voice_is_found_at_every_rate() {
        for rate in [8_000_u32, 16_000, 32_000, 48_000] {
            for hertz in [75.0, 100.0, 180.0, 333.0] {
                let samples: Vec<f32> = (0..rate / 10)
                    .map(|n| {
                        let t = n as f32 / rate as f32;
                        (1..8).map(|k| (std::f32::consts::TAU * hertz * k as f32 * t).cos() / k as f32).sum()
                    })
                    .collect();
                let period = PitchFinder::new(rate).pitch(&samples);
                let found = rate as f32 / period.lag as f32;
                // Near a multiple is as good for going on as the period itself.
                let cycles = (hertz / found).round();
                assert!(cycles >= 1.0 && (found * cycles / hertz - 1.0).abs() < 0.03, "{rate} {hertz}: {found}");
                assert!(period.correlation > 0.95, "{rate} {hertz}: {}", period.correlation);
            }
        }
    }
}
