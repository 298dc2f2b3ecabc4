//! Band powers and what the network makes of them.
//!
//! 64 bands up to 8 kHz: single bins of 50 Hz up to 1.6 kHz, where harmonics lie apart, then triangles that widen by 4.4 %
//! each. Logarithms are taken against a running level, so that the loudness of the input does not matter.
//! `dsp/training/features.py` is the same in Python; a test holds the two together with numbers that `export.py` wrote.

use super::EchoPowers;
use crate::noise::NoiseTracker;
use crate::simd::kernels;

/// Bands of one bin: 50 to 1600 Hz.
const SINGLE: usize = 32;
/// All bands.
pub(super) const BANDS: usize = 64;
/// What the network sees of each band: the error, the echo estimate, the far end, and of the error the a-posteriori and the
/// a-priori ratio to the noise.
pub(super) const GROUPS: usize = 5;
pub(super) const INPUTS: usize = GROUPS * BANDS;
/// Bins up to 8 kHz.
const BINS: usize = 161;
/// Bands below 4 kHz, which every rate has; the level is theirs.
const LEVEL_BANDS: usize = 46;
/// Above the last band the gain is the mean of this many bands below it.
const TOP_BANDS: usize = 4;
const SCALE: f32 = 0.25;
const CLIP: f32 = 4.0;
/// Added to powers: about the noise of 16 bits.
const FLOOR: f32 = 1e-7;
/// Lowest running level of the error and of the far end, natural logarithm of power.
const LEVEL_FLOOR: f32 = -11.0;
const FAR_LEVEL_FLOOR: f32 = -9.0;
/// Echo estimates are not looked at further below the error's level than this, as a factor of power.
const HIDDEN_FLOOR: f32 = 1e-5;
const ATTACK: f32 = 0.1;
const RELEASE: f32 = 0.005;
/// Weight of the last frame in the a-priori ratio (Ephraim and Malah, IEEE TASSP 32, 1984), and its least: −20 dB.
const MEMORY: f32 = 0.9;
const PRIOR_LEAST: f32 = 0.01;
/// Least and most of the ratio of a band's power to its noise: −30 and 40 dB.
const RATIO_LEAST: f32 = 1e-3;
const RATIO_MOST: f32 = 1e4;

/// The bin at which band `band` is centred.
fn centre(band: usize) -> usize {
    if band < SINGLE {
        return band + 1;
    }
    let growth = |k: usize| 1.044_f64.powi(k as i32) - 1.0;
    let part = growth(band + 1 - SINGLE) / growth(BANDS - SINGLE);
    (SINGLE as f64 + (BINS - 1 - SINGLE) as f64 * part).round_ties_even() as usize
}

/// A level that rises in 0.1 s and falls in 2 s, and finds its place at once in the beginning.
#[derive(Clone, Debug)]
struct Level {
    floor: f32,
    value: f32,
    frames: u32,
}

impl Level {
    fn new(floor: f32) -> Self {
        Self { floor, value: floor, frames: 0 }
    }

    fn follow(&mut self, logarithms: &[f32]) -> f32 {
        let now = logarithms[..LEVEL_BANDS].iter().sum::<f32>() / LEVEL_BANDS as f32;
        let now = now.max(self.floor);
        self.frames = self.frames.saturating_add(1);
        let rate = if now > self.value { ATTACK } else { RELEASE };
        self.value += rate.max(1.0 / self.frames as f32) * (now - self.value);
        self.value
    }

    fn reset(&mut self) {
        *self = Self::new(self.floor);
    }
}

/// Turns spectra into features, and gains of bands into gains of bins.
#[derive(Clone, Debug)]
pub(super) struct Features {
    /// For each bin up to 8 kHz: the band below, and the share of the band above.
    below: Vec<usize>,
    share: Vec<f32>,
    /// 1 / (sum of a band's triangle), in units that do not depend on the rate.
    weight: Vec<f32>,
    bands: Vec<f32>,
    /// Noise of each band.
    tracker: NoiseTracker,
    /// Power of speech that was in each band of the last frame by its a-priori ratio.
    before: Vec<f32>,
    /// The two ratios of each band.
    posterior: Vec<f32>,
    prior: Vec<f32>,
    level: Level,
    far_level: Level,
}

impl Features {
    /// For spectra of 20 ms at `rate` Hz.
    pub fn new(rate: u32) -> Self {
        let (mut below, mut share) = (vec![0; BINS], vec![0.0; BINS]);
        let mut sum = vec![0.0_f32; BANDS];
        for bin in 0..BINS {
            let band = (0..BANDS).rev().find(|band| centre(*band) <= bin).unwrap_or(0).min(BANDS - 2);
            let (low, high) = (centre(band), centre(band + 1));
            let part = (bin as f32 - low as f32) / (high - low) as f32;
            below[bin] = band;
            share[bin] = part.clamp(0.0, 1.0);
            sum[band] += 1.0 - share[bin];
            sum[band + 1] += share[bin];
        }
        let scale = (16_000.0 / rate as f32).powi(2);
        Self {
            below,
            share,
            weight: sum.iter().map(|sum| scale / sum).collect(),
            bands: vec![0.0; BANDS],
            tracker: NoiseTracker::new(BANDS, FLOOR),
            before: vec![0.0; BANDS],
            posterior: vec![0.0; BANDS],
            prior: vec![0.0; BANDS],
            level: Level::new(LEVEL_FLOOR),
            far_level: Level::new(FAR_LEVEL_FLOOR),
        }
    }

    /// Writes [`INPUTS`] features of a frame; without echo the far end is silent.
    pub fn extract(&mut self, power: &[f32], echo: Option<EchoPowers>, input: &mut [f32]) {
        let (error, rest) = input.split_at_mut(BANDS);
        let (hidden, rest) = rest.split_at_mut(BANDS);
        let (far, rest) = rest.split_at_mut(BANDS);
        let (posterior, prior) = rest.split_at_mut(BANDS);

        self.sum(power);
        logarithms(&self.bands, FLOOR, error);
        let level = self.level.follow(error);
        self.tracker.update(&self.bands, None);
        ratios(&self.bands, self.tracker.noise(), &mut self.before, &mut self.posterior, &mut self.prior);
        logarithms(&self.posterior, 0.0, posterior);
        logarithms(&self.prior, 0.0, prior);

        self.sum(echo.map_or(&[], |echo| echo.estimate));
        logarithms(&self.bands, HIDDEN_FLOOR * level.exp(), hidden);

        self.sum(echo.map_or(&[], |echo| echo.far));
        logarithms(&self.bands, FLOOR, far);
        let far_level = self.far_level.follow(far);

        against(error, level);
        against(hidden, level);
        against(far, far_level);
        against(posterior, 0.0);
        against(prior, 0.0);
    }

    /// Writes the mean power of each band; bins that are not there are silent.
    fn sum(&mut self, power: &[f32]) {
        self.bands.fill(0.0);
        for ((power, below), share) in power.iter().zip(&self.below).zip(&self.share) {
            self.bands[*below] += power * (1.0 - share);
            self.bands[below + 1] += power * share;
        }
        for (band, weight) in self.bands.iter_mut().zip(&self.weight) {
            *band *= weight;
        }
    }

    /// Writes the gain of each bin from those of the bands: linear between, the mean of the last bands above 8 kHz.
    pub fn spread(&self, bands: &[f32], gains: &mut [f32]) {
        for ((gain, below), share) in gains.iter_mut().zip(&self.below).zip(&self.share) {
            *gain = bands[*below] + share * (bands[below + 1] - bands[*below]);
        }
        if gains.len() > BINS {
            let top = bands[BANDS - TOP_BANDS..].iter().sum::<f32>() / TOP_BANDS as f32;
            gains[BINS..].fill(top);
        }
    }

    pub fn reset(&mut self) {
        self.tracker.reset();
        self.before.fill(0.0);
        self.level.reset();
        self.far_level.reset();
    }
}

kernels! {
    /// `ln(power + floor)`; the sum must be normal, positive and finite.
    ///
    /// Exponent apart, `ln m = 2 atanh((m - 1) / (m + 1))` by its series for m within √½ and √2: 2e-6 at most.
    fn logarithms(power: &[f32], floor: f32, out: &mut [f32]) {
        for (out, power) in out.iter_mut().zip(power) {
            let bits = (power + floor).to_bits().wrapping_sub(0x3f35_04f3);
            let exponent = (bits as i32 >> 23) as f32;
            let mantissa = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
            let s = (mantissa - 1.0) / (mantissa + 1.0);
            let q = s * s;
            let series = 2.0 + q * (2.0 / 3.0 + q * (0.4 + q * (2.0 / 7.0 + q * (2.0 / 9.0))));
            *out = exponent * std::f32::consts::LN_2 + s * series;
        }
    }

    /// The ratios of power to noise, and those of speech to noise that the last frame's lead to expect.
    fn ratios(power: &[f32], noise: &[f32], before: &mut [f32], posterior: &mut [f32], prior: &mut [f32]) {
        let n = power.len();
        let (noise, before) = (&noise[..n], &mut before[..n]);
        let (posterior, prior) = (&mut posterior[..n], &mut prior[..n]);
        for k in 0..n {
            let inverse = 1.0 / (noise[k] + FLOOR);
            let ratio = (power[k] * inverse).clamp(RATIO_LEAST, RATIO_MOST);
            let directed = MEMORY * before[k] * inverse + (1.0 - MEMORY) * (ratio - 1.0).max(0.0);
            let directed = directed.clamp(PRIOR_LEAST, RATIO_MOST);
            let gain = directed / (1.0 + directed);
            before[k] = gain * gain * power[k];
            (posterior[k], prior[k]) = (ratio, directed);
        }
    }

    fn against(logarithms: &mut [f32], level: f32) {
        for x in logarithms {
            *x = ((*x - level) * SCALE).clamp(-CLIP, CLIP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_are_single_bins_below_and_widen_above() {
        assert_eq!((0..SINGLE).map(centre).collect::<Vec<_>>(), (1..=SINGLE).collect::<Vec<_>>());
        assert_eq!((centre(SINGLE), centre(LEVEL_BANDS - 1), centre(BANDS - 1)), (34, 68, 160));
        assert!((1..BANDS).all(|band| centre(band) > centre(band - 1)));
    }

    #[test]
    fn logarithms_are_as_good_as_the_library_s() {
        let power: Vec<f32> = (-60..60).map(|k| 1.37_f32.powi(k)).collect();
        let mut out = vec![0.0; power.len()];
        logarithms(&power, 0.0, &mut out);
        for (power, out) in power.iter().zip(&out) {
            assert!((out - power.ln()).abs() < 4e-6 * power.ln().abs().max(1.0), "{power}: {out}");
        }
    }

    #[test]
    fn equal_gains_stay_equal_and_reach_the_highest_bin() {
        for rate in crate::config::SAMPLE_RATES {
            let mut gains = vec![0.0; (rate / 100) as usize + 1];
            Features::new(rate).spread(&[0.25; BANDS], &mut gains);
            assert!(gains.iter().all(|gain| (gain - 0.25).abs() < 1e-6), "{rate}");
        }
    }

    #[test]
    fn a_flat_spectrum_has_flat_bands_at_every_rate() {
        for rate in crate::config::SAMPLE_RATES {
            let scale = (rate as f32 / 16_000.0).powi(2);
            let mut features = Features::new(rate);
            features.sum(&vec![scale; (rate / 100) as usize + 1]);
            let present = if rate == 8_000 { 48 } else { BANDS };
            assert!(features.bands[..present].iter().all(|band| (band - 1.0).abs() < 1e-5), "{rate}");
        }
    }

    #[test]
    fn loudness_does_not_matter() {
        let power: Vec<f32> = (0..BINS).map(|k| 0.01 + (k * 7 % 13) as f32).collect();
        let louder: Vec<f32> = power.iter().map(|power| power * 100.0).collect();
        let (mut quiet, mut loud) = (Features::new(16_000), Features::new(16_000));
        let (mut a, mut b) = (vec![0.0; INPUTS], vec![0.0; INPUTS]);
        for _ in 0..20 {
            quiet.extract(&power, None, &mut a);
            loud.extract(&louder, None, &mut b);
        }
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-3, "{a} {b}");
        }
    }

    #[test]
    fn silence_has_finite_features() {
        let mut input = vec![f32::NAN; INPUTS];
        let mut features = Features::new(48_000);
        for _ in 0..3 {
            let silence = [0.0; 481];
            features.extract(&silence, Some(EchoPowers { estimate: &silence, far: &silence }), &mut input);
            assert!(input.iter().all(|x| x.is_finite() && x.abs() <= CLIP));
        }
    }
}
