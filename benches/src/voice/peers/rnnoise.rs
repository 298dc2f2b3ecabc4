//! RNNoise as `nnnoiseless`: noise suppression alone.

use nnnoiseless::DenoiseState;

use crate::voice::{Engine, Error};

/// `nnnoiseless` counts in steps of 16-bit samples.
const FULL_SCALE: f32 = 32_768.0;

/// One state.
pub(super) struct RnNoise {
    state: Box<DenoiseState<'static>>,
    input: [f32; DenoiseState::FRAME_SIZE],
}

impl RnNoise {
    /// At rest, with the model that comes with the crate.
    pub(super) fn new() -> Self {
        Self { state: DenoiseState::new(), input: [0.0; DenoiseState::FRAME_SIZE] }
    }
}

impl Default for RnNoise {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine for RnNoise {
    fn render(&mut self, _far: &[f32]) -> Result<(), Error> {
        Ok(())
    }

    fn capture(&mut self, near: &mut [f32]) -> Result<(), Error> {
        for (input, near) in self.input.iter_mut().zip(near.iter()) {
            *input = near * FULL_SCALE;
        }
        self.state.process_frame(near, &self.input);
        for sample in near.iter_mut() {
            *sample = (*sample / FULL_SCALE).clamp(-1.0, 1.0);
        }
        Ok(())
    }
}
