//! What the network sees of a frame, and what its gains of bands are for bins.
//!
//! A spectrum of 32 ms, its bins 31.25 Hz apart up to 2 kHz, from there on bands that widen as those of hearing do. The
//! window ends with the frame and falls within 10 ms: the network sees what it is to answer for, and the harmonics that
//! 20 ms do not tell apart, without a delay. All is brought to a running level, so that the loudness of the input does not
//! matter. `dsp/training/network.py` is the same in Python; a test holds the two together with numbers that `export.py` wrote.

use super::EchoPowers;
use super::network::Seen;
use super::weights::{BANDS, INPUTS};
use crate::fft::Spectrum;
use crate::simd::kernels;
use crate::stft::{Analyzer, FAINT, frame_len};

/// Bands of one bin.
const SINGLE: usize = 65;
/// Bins up to 8 kHz, and those of the engine's own spectra.
const BINS: usize = 257;
const ECHO_BINS: usize = 161;
/// Width of the engine's bins, Hz.
const ECHO_BIN: f32 = 50.0;
/// Bins whose mean logarithm is the level: up to 4 kHz, which every rate has.
const LEVEL_BINS: std::ops::RangeInclusive<usize> = 1..=128;
const FAR_LEVEL_BINS: std::ops::RangeInclusive<usize> = 1..=80;
/// To this level everything is brought, natural logarithm of power per bin.
const LEVEL: f32 = -2.5;
/// Lowest running level, and that of a far end that speaks.
const LEVEL_FLOOR: f32 = -11.0;
const FAR_LEVEL_FLOOR: f32 = -5.0;
/// Added to powers: about the noise of 16 bits.
const FLOOR: f32 = 1e-7;
const ATTACK: f32 = 0.1;
const RELEASE: f32 = 0.005;
/// Above the last band the gain is the mean of this many bands below it.
const TOP_BANDS: usize = 8;

/// Samples of the spectrum that the network sees, at `rate` Hz: 32 ms, or a little less where that cannot be transformed.
fn length(rate: u32) -> usize {
    if rate == 44_100 { 1_400 } else { (rate / 125 * 4) as usize }
}

/// Rises over all but the last 10 ms, and falls in these, both as a sine; scaled so that spectra of every rate are alike.
fn window(rate: u32) -> Vec<f32> {
    let (length, fall) = (length(rate), frame_len(rate));
    let quarter = |k: usize, n: usize| (std::f32::consts::FRAC_PI_2 * (k as f32 + 0.5) / n as f32).sin();
    let rise = length - fall;
    let shape = |k: usize| if k < rise { quarter(k, rise) } else { quarter(length - 1 - k, fall) };
    let mut window: Vec<f32> = (0..length).map(shape).collect();
    let power: f32 = window.iter().map(|w| w * w).sum();
    let scale = (length as f32 / 2.0 / power).sqrt() * 512.0 / length as f32;
    window.iter_mut().for_each(|w| *w *= scale);
    window
}

/// The bin in which band `band` is centred: one each to 2 kHz, then equally far apart on the scale of equivalent rectangular
/// bandwidths (Glasberg and Moore 1990) to 8 kHz.
fn centre(band: usize) -> usize {
    if band < SINGLE {
        return band;
    }
    let scale = |hz: f64| 21.4 * (0.00437 * hz + 1.0).log10();
    let (low, high) = (scale(SINGLE as f64 * 31.25), scale(8_000.0));
    let at = low + (high - low) * (band - SINGLE) as f64 / (BANDS - 1 - SINGLE) as f64;
    ((10.0_f64.powf(at / 21.4) - 1.0) / 0.00437 / 31.25).round_ties_even() as usize
}

/// A place between two neighbours: the lower, and how far it is from there to the next, 0 to 1.
#[derive(Clone, Copy, Debug)]
struct Between {
    below: usize,
    share: f32,
}

impl Between {
    /// Of `at` among places that rise; beyond the ends it is the end.
    fn among(at: f32, places: &[f32]) -> Self {
        let below = places.partition_point(|place| *place <= at).saturating_sub(1).min(places.len() - 2);
        let (low, high) = (places[below], places[below + 1]);
        Self { below, share: ((at - low) / (high - low)).clamp(0.0, 1.0) }
    }

    #[inline(always)]
    fn of(self, values: &[f32]) -> f32 {
        let low = values[self.below];
        low + self.share * (values[self.below + 1] - low)
    }
}

/// A level that rises in 0.1 s and falls in 2 s, and finds its place at once in the beginning.
#[derive(Clone, Debug)]
struct Level {
    value: f32,
    frames: u32,
}

impl Level {
    fn new() -> Self {
        Self { value: LEVEL_FLOOR, frames: 0 }
    }

    /// Takes the logarithms of a frame's powers.
    fn follow(&mut self, logarithms: &[f32]) -> f32 {
        let now = (logarithms.iter().sum::<f32>() / logarithms.len() as f32).max(LEVEL_FLOOR);
        self.frames = self.frames.saturating_add(1);
        let rate = if now > self.value { ATTACK } else { RELEASE };
        self.value += rate.max(1.0 / self.frames as f32) * (now - self.value);
        self.value
    }

    fn reset(&mut self) {
        *self = Self::new();
    }
}

/// Turns frames into what the network sees, and gains of bands into gains of bins.
#[derive(Clone, Debug)]
pub(super) struct Features {
    analyzer: Analyzer,
    spectrum: Spectrum,
    /// Power of each bin, then its amplitude; and the logarithms of powers.
    power: Vec<f32>,
    logarithms: Vec<f32>,
    /// Amplitudes of the echo estimate or the far end.
    amplitudes: Vec<f32>,
    /// Amplitude of the engine's spectra in units that do not depend on the rate.
    scale: f32,
    /// Of each bin from the first wide band on the bands beside it.
    bands: Vec<Between>,
    /// Of each band the engine's bins beside it, and of each of these the bands.
    echo_bins: Vec<Between>,
    gains: Vec<Between>,
    level: Level,
    far_level: Level,
}

impl Features {
    /// For frames and spectra at `rate` Hz; `None` when frames cannot be transformed.
    pub fn new(rate: u32) -> Option<Self> {
        let centres: Vec<f32> = (0..BANDS).map(|band| centre(band) as f32).collect();
        let unit = rate as f32 / length(rate) as f32;
        let hertz: Vec<f32> = centres.iter().map(|bin| bin * unit).collect();
        let own: Vec<f32> = (0..ECHO_BINS).map(|bin| bin as f32 * ECHO_BIN).collect();
        Some(Self {
            analyzer: Analyzer::with_window(window(rate), length(rate))?,
            spectrum: Spectrum::new(length(rate) / 2 + 1),
            power: vec![0.0; BINS],
            logarithms: vec![0.0; *LEVEL_BINS.end()],
            amplitudes: vec![0.0; ECHO_BINS],
            scale: 16_000.0 / rate as f32,
            bands: (SINGLE..BINS).map(|bin| Between::among(bin as f32, &centres)).collect(),
            echo_bins: hertz.iter().map(|hz| Between::among(*hz, &own)).collect(),
            gains: own.iter().map(|hz| Between::among(*hz, &hertz)).collect(),
            level: Level::new(),
            far_level: Level::new(),
        })
    }

    /// Writes what the network sees of a frame; without echo the far end is silent.
    pub fn extract(&mut self, frame: &[f32], echo: Option<EchoPowers>, seen: &mut Seen) {
        self.analyzer.analyze(frame, &mut self.spectrum);
        let there = self.spectrum.re.len().min(BINS);
        let (re, im) = (&self.spectrum.re[..there], &self.spectrum.im[..there]);
        powers(re, im, &mut self.power);
        let low = &self.power[LEVEL_BINS];
        logarithms(low, FLOOR, &mut self.logarithms[..low.len()]);
        let level = self.level.follow(&self.logarithms[..low.len()]);
        let scale = (-0.5 * (level - LEVEL)).exp();
        scaled_amplitudes(&mut self.power, scale);
        let (_, rest) = seen.split_at_mut(3);
        let (seen, _) = rest.split_at_mut(BANDS);
        for ((seen, amplitude), (re, im)) in seen.iter_mut().zip(&self.power).zip(re.iter().zip(im)).take(SINGLE) {
            (seen[0], seen[1], seen[2]) = (*amplitude, scale * re, scale * im);
        }
        seen[SINGLE..].fill([0.0; INPUTS]);
        let bins = self.power.iter().zip(re.iter().zip(im)).skip(SINGLE);
        for ((amplitude, (re, im)), at) in bins.zip(&self.bands) {
            let values = [*amplitude, scale * re, scale * im];
            for (k, value) in values.into_iter().enumerate() {
                seen[at.below][k] += (1.0 - at.share) * value;
                seen[at.below + 1][k] += at.share * value;
            }
        }
        amplitudes(echo.map_or(&[], |echo| echo.estimate), self.scale, &mut self.amplitudes);
        self.place(3, scale, seen);
        amplitudes(echo.map_or(&[], |echo| echo.far), self.scale, &mut self.amplitudes);
        let far = &self.amplitudes[FAR_LEVEL_BINS];
        squares(far, &mut self.power[..far.len()]);
        logarithms(&self.power[..far.len()], FLOOR, &mut self.logarithms[..far.len()]);
        let far_level = self.far_level.follow(&self.logarithms[..far.len()]).max(FAR_LEVEL_FLOOR);
        self.place(4, (-0.5 * (far_level - LEVEL)).exp(), seen);
    }

    /// Writes the amplitudes of bins, weighed, into one of the five numbers of each band.
    fn place(&self, input: usize, scale: f32, seen: &mut [[f32; INPUTS]]) {
        for (seen, at) in seen.iter_mut().zip(&self.echo_bins) {
            seen[input] = scale * at.of(&self.amplitudes);
        }
    }

    /// Writes the gain of each bin from those of the bands: linear between, the mean of the last bands above 8 kHz.
    pub fn spread(&self, bands: &[f32; BANDS], gains: &mut [f32]) {
        for (gain, at) in gains.iter_mut().zip(&self.gains) {
            *gain = at.of(bands);
        }
        if gains.len() > ECHO_BINS {
            let top = bands[BANDS - TOP_BANDS..].iter().sum::<f32>() / TOP_BANDS as f32;
            gains[ECHO_BINS..].fill(top);
        }
    }

    pub fn reset(&mut self) {
        self.analyzer.reset();
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

    /// `|X|²` of each bin; of bins that are not there 0.
    fn powers(re: &[f32], im: &[f32], power: &mut [f32]) {
        let (there, rest) = power.split_at_mut(re.len());
        for ((power, re), im) in there.iter_mut().zip(re).zip(im) {
            *power = re * re + im * im;
        }
        rest.fill(0.0);
    }

    /// Powers become amplitudes, times `scale`.
    fn scaled_amplitudes(power: &mut [f32], scale: f32) {
        for power in power {
            *power = (scale * scale * *power + FAINT).sqrt();
        }
    }

    /// `scale × √power`; of bins that are not there 0.
    fn amplitudes(power: &[f32], scale: f32, out: &mut [f32]) {
        let count = power.len().min(out.len());
        let (there, rest) = out.split_at_mut(count);
        for (out, power) in there.iter_mut().zip(power) {
            *out = scale * power.sqrt();
        }
        rest.fill(0.0);
    }

    fn squares(amplitudes: &[f32], power: &mut [f32]) {
        for (power, x) in power.iter_mut().zip(amplitudes) {
            *power = x * x;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bands_are_single_bins_below_and_widen_above() {
        assert!((0..SINGLE).all(|band| centre(band) == band));
        assert_eq!([65, 66, 67, 97, 127, 128].map(centre), [65, 66, 68, 132, 251, 256]);
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
            Features::new(rate).unwrap().spread(&[0.25; BANDS], &mut gains);
            assert!(gains.iter().all(|gain| (gain - 0.25).abs() < 1e-6), "{rate}");
        }
    }

    /// A frame of tones 62.5 Hz apart up to 3,750 Hz: all that every rate has is there.
    fn tones(rate: u32, frame: usize, level: f32) -> Vec<f32> {
        let count = frame_len(rate);
        let tone = |k: usize, n: u32| {
            (std::f64::consts::TAU * 62.5 * f64::from(n) * k as f64 / f64::from(rate) + f64::from(n * n)).sin() as f32
        };
        (frame * count..(frame + 1) * count).map(|k| level * (1..=60).map(|n| tone(k, n)).sum::<f32>()).collect()
    }

    #[test]
    fn a_sound_is_seen_alike_at_every_rate_and_level() {
        let seen_at = |rate: u32, level: f32| {
            let mut features = Features::new(rate).unwrap();
            let mut seen = [[0.0; INPUTS]; BANDS + 6];
            // Echo and far end stand out around 1 kHz, in units of the rate.
            let mut power = vec![(level * rate as f32 / 200.0).powi(2); 81];
            power[18..23].iter_mut().for_each(|power| *power *= 100.0);
            for frame in 0..10 {
                let echo = EchoPowers { estimate: &power, far: &power };
                features.extract(&tones(rate, frame, level), Some(echo), &mut seen);
            }
            let echo = |input: usize| {
                let most = seen.iter().map(|band| band[input]).fold(0.0, f32::max);
                assert!(seen[3 + 32][input] > 0.99 * most && seen[3 + 80][input] < 0.11 * most, "{rate} Hz");
                most
            };
            [seen[3 + 32][0], seen[3 + 80][0], echo(3), echo(4)]
        };
        let wanted = seen_at(16_000, 0.01);
        assert!(wanted.iter().all(|x| *x > 0.2), "{wanted:?}");
        for (rate, level) in crate::config::SAMPLE_RATES.into_iter().flat_map(|rate| [(rate, 0.01), (rate, 0.003)]) {
            for (k, (seen, wanted)) in seen_at(rate, level).into_iter().zip(wanted).enumerate() {
                assert!((seen / wanted).ln().abs() < 0.2, "{rate} Hz, {level}, {k}: {seen}, {wanted}");
            }
        }
    }

    #[test]
    fn silence_has_finite_features() {
        let mut seen = [[f32::NAN; INPUTS]; BANDS + 6];
        let mut features = Features::new(48_000).unwrap();
        for _ in 0..3 {
            let silence = [0.0; 481];
            let echo = EchoPowers { estimate: &silence, far: &silence };
            features.extract(&silence[..480], Some(echo), &mut seen);
            assert!(seen[3..BANDS + 3].as_flattened().iter().all(|x| x.is_finite() && x.abs() < 1.0));
        }
    }
}
