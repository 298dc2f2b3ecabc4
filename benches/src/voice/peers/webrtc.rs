//! WebRTC's own audio processing in C++: AEC3, NS, AGC2 with its adaptive digital gain.

use webrtc_audio_processing::config::{
    AdaptiveDigital, EchoCanceller, GainController, GainController2, HighPassFilter, NoiseSuppression,
    NoiseSuppressionLevel,
};
use webrtc_audio_processing::{Config, Processor};

use crate::voice::{Engine, Error, NoiseLevel, Stages};

/// One processor. Its delay estimator is on: nobody tells it the delay.
pub(super) struct WebRtc(Processor);

impl WebRtc {
    /// At `rate` Hz.
    ///
    /// # Errors
    /// When the library refuses.
    pub(super) fn new(rate: u32, stages: Stages) -> Result<Self, Error> {
        let level = match stages.level {
            NoiseLevel::Moderate => NoiseSuppressionLevel::Moderate,
            NoiseLevel::High => NoiseSuppressionLevel::High,
        };
        let gain = GainController2 { adaptive_digital: Some(AdaptiveDigital::default()), ..Default::default() };
        let processor = Processor::new(rate)?;
        processor.set_config(Config {
            high_pass_filter: (stages.echo || stages.noise).then(HighPassFilter::default),
            echo_canceller: stages.echo.then(EchoCanceller::default),
            noise_suppression: stages.noise.then_some(NoiseSuppression { level, analyze_linear_aec_output: false }),
            gain_controller: stages.gain.then_some(GainController::GainController2(gain)),
            ..Default::default()
        });
        Ok(Self(processor))
    }
}

impl Engine for WebRtc {
    fn render(&mut self, far: &[f32]) -> Result<(), Error> {
        Ok(self.0.analyze_render_frame([far])?)
    }

    fn capture(&mut self, near: &mut [f32]) -> Result<(), Error> {
        Ok(self.0.process_capture_frame([near])?)
    }
}
