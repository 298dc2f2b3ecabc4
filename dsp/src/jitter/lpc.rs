//! Linear prediction: the envelope of a spectrum as an all-pole filter.

use crate::simd::dot;

/// Highest order.
pub(crate) const HIGHEST: usize = 32;

/// Samples that are made in one piece.
const PIECE: usize = 96;

/// Coefficients of `A(z) = 1 + Σ a_k z⁻ᵏ`, `a_p…a₁`: in the order in which they meet samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Predictor {
    a: [f32; HIGHEST],
    order: usize,
}

/// The last samples of a filter, the latest last.
pub(crate) type Memory = [f32; HIGHEST];

impl Predictor {
    /// One that predicts nothing.
    pub fn new(rate: u32) -> Self {
        // Two for each formant, which are 1 kHz apart, and some for the slope.
        Self { a: [0.0; HIGHEST], order: (rate as usize / 1_000 + 2).min(HIGHEST) }
    }

    pub fn order(&self) -> usize {
        self.order
    }

    /// Follows windowed samples, by the autocorrelation method (Makhoul, "Linear prediction: a tutorial review", 1975)
    /// with Levinson's recursion. The correlation is widened by a lag window of 40 Hz and a noise floor of −40 dB, so that
    /// the filter is stable and rings no longer than a voice does.
    pub fn analyse(&mut self, windowed: &[f32], rate: u32) {
        let mut r = [0.0_f32; HIGHEST + 1];
        for (lag, r) in r.iter_mut().enumerate().take(self.order + 1) {
            let Some(rest) = windowed.get(lag..) else { break };
            let width = std::f32::consts::TAU * 40.0 * lag as f32 / rate as f32;
            *r = dot(rest, &windowed[..rest.len()]) * (-0.5 * width * width).exp();
        }
        let mut a = [0.0; HIGHEST];
        r[0] = r[0] * 1.0001 + 1e-9;
        let mut error = r[0];
        for step in 0..self.order {
            let sum: f32 = (0..step).map(|k| a[k] * r[step - k]).sum();
            let reflection = (-(r[step + 1] + sum) / error).clamp(-0.999, 0.999);
            let before = a;
            for k in 0..step {
                a[k] = before[k] + reflection * before[step - 1 - k];
            }
            a[step] = reflection;
            error *= 1.0 - reflection * reflection;
        }
        self.a = a;
        self.a.reverse();
    }

    /// What is left of samples that the filter cannot predict; the first `order` samples are only looked back at.
    pub fn residual(&self, samples: &[f32], residual: &mut [f32]) {
        let a = &self.a[HIGHEST - self.order..];
        for (residual, past) in residual.iter_mut().zip(samples.windows(self.order + 1)) {
            *residual = past[self.order] + dot(&past[..self.order], a);
        }
    }

    /// Drives the filter by what `samples` hold, and puts what comes out in its place. `memory` is moved on.
    pub fn synthesise(&self, samples: &mut [f32], memory: &mut Memory) {
        let mut scratch = [0.0; HIGHEST + PIECE];
        for piece in samples.chunks_mut(PIECE) {
            scratch[..HIGHEST].copy_from_slice(memory);
            for (n, sample) in piece.iter_mut().enumerate() {
                let made = (*sample - dot(&scratch[n..n + HIGHEST], &self.a)).clamp(-4.0, 4.0);
                // Nothing may linger below what can be heard: arithmetic on denormals is slow.
                *sample = if made.abs() < 1e-12 { 0.0 } else { made };
                scratch[HIGHEST + n] = *sample;
            }
            memory.copy_from_slice(&scratch[piece.len()..piece.len() + HIGHEST]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_residual_drives_the_filter_to_the_same_samples() {
        let samples: Vec<f32> = (0..400)
            .map(|n| {
                let t = n as f32 / 8_000.0;
                (1..6).map(|k| (700.0 * k as f32 * t).sin() / k as f32).sum::<f32>() * 0.2
            })
            .collect();
        let mut predictor = Predictor::new(8_000);
        predictor.analyse(&samples, 8_000);
        let order = predictor.order();
        let mut residual = vec![0.0; 200];
        predictor.residual(&samples[200 - order..], &mut residual);
        let energy = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
        assert!(energy(&residual) < 0.1 * energy(&samples[200..]));
        let mut memory = [0.0; HIGHEST];
        memory.copy_from_slice(&samples[200 - HIGHEST..200]);
        predictor.synthesise(&mut residual, &mut memory);
        for (n, sample) in residual.iter().enumerate() {
            assert!((sample - samples[200 + n]).abs() < 1e-3, "{n}: {sample} {}", samples[200 + n]);
        }
        assert_eq!(memory, residual[200 - HIGHEST..]);
    }
}
