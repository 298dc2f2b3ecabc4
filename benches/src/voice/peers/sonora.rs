//! Sonora, WebRTC's audio processing in Rust.

use sonora::config::{
    AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, MaxProcessingRate, NoiseSuppression,
    NoiseSuppressionLevel, Pipeline,
};
use sonora::{AudioProcessing, Config, StreamConfig};

use crate::voice::{Engine, Error, NoiseLevel, Stages};

/// One pipeline, with the room for the output that it wants apart from the input.
pub(super) struct Sonora {
    pipeline: AudioProcessing,
    output: Vec<f32>,
}

impl Sonora {
    /// At `rate` Hz, with the same settings as WebRTC's own; 48 kHz is processed as such, not at the 32 kHz that Sonora
    /// would take.
    pub(super) fn new(rate: u32, stages: Stages) -> Self {
        let level = match stages.level {
            NoiseLevel::Moderate => NoiseSuppressionLevel::Moderate,
            NoiseLevel::High => NoiseSuppressionLevel::High,
        };
        let gain = GainController2 { adaptive_digital: Some(AdaptiveDigital::default()), ..Default::default() };
        let config = Config {
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
                ..Pipeline::default()
            },
            high_pass_filter: (stages.echo || stages.noise).then(HighPassFilter::default),
            echo_canceller: stages.echo.then(EchoCanceller::default),
            noise_suppression: stages.noise.then_some(NoiseSuppression { level, ..NoiseSuppression::default() }),
            gain_controller2: stages.gain.then_some(gain),
            ..Config::default()
        };
        let stream = StreamConfig::new(rate, 1);
        let pipeline = AudioProcessing::builder().config(config).capture_config(stream).render_config(stream).build();
        Self { pipeline, output: vec![0.0; (rate / 100) as usize] }
    }
}

impl Engine for Sonora {
    fn render(&mut self, far: &[f32]) -> Result<(), Error> {
        let result = self.pipeline.process_render_f32(&[far], &mut [&mut self.output]);
        result.map_err(|error| format!("sonora: {error:?}").into())
    }

    fn capture(&mut self, near: &mut [f32]) -> Result<(), Error> {
        let result = self.pipeline.process_capture_f32(&[&*near], &mut [&mut self.output]);
        near.copy_from_slice(&self.output);
        result.map_err(|error| format!("sonora: {error:?}").into())
    }
}
