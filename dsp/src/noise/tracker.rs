//! How much noise there is in each bin, while people speak.
//!
//! The unbiased MMSE estimator with a fixed a-priori ratio (Gerkmann and Hendriks, "Unbiased MMSE-based noise power
//! estimation with low complexity and low tracking delay", IEEE TASLP 20, 2012): where speech is unlikely the bin's power
//! is learnt, where it is likely the old estimate stands.
//!
//! A vowel that goes on, and a reader who never pauses, would be learnt all the same. So the estimate stays below a multiple
//! of the least power of the last two seconds (Martin, "Noise power spectral density estimation based on optimal smoothing
//! and minimum statistics", IEEE TSAP 9, 2001): harmonics move on, noise stays.

use super::approximate::exp2;
use crate::simd::kernels;

/// A-priori ratio of speech, where there is some: 15 dB.
const SPEECH: f32 = 31.622_8;
/// Weight of the old estimate, per frame of 10 ms.
const MEMORY: f32 = 0.85;
/// Weight of the old probability in the one that finds bins where the estimate is stuck, and when it is.
const STUCK_MEMORY: f32 = 0.9;
const STUCK: f32 = 0.99;
/// Weight of the past in the power whose least is looked for, and the parts of two seconds at most in which it is, frames each.
const SMOOTH: f32 = 0.7;
const PARTS: usize = 4;
const PART: u32 = 40;
/// That power is never less, lest it decays into denormals while it is silent: −300 dB.
const NOTHING: f32 = 1e-30;
/// How far above that least the estimate may be, 14 dB: steady noise is 7 dB above it on average, and other noise has peaks.
const ABOVE_LEAST: f32 = 25.0;
/// Frames at the start of which the estimate is the mean.
const START: u32 = 8;

/// Noise power per bin, or per band.
#[derive(Clone, Debug)]
pub(crate) struct NoiseTracker {
    noise: Vec<f32>,
    /// Probability of speech, over about 100 ms.
    speech: Vec<f32>,
    frames: u32,
    /// Power over some frames, and its least in the part that runs, in each of those before (as a ring), and in all of those.
    smooth: Vec<f32>,
    lowest: Vec<f32>,
    parts: [Vec<f32>; PARTS],
    least: Vec<f32>,
    part: usize,
    in_part: u32,
    /// What stands for the echo where none is told of.
    no_echo: Vec<f32>,
    faint: f32,
}

impl NoiseTracker {
    /// For `count` bins; noise is at least `faint`.
    pub fn new(count: usize, faint: f32) -> Self {
        let bins = || vec![0.0; count];
        let mut tracker = Self {
            noise: bins(),
            speech: bins(),
            frames: 0,
            smooth: bins(),
            lowest: bins(),
            parts: std::array::from_fn(|_| bins()),
            least: bins(),
            part: 0,
            in_part: 0,
            no_echo: bins(),
            faint,
        };
        tracker.reset();
        tracker
    }

    /// Takes the power of each bin, and how much of it is residual echo (of the lowest bins, as many as are told of).
    pub fn update(&mut self, power: &[f32], echo: Option<&[f32]>) {
        if self.frames < START {
            let weight = 1.0 / (self.frames + 1) as f32;
            self.frames += 1;
            begin(power, weight, &mut self.noise);
            // The least is looked for among means of as many frames, no fewer.
            self.smooth.copy_from_slice(&self.noise);
        } else {
            self.find_least(power);
            let echo = echo.unwrap_or_default();
            let told = echo.len().min(power.len());
            let (speech, noise) = (self.speech.split_at_mut(told), self.noise.split_at_mut(told));
            track(&power[..told], &echo[..told], self.faint, speech.0, noise.0);
            track(&power[told..], &self.no_echo[told..], self.faint, speech.1, noise.1);
            limit(&self.lowest, &self.least, self.faint, &mut self.noise);
        }
    }

    fn find_least(&mut self, power: &[f32]) {
        lower(power, &mut self.smooth, &mut self.lowest);
        self.in_part += 1;
        if self.in_part < PART {
            return;
        }
        self.in_part = 0;
        self.parts[self.part].copy_from_slice(&self.lowest);
        self.part = (self.part + 1) % PARTS;
        self.lowest.fill(f32::MAX);
        self.least.copy_from_slice(&self.parts[0]);
        for part in &self.parts[1..] {
            for (least, part) in self.least.iter_mut().zip(part) {
                *least = least.min(*part);
            }
        }
    }

    pub fn noise(&self) -> &[f32] {
        &self.noise
    }

    pub fn reset(&mut self) {
        self.noise.fill(0.0);
        self.speech.fill(0.0);
        self.frames = 0;
        self.smooth.fill(0.0);
        self.lowest.fill(f32::MAX);
        self.parts.iter_mut().for_each(|part| part.fill(f32::MAX));
        self.least.fill(f32::MAX);
        self.in_part = 0;
    }
}

kernels! {
    fn begin(power: &[f32], weight: f32, noise: &mut [f32]) {
        for (noise, power) in noise.iter_mut().zip(power) {
            *noise += weight * (power - *noise);
        }
    }

    /// Smooths the power and keeps its least.
    fn lower(power: &[f32], smooth: &mut [f32], lowest: &mut [f32]) {
        for ((power, smooth), lowest) in power.iter().zip(smooth).zip(lowest) {
            *smooth = (SMOOTH * *smooth + (1.0 - SMOOTH) * power).max(NOTHING);
            *lowest = if *smooth < *lowest { *smooth } else { *lowest };
        }
    }

    /// Lowers the estimate to what the least of now and of the parts before allows.
    fn limit(lowest: &[f32], least: &[f32], faint: f32, noise: &mut [f32]) {
        for ((noise, lowest), least) in noise.iter_mut().zip(lowest).zip(least) {
            let most = ABOVE_LEAST * if lowest < least { *lowest } else { *least };
            *noise = (if *noise > most { most } else { *noise }).max(faint);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise of a mean power of 1 in each bin: exponentially distributed, as that of a spectrum's bin is.
    fn noise(seed: &mut u32, bins: usize) -> Vec<f32> {
        let mut next = || {
            *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            -((*seed >> 8) as f32 / 16_777_216.0).max(1e-7).ln()
        };
        (0..bins).map(|_| next()).collect()
    }

    #[test]
    fn a_reader_who_never_pauses_is_not_learnt_as_noise() {
        let mut tracker = NoiseTracker::new(161, 1e-10);
        let mut seed = 1;
        for frame in 0..1_500 {
            let mut power = noise(&mut seed, 161);
            // After a second and a half the harmonics are where they were not before.
            for bin in (frame / 150 % 3..80).step_by(3) {
                power[bin] *= 1e4;
            }
            tracker.update(&power, None);
        }
        let mean = tracker.noise()[..80].iter().sum::<f32>() / 80.0;
        assert!(mean < 30.0, "{mean} times the noise");
    }

    #[test]
    fn steady_noise_is_found() {
        let mut tracker = NoiseTracker::new(161, 1e-10);
        let mut seed = 7;
        let mut mean = 0.0;
        for frame in 0..600 {
            tracker.update(&noise(&mut seed, 161), None);
            mean += if frame < 300 { 0.0 } else { tracker.noise().iter().sum::<f32>() / (161.0 * 300.0) };
        }
        assert!((10.0 * mean.log10()).abs() < 2.0, "{mean} of 1");
    }

    #[test]
    fn nothing_decays_into_denormals_in_silence() {
        let mut tracker = NoiseTracker::new(161, 1e-10);
        let mut seed = 3;
        (0..100).for_each(|_| tracker.update(&noise(&mut seed, 161), None));
        for frame in 0..1_000 {
            tracker.update(&[0.0; 161], None);
            let states = [&tracker.noise, &tracker.speech, &tracker.smooth, &tracker.lowest, &tracker.least];
            assert!(!states.into_iter().flatten().any(|x| x.is_subnormal()), "frame {frame}");
        }
    }
}
