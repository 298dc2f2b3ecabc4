//! Suppression of noise and residual echo by a small recurrent network: one gain for each band, 10 ms at a time.
//!
//! The network sees the logarithmic band powers of what the linear canceller leaves, of the echo that it took out and of
//! the far end, each against its own running level, and how far each band of the first is above its floor. It answers with
//! two gains for each of 64 bands: one that keeps speech alone, one that keeps speech and noise but no echo, and the
//! probability of speech. It is causal and has no look-ahead.
//! `dsp/training` makes the weights.

mod features;
mod network;
mod product;

pub use network::{Network, NetworkError};

use std::sync::Arc;

use features::{BANDS, Features};
use network::State;

/// What the far end contributed to a frame: powers of the bins, 50 Hz apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EchoPowers<'a> {
    /// `|Ŷ|²` of the echo that the linear filter took out.
    pub estimate: &'a [f32],
    /// `|X|²` of the far end, as late as its echo.
    pub far: &'a [f32],
}

/// The network at work on one signal.
#[derive(Clone, Debug)]
pub(crate) struct NeuralSuppressor {
    features: Features,
    state: State,
    input: Vec<f32>,
    output: Vec<f32>,
    bands: Vec<f32>,
    least: f32,
}

impl NeuralSuppressor {
    /// For spectra of `rate` Hz. Noise is left at the gain `least` (amplitude; 1: not suppressed at all), residual echo is
    /// not.
    pub fn new(rate: u32, network: Arc<Network>, least: f32) -> Self {
        let state = State::new(network);
        Self {
            features: Features::new(rate),
            input: vec![0.0; features::INPUTS],
            output: vec![0.0; state.outputs()],
            bands: vec![0.0; BANDS],
            state,
            least,
        }
    }

    /// Takes a frame whose bins have the powers `|E|²` and writes the gain of each bin that leaves speech and noise, but no
    /// echo; as many of both.
    pub fn echo_gains(&mut self, power: &[f32], echo: Option<EchoPowers>, gains: &mut [f32]) {
        self.features.extract(power, echo, &mut self.input);
        self.state.run(&self.input, &mut self.output);
        self.features.spread(&self.output[BANDS..2 * BANDS], gains);
    }

    /// Writes the gains of the same frame's bins that leave, of what is no echo, the speech.
    pub fn noise_gains(&mut self, gains: &mut [f32]) {
        let (speech, rest) = self.output.split_at(BANDS);
        for ((band, speech), both) in self.bands.iter_mut().zip(speech).zip(rest) {
            *band = (speech / both.max(1e-6)).min(1.0);
        }
        self.features.spread(&self.bands, gains);
    }

    /// Leaves noise at the gain `least` from now on.
    pub fn set_least(&mut self, least: f32) {
        self.least = least;
    }

    /// The gain at which noise is left (amplitude; 1: it is not suppressed at all).
    pub fn least(&self) -> f32 {
        self.least
    }

    /// Probability that the last frame had speech of the near end, 0 to 1.
    pub fn speech_probability(&self) -> f32 {
        self.output[2 * BANDS]
    }

    /// Forgets the signal so far.
    pub fn reset(&mut self) {
        self.features.reset();
        self.state.reset();
        self.output.fill(0.0);
        self.bands.fill(0.0);
    }
}

#[cfg(test)]
mod tests;
