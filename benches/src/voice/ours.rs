//! `soft-phone-dsp`.

use soft_phone_dsp::{AudioProcessor, Config};

use super::{Engine, Error, Stages};

/// One processor, with the room for the output that it wants apart from the input.
pub struct Ours {
    processor: AudioProcessor,
    output: Vec<f32>,
}

impl Ours {
    /// At `rate` Hz, with what is the default of each stage. The high-pass goes with echo and noise, as WebRTC's.
    ///
    /// # Errors
    /// When the rate is not served.
    pub fn new(rate: u32, stages: Stages) -> Result<Self, Error> {
        let all = Config::default();
        let config = Config {
            high_pass: all.high_pass.filter(|_| stages.echo || stages.noise),
            echo: all.echo.filter(|_| stages.echo),
            noise: all.noise.filter(|_| stages.noise),
            gain: all.gain.filter(|_| stages.gain),
        };
        let processor = AudioProcessor::new(rate, config)?;
        Ok(Self { output: vec![0.0; processor.frame_len()], processor })
    }
}

impl Engine for Ours {
    fn render(&mut self, far: &[f32]) -> Result<(), Error> {
        Ok(self.processor.process_render(far)?)
    }

    fn capture(&mut self, near: &mut [f32]) -> Result<(), Error> {
        self.processor.process_capture(near, &mut self.output)?;
        near.copy_from_slice(&self.output);
        Ok(())
    }
}
