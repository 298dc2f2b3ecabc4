//! Noise suppression from the statistics of the spectrum, without a network.
//!
//! The optimally modified log-spectral amplitude estimator (Cohen and Berdugo, "Speech enhancement for non-stationary noise
//! environments", Signal Processing 81, 2001): in each bin the gain is `G = G₁ᵖ · G_min¹⁻ᵖ`, where `G₁` is the gain for
//! speech (Ephraim and Malah, IEEE TASSP 33, 1985) and `p` how likely there is any, judged by the bin, its neighbours
//! and the whole frame. The weighting in the logarithm leaves no musical noise. [`NoiseTracker`] says how much noise there is.

mod approximate;
mod tracker;

use crate::config::NoiseLevel;
use crate::simd::kernels;
use crate::stft::{FAINT, bins, frame_len};
use approximate::{exp2, log2};
pub(crate) use tracker::NoiseTracker;

/// Weight of the last frame in the a-priori ratio (decision-directed, eq. 51 of Ephraim and Malah, IEEE TASSP 32, 1984).
/// Frames overlap by half, hence below the usual 0.98.
const MEMORY: f32 = 0.95;
/// Smallest a-priori ratio, −15 dB.
const PRIOR_LEAST: f32 = 0.031_6;
/// Largest ratios; beyond them a gain is 1 anyway.
const RATIO_MOST: f32 = 1e4;
/// Weight of the last frame in the ratio by which speech's presence is judged, and the largest that counts.
const PRESENCE_MEMORY: f32 = 0.7;
const PRESENCE_MOST: f32 = 100.0;
/// Below the first ratio there is no speech, above the second there is: −10 and −5 dB, as log₂.
const PRESENCE: (f32, f32) = (-std::f32::consts::LOG2_10, -0.5 * std::f32::consts::LOG2_10);
/// Bins to each side that count as neighbours, near and far.
const NEIGHBOURS: usize = 1;
const SURROUNDINGS: usize = 10;
/// Bins by which a whole frame is judged: 100 Hz to 5 kHz.
const VOICE: std::ops::Range<usize> = 2..100;
/// Largest probability that speech is absent, before the bin itself is looked at.
const ABSENCE_MOST: f32 = 0.95;
const ABSENCE_LEAST: f32 = 1e-3;

/// Noise suppressor over bins of 50 Hz, at any rate.
#[derive(Clone, Debug)]
pub(crate) struct NoiseSuppressor {
    tracker: NoiseTracker,
    /// log₂ of the smallest gain.
    floor: f32,
    /// Estimated speech power of the last frame.
    before: Vec<f32>,
    prior: Vec<f32>,
    posterior: Vec<f32>,
    presence: Vec<f32>,
    absence: Vec<f32>,
    /// The gains against noise, before they are smoothed over bins.
    raw: Vec<f32>,
    /// Running sums over bins, their ends repeated for as many bins as the surroundings reach.
    sums: Vec<f32>,
    /// One over how many bins are near each, and around it.
    near: Vec<f32>,
    around: Vec<f32>,
    faint: f32,
}

impl NoiseSuppressor {
    /// For spectra of 10 ms frames at `rate` Hz, at the default level.
    pub fn new(rate: u32) -> Self {
        let (count, faint) = (bins(rate), FAINT * frame_len(rate) as f32);
        let bins = || vec![0.0; count];
        let within = |reach: usize| {
            (0..count).map(|k| 1.0 / ((k + reach + 1).min(count) - k.saturating_sub(reach)) as f32).collect()
        };
        Self {
            tracker: NoiseTracker::new(count, faint),
            floor: floor(NoiseLevel::default()),
            before: bins(),
            prior: bins(),
            posterior: bins(),
            presence: bins(),
            absence: bins(),
            raw: bins(),
            sums: vec![0.0; count + 1 + 2 * SURROUNDINGS],
            near: within(NEIGHBOURS),
            around: within(SURROUNDINGS),
            faint,
        }
    }

    /// How far noise is suppressed from now on.
    pub fn set_level(&mut self, level: NoiseLevel) {
        self.floor = floor(level);
    }

    /// Lowers the gains for noise.
    ///
    /// `power` is `|X|²` per bin, `echo` the power of residual echo in it, which is not learnt as noise; `gains` hold the
    /// amplitude gains against that echo (1 without) and get those against noise on top. What echo suppression leaves
    /// silent is filled up to the suppressed noise, so that the background does not come and go with the far end.
    pub fn apply(&mut self, power: &[f32], echo: Option<&[f32]>, gains: &mut [f32]) {
        self.tracker.update(power, echo);
        ratios(
            power,
            gains,
            self.tracker.noise(),
            self.faint,
            &self.before,
            &mut self.prior,
            &mut self.posterior,
            &mut self.presence,
        );
        self.judge();
        combine(power, self.floor, &self.prior, &self.posterior, &self.absence, &mut self.before, gains, &mut self.raw);
        smooth(power, self.tracker.noise(), self.faint, exp2(self.floor), &self.raw, gains);
    }

    /// Noise power per bin.
    pub fn noise(&self) -> &[f32] {
        self.tracker.noise()
    }

    pub fn reset(&mut self) {
        self.tracker.reset();
        self.before.fill(0.0);
        self.presence.fill(0.0);
    }

    /// Probability that speech is absent, from the surroundings of each bin.
    fn judge(&mut self) {
        let bins = self.presence.len();
        let mut sum = 0.0;
        for (total, value) in self.sums[SURROUNDINGS + 1..].iter_mut().zip(&self.presence) {
            sum += value;
            *total = sum;
        }
        self.sums[SURROUNDINGS + bins + 1..].fill(sum);
        let voice = VOICE.start..VOICE.end.min(bins);
        let of_voice = self.sums[SURROUNDINGS + voice.end] - self.sums[SURROUNDINGS + voice.start];
        let frame = present(of_voice / voice.len() as f32);
        judge(&self.sums, &self.near, &self.around, frame, &mut self.absence);
    }
}

fn floor(level: NoiseLevel) -> f32 {
    let decibels: f32 = match level {
        NoiseLevel::Low => -6.0,
        NoiseLevel::Moderate => -12.0,
        NoiseLevel::High => -20.0,
    };
    decibels / (20.0 * std::f32::consts::LOG10_2)
}

/// How much a mean ratio speaks for speech, 0 to 1.
#[inline(always)]
fn present(ratio: f32) -> f32 {
    ((log2(ratio.max(1e-10)) - PRESENCE.0) / (PRESENCE.1 - PRESENCE.0)).clamp(0.0, 1.0)
}

kernels! {
    /// A-priori and a-posteriori ratio of what the echo's gains let pass, and the smoothed one that tells of speech.
    fn ratios(
        power: &[f32],
        gains: &[f32],
        noise: &[f32],
        faint: f32,
        before: &[f32],
        prior: &mut [f32],
        posterior: &mut [f32],
        presence: &mut [f32],
    ) {
        let n = power.len();
        let (gains, noise, before) = (&gains[..n], &noise[..n], &before[..n]);
        let (prior, posterior, presence) = (&mut prior[..n], &mut posterior[..n], &mut presence[..n]);
        for k in 0..n {
            let inverse = 1.0 / (noise[k] + faint);
            let ratio = (power[k] * gains[k] * gains[k] * inverse).clamp(1e-3, RATIO_MOST);
            let directed = MEMORY * before[k] * inverse + (1.0 - MEMORY) * (ratio - 1.0).max(0.0);
            posterior[k] = ratio;
            prior[k] = directed.clamp(PRIOR_LEAST, RATIO_MOST);
            presence[k] = PRESENCE_MEMORY * presence[k] + (1.0 - PRESENCE_MEMORY) * prior[k].min(PRESENCE_MOST);
        }
    }

    /// Probability that speech is absent: where the ratios near a bin, around it and in the whole frame say so.
    fn judge(sums: &[f32], near: &[f32], around: &[f32], frame: f32, absence: &mut [f32]) {
        let n = absence.len();
        let (near, around) = (&near[..n], &around[..n]);
        let (near_from, near_to) = (&sums[SURROUNDINGS - NEIGHBOURS..][..n], &sums[SURROUNDINGS + NEIGHBOURS + 1..][..n]);
        let (around_from, around_to) = (&sums[..n], &sums[2 * SURROUNDINGS + 1..][..n]);
        for k in 0..n {
            let near = present((near_to[k] - near_from[k]) * near[k]);
            let around = present((around_to[k] - around_from[k]) * around[k]);
            absence[k] = (1.0 - frame * near * around).clamp(ABSENCE_LEAST, ABSENCE_MOST);
        }
    }

    /// The gains, from ratios and probabilities.
    fn combine(
        power: &[f32],
        floor: f32,
        prior: &[f32],
        posterior: &[f32],
        absence: &[f32],
        before: &mut [f32],
        gains: &[f32],
        raw: &mut [f32],
    ) {
        let n = power.len();
        let (prior, posterior, absence) = (&prior[..n], &posterior[..n], &absence[..n]);
        let (before, gains, raw) = (&mut before[..n], &gains[..n], &mut raw[..n]);
        for k in 0..n {
            let (prior, absence) = (prior[k], absence[k]);
            let wiener = prior / (1.0 + prior);
            let v = (wiener * posterior[k]).max(1e-6);
            let likelihood = exp2(-v * std::f32::consts::LOG2_E);
            // log₂ of √exp(E₁(v)): E₁(v) lies between e⁻ᵛ·ln(1 + 0.56/v) for small v and e⁻ᵛ·ln(1 + 1/v) for large.
            let integral = 0.5 * likelihood * log2(1.0 + (0.561_5 + v) / (v * (1.0 + v)));
            let speech = (log2(wiener) + integral).min(0.0);
            let present = 1.0 / (1.0 + absence / (1.0 - absence) * (1.0 + prior) * likelihood);
            let heard = power[k] * gains[k] * gains[k];
            before[k] = exp2(2.0 * speech) * heard;
            raw[k] = exp2(present * speech.max(floor) + (1.0 - present) * floor);
        }
    }

    /// Takes the gains' mean over three bins, which the window's main lobe spans anyway: single bins that flicker are
    /// what is heard as musical noise.
    fn smooth(power: &[f32], noise: &[f32], faint: f32, floor: f32, raw: &[f32], gains: &mut [f32]) {
        let n = power.len();
        let (noise, raw, gains) = (&noise[..n], &raw[..n], &mut gains[..n]);
        for k in 1..n - 1 {
            let suppressed = 0.5 * raw[k] + 0.25 * (raw[k - 1] + raw[k + 1]);
            // Not below what would be left of the noise, had there been no echo.
            let filled = floor * (noise[k] / (power[k] + faint)).min(1.0).sqrt();
            gains[k] = (gains[k] * suppressed).max(filled);
        }
        gains[0] *= raw[0];
        gains[n - 1] *= raw[n - 1];
    }
}
