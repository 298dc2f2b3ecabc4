//! How much noise there is in each bin, while people speak.
//!
//! The unbiased MMSE estimator with a fixed a-priori ratio (Gerkmann and Hendriks, "Unbiased MMSE-based noise power
//! estimation with low complexity and low tracking delay", IEEE TASLP 20, 2012): where speech is unlikely the bin's power
//! is learnt, where it is likely the old estimate stands.

use super::approximate::exp2;
use crate::simd::kernels;
use crate::stft::{FAINT, bins, frame_len};

/// A-priori ratio of speech, where there is some: 15 dB.
const SPEECH: f32 = 31.622_8;
/// Weight of the old estimate, per frame of 10 ms.
const MEMORY: f32 = 0.85;
/// Weight of the old probability in the one that finds bins where the estimate is stuck, and when it is.
const STUCK_MEMORY: f32 = 0.9;
const STUCK: f32 = 0.99;
/// Frames at the start of which the estimate is the mean.
const START: u32 = 8;

/// Noise power per bin.
#[derive(Clone, Debug)]
pub(super) struct NoiseTracker {
    noise: Vec<f32>,
    /// Probability of speech, over about 100 ms.
    speech: Vec<f32>,
    frames: u32,
    /// What stands for the echo where none is told of.
    no_echo: Vec<f32>,
    faint: f32,
}

impl NoiseTracker {
    pub fn new(rate: u32) -> Self {
        let bins = || vec![0.0; bins(rate)];
        Self { noise: bins(), speech: bins(), frames: 0, no_echo: bins(), faint: FAINT * frame_len(rate) as f32 }
    }

    /// Takes the power of each bin, and how much of it is residual echo (of the lowest bins, as many as are told of).
    pub fn update(&mut self, power: &[f32], echo: Option<&[f32]>) {
        if self.frames < START {
            let weight = 1.0 / (self.frames + 1) as f32;
            self.frames += 1;
            begin(power, weight, &mut self.noise);
        } else {
            let echo = echo.unwrap_or_default();
            let told = echo.len().min(power.len());
            let (speech, noise) = (self.speech.split_at_mut(told), self.noise.split_at_mut(told));
            track(&power[..told], &echo[..told], self.faint, speech.0, noise.0);
            track(&power[told..], &self.no_echo[told..], self.faint, speech.1, noise.1);
        }
    }

    pub fn noise(&self) -> &[f32] {
        &self.noise
    }

    pub fn reset(&mut self) {
        self.noise.fill(0.0);
        self.speech.fill(0.0);
        self.frames = 0;
    }
}

kernels! {
    fn begin(power: &[f32], weight: f32, noise: &mut [f32]) {
        for (noise, power) in noise.iter_mut().zip(power) {
            *noise += weight * (power - *noise);
        }
    }

    fn track(power: &[f32], echo: &[f32], faint: f32, speech: &mut [f32], noise: &mut [f32]) {
        const SLOPE: f32 = SPEECH / (1.0 + SPEECH) * std::f32::consts::LOG2_E;
        let n = power.len();
        let (echo, speech, noise) = (&echo[..n], &mut speech[..n], &mut noise[..n]);
        for k in 0..n {
            // Eq. 18, with equal chances of speech and none.
            let ratio = (power[k] / (noise[k] + faint)).min(100.0);
            let likely = 1.0 / (1.0 + (1.0 + SPEECH) * exp2(-SLOPE * ratio));
            speech[k] = STUCK_MEMORY * speech[k] + (1.0 - STUCK_MEMORY) * likely;
            let likely = if speech[k] > STUCK { likely.min(STUCK) } else { likely };
            // Eq. 22 and 23.
            let step = (1.0 - MEMORY) * (1.0 - likely) * (power[k] - noise[k]);
            // Echo that is as loud as the noise halves what is learnt.
            let trust = (noise[k] + faint) / (noise[k] + faint + echo[k]);
            noise[k] = (noise[k] + trust * step).max(faint);
        }
    }
}
