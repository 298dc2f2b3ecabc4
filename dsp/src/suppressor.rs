//! One gain per bin for all that is not the near end's voice.

mod makeup;

use crate::config::{NoiseEngine, NoiseLevel};
use crate::echo::EchoCanceller;
use crate::echo::residual::ResidualEcho;
use crate::fft::Spectrum;
use crate::neural::{EchoPowers, NeuralSuppressor};
use crate::noise::NoiseSuppressor;
use crate::simd::kernels;
use crate::stft::{Analyzer, FAINT, Synthesizer, bins, overlap};
use makeup::Makeup;

/// Smallest gain for residual echo: −50 dB.
const ECHO_FLOOR: f32 = 0.003;
/// How much more residual echo is assumed than is estimated while the near end speaks; and beside that when it does not.
const CAUTION: f32 = 1.5;
const ALONE: f32 = 20.0;
/// From this probability on the network hears the near end.
const HEARD: f32 = 0.125;
/// A bin stands out at this ratio to the residual echo.
const STANDING_OUT: f32 = 3.0;
/// The share of bins that do so by chance, and the share above it that speech brings.
const BY_CHANCE: f32 = 0.15;
const SPEECH: f32 = 0.25;
/// How fast the near end is forgotten when it falls silent, per frame.
const RELEASE: f32 = 0.85;
const FORGOTTEN: f32 = 1e-3;
/// Weight of the last frame in the a-priori ratio of near end to echo (Ephraim and Malah, IEEE TASSP 32, 1984).
const MEMORY: f32 = 0.7;
/// The bins of voice: 300 to 4,000 Hz.
const VOICE: std::ops::Range<usize> = 6..80;

/// Analysis, gains and synthesis of one signal.
#[derive(Clone, Debug)]
pub(crate) struct Suppressor {
    latency: usize,
    error: Analyzer,
    echo: Analyzer,
    synthesizer: Synthesizer,
    spectrum: Spectrum,
    echo_spectrum: Spectrum,
    power: Vec<f32>,
    echo_power: Vec<f32>,
    residual: Vec<f32>,
    /// A-posteriori ratio times squared gain of the last frame.
    before: Vec<f32>,
    gains: Vec<f32>,
    /// The network's gains against echo, and against noise.
    echo_gains: Vec<f32>,
    noise_gains: Vec<f32>,
    residual_echo: ResidualEcho,
    noise: NoiseSuppressor,
    makeup: Makeup,
    linear: usize,
    /// How likely the near end speaks, 0 to 1.
    near: f32,
    neural: Option<NeuralSuppressor>,
}

impl Suppressor {
    /// For `rate` Hz, the linear filter working on the lowest `linear` bins; `None` when frames cannot be transformed.
    pub fn new(rate: u32, linear: usize) -> Option<Self> {
        let bins = bins(rate);
        let linear = linear.min(bins);
        Some(Self {
            latency: overlap(rate),
            error: Analyzer::new(rate)?,
            echo: Analyzer::new(rate)?,
            synthesizer: Synthesizer::new(rate)?,
            spectrum: Spectrum::new(bins),
            echo_spectrum: Spectrum::new(linear),
            power: vec![0.0; bins],
            echo_power: vec![0.0; linear],
            residual: vec![0.0; linear],
            before: vec![1.0; linear],
            gains: vec![1.0; bins],
            echo_gains: vec![1.0; bins],
            noise_gains: vec![1.0; bins],
            residual_echo: ResidualEcho::new(linear),
            noise: NoiseSuppressor::new(rate),
            makeup: Makeup::default(),
            linear,
            near: 0.0,
            neural: None,
        })
    }

    /// Samples by which the output is later.
    pub fn latency(&self) -> usize {
        self.latency
    }

    /// The network for noise and residual echo together.
    pub fn set_neural(&mut self, neural: Option<NeuralSuppressor>) {
        self.neural = neural;
    }

    /// Whether there is a network.
    pub fn has_neural(&self) -> bool {
        self.neural.is_some()
    }

    /// How far noise is suppressed.
    pub fn set_level(&mut self, level: NoiseLevel) {
        self.noise.set_level(level);
        if let Some(neural) = &mut self.neural {
            neural.set_least(level.least_gain());
        }
    }

    /// Noise power per bin, while noise is suppressed.
    pub fn noise(&self) -> &[f32] {
        self.noise.noise()
    }

    /// How likely the near end speaks, 0 to 1.
    pub fn near_end(&self) -> f32 {
        self.near
    }

    /// Takes the frame that the linear filter left, and makes of it one without the rest of the echo and without noise.
    ///
    /// The gains for noise come on top of those for residual echo; where there is a network it gives the latter, and its gains
    /// for noise are united with those of the spectral engine.
    pub fn process(&mut self, canceller: Option<&EchoCanceller>, noise: Option<NoiseEngine>, frame: &mut [f32]) {
        self.error.analyze(frame, &mut self.spectrum);
        self.spectrum.power_into(&mut self.power);
        self.gains.fill(1.0);
        // Without an echo, or while the far end is silent, there is nothing of it to suppress: whatever else speaks stays.
        let canceller = canceller.filter(|canceller| canceller.is_active());
        if let Some(canceller) = canceller {
            self.echo.analyze(canceller.echo(), &mut self.echo_spectrum);
            self.echo_spectrum.power_into(&mut self.echo_power);
        }
        if noise == Some(NoiseEngine::Neural) && self.neural.is_some() {
            self.run_network(frame, canceller);
        } else {
            if let Some(canceller) = canceller {
                self.suppress_echo(canceller);
            }
            if noise.is_some() {
                self.noise.apply(&self.power, canceller.map(|_| &self.residual[..]), &mut self.gains);
            }
        }
        let mut makeup = 1.0;
        if noise.is_some() {
            if canceller.is_none() {
                self.makeup.update(&self.power, self.noise.noise(), &self.gains);
            }
            makeup = self.makeup.gain();
        }
        scale(&self.gains, makeup, &mut self.spectrum.re, &mut self.spectrum.im);
        self.synthesizer.synthesize(&self.spectrum, frame);
    }

    /// Writes the gains that the network and the statistics of the spectrum give together.
    ///
    /// Against echo the network's count; while it hears no near end, the estimated residual echo lowers them further.
    /// Against noise both engines' count, which know other things.
    fn run_network(&mut self, frame: &[f32], canceller: Option<&EchoCanceller>) {
        let Some(neural) = &mut self.neural else { return };
        let echo = canceller.map(|canceller| EchoPowers { estimate: &self.echo_power, far: canceller.far_power() });
        neural.echo_gains(frame, echo, &mut self.echo_gains);
        neural.noise_gains(&mut self.noise_gains);
        let least = neural.least();
        self.near = neural.speech_probability().max(RELEASE * self.near);
        if self.near < FORGOTTEN {
            self.near = 0.0;
        }
        if let Some(canceller) = canceller {
            self.estimate_residual(canceller);
            self.wiener_gains((1.0 - self.near / HEARD).max(0.0) * ALONE);
            multiply(&self.gains, &mut self.echo_gains);
        }
        self.gains.copy_from_slice(&self.echo_gains);
        share_taken(&self.power, &self.echo_gains, &mut self.residual);
        self.noise.apply(&self.power, canceller.map(|_| &self.residual[..]), &mut self.gains);
        unite(&self.echo_gains, &self.noise_gains, least, &mut self.gains);
    }

    /// Estimates the power of what the filter leaves of the echo.
    fn estimate_residual(&mut self, canceller: &EchoCanceller) {
        let (far, misalignment) = (canceller.far_power(), canceller.misalignment());
        self.residual_echo.estimate(&self.power, &self.echo_power, far, misalignment, &mut self.residual);
    }

    /// Writes the gains for the estimated residual echo, taken to be `caution` times as strong.
    fn wiener_gains(&mut self, caution: f32) {
        let (low, high) = self.gains.split_at_mut(self.linear);
        wiener(&self.power, &self.residual, caution, &mut self.before, low);
        // Above the filter's bins the highest of them speak for the rest.
        let top = &low[self.linear - self.linear / 8..];
        high.fill(top.iter().sum::<f32>() / top.len() as f32);
    }

    /// Writes the gains for what the filter leaves of the echo.
    fn suppress_echo(&mut self, canceller: &EchoCanceller) {
        self.estimate_residual(canceller);
        let near = probability(&self.power[..self.linear], &self.residual);
        self.near = near.max(RELEASE * self.near);
        if self.near < FORGOTTEN {
            self.near = 0.0;
        }
        self.wiener_gains(CAUTION + (1.0 - self.near) * ALONE);
    }

    pub fn reset(&mut self) {
        self.error.reset();
        self.synthesizer.reset();
        self.forget_echo();
        self.forget_noise();
    }

    /// Another echo is coming.
    pub fn forget_echo(&mut self) {
        self.echo.reset();
        self.before.fill(1.0);
        self.residual_echo.reset();
        self.near = 0.0;
    }

    /// Another noise is coming.
    pub fn forget_noise(&mut self) {
        self.noise.reset();
        self.makeup = Makeup::default();
        self.forget_network();
    }

    /// The network begins, and what it remembers is long past.
    pub fn forget_network(&mut self) {
        if let Some(neural) = &mut self.neural {
            neural.reset();
        }
    }
}

/// How likely the near end speaks, from the share of voice bins that stand out of the residual echo: 0 to 1.
fn probability(power: &[f32], residual: &[f32]) -> f32 {
    let range = VOICE.start..VOICE.end.min(power.len());
    let bins = power[range.clone()].iter().zip(&residual[range.clone()]);
    let above = bins.filter(|(power, residual)| **power > STANDING_OUT * **residual + FAINT).count();
    ((above as f32 / range.len() as f32 - BY_CHANCE) / SPEECH).clamp(0.0, 1.0)
}

kernels! {
    fn wiener(power: &[f32], residual: &[f32], caution: f32, before: &mut [f32], gains: &mut [f32]) {
        let n = gains.len();
        let (power, residual, before) = (&power[..n], &residual[..n], &mut before[..n]);
        for k in 0..n {
            let posterior = power[k] / (caution * residual[k] + FAINT);
            let prior = MEMORY * before[k] + (1.0 - MEMORY) * (posterior - 1.0).max(0.0);
            let gain = (prior / (1.0 + prior)).max(ECHO_FLOOR);
            before[k] = (gain * gain * posterior).min(1e4);
            gains[k] = gain;
        }
    }

    fn multiply(by: &[f32], gains: &mut [f32]) {
        for (gain, by) in gains.iter_mut().zip(by) {
            *gain *= by;
        }
    }

    /// The power that gains take away.
    fn share_taken(power: &[f32], gains: &[f32], taken: &mut [f32]) {
        for ((taken, power), gain) in taken.iter_mut().zip(power).zip(gains) {
            *taken = power * (1.0 - gain * gain);
        }
    }

    /// Of the spectral engine's gains for echo and noise, takes those for noise by half (in dB) and those of the network for
    /// noise in full; together they never take more than the level allows.
    fn unite(echo: &[f32], noise: &[f32], least: f32, gains: &mut [f32]) {
        let n = gains.len();
        let (echo, noise) = (&echo[..n], &noise[..n]);
        for k in 0..n {
            gains[k] = (noise[k] * (echo[k] * gains[k]).sqrt()).max(least * echo[k]);
        }
    }

    fn scale(gains: &[f32], makeup: f32, re: &mut [f32], im: &mut [f32]) {
        for ((re, im), gain) in re.iter_mut().zip(im).zip(gains) {
            *re *= makeup * gain;
            *im *= makeup * gain;
        }
    }
}
