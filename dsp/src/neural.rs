//! Suppression of noise and residual echo by a small recurrent network: one gain for each band, 10 ms at a time.
//!
//! The network sees the spectrum of what the linear canceller leaves, and how much there is in it of the echo that was
//! taken out and of the far end. It answers with two gains for each of 129 bands: one that keeps speech alone, one that keeps
//! speech and noise but no echo, and the probability of speech. It is causal and has no look-ahead.
//! `dsp/training` makes the weights.

mod features;
mod layers;
mod network;
mod weights;

pub use weights::{Network, NetworkError};

use std::sync::Arc;

use features::Features;
use network::{Seen, State};
use weights::{BANDS, INPUTS};

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
    seen: Box<Seen>,
    speech: [f32; BANDS],
    both: [f32; BANDS],
    least: f32,
}

impl NeuralSuppressor {
    /// For frames of `rate` Hz; `None` when they cannot be transformed. Noise is left at the gain `least` (amplitude; 1: not
    /// suppressed at all), residual echo is not.
    pub fn new(rate: u32, network: Arc<Network>, least: f32) -> Option<Self> {
        Some(Self {
            features: Features::new(rate)?,
            state: State::new(network),
            seen: Box::new([[0.0; INPUTS]; BANDS + 6]),
            speech: [0.0; BANDS],
            both: [0.0; BANDS],
            least,
        })
    }

    /// Takes the next frame (10 ms) of what the linear canceller left and writes the gain of each bin that leaves speech and
    /// noise, but no echo.
    pub fn echo_gains(&mut self, frame: &[f32], echo: Option<EchoPowers>, gains: &mut [f32]) {
        self.features.extract(frame, echo, &mut self.seen);
        self.state.run(&self.seen, &mut self.speech, &mut self.both);
        self.features.spread(&self.both, gains);
    }

    /// Writes the gains of the same frame's bins that leave, of what is no echo, the speech.
    pub fn noise_gains(&self, gains: &mut [f32]) {
        let bands = std::array::from_fn(|band| (self.speech[band] / self.both[band].max(1e-6)).min(1.0));
        self.features.spread(&bands, gains);
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
        self.state.voice()
    }

    /// Forgets the signal so far.
    pub fn reset(&mut self) {
        self.features.reset();
        self.state.reset();
    }
}

#[cfg(test)]
mod tests;
