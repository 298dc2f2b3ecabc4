//! What a processor tells of itself.

use serde::Serialize;

/// Figures of the last frame and the ones before it. Stages that are off leave theirs at the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Delay from input to output, samples.
    pub latency_samples: usize,
    /// Echo return loss enhancement of the whole chain while only the far end speaks, dB, over about a second.
    pub erle_db: f32,
    /// The same of the linear filter alone.
    pub linear_erle_db: f32,
    /// From render to capture, ms; `None` before it is known.
    pub delay_ms: Option<f32>,
    /// How much faster the microphone's clock runs than the loudspeaker's, parts per million.
    pub drift_ppm: f32,
    /// How likely both ends speak at once, 0 to 1.
    pub double_talk: f32,
    /// How likely the near end speaks, 0 to 1.
    pub speech_probability: f32,
    /// Level of the microphone, dBFS.
    pub input_dbfs: f32,
    /// Level of what comes out, dBFS.
    pub output_dbfs: f32,
    /// Gain of the gain control, dB.
    pub gain_db: f32,
    /// Level of the noise in the microphone, dBFS.
    pub noise_dbfs: f32,
}
