#![doc = include_str!("../README.md")]

mod adapter;
pub mod codec;
mod config;
mod echo;
mod error;
mod fft;
mod gain;
mod high_pass;
pub mod host;
pub mod jitter;
mod level;
mod limiter;
mod neural;
mod noise;
mod processor;
mod simd;
mod stats;
mod stft;
mod suppressor;
mod vad;

pub use adapter::FrameAdapter;
pub use config::{
    Config, EchoCancellation, GainControl, HighPass, NoiseEngine, NoiseLevel, NoiseSuppression, SAMPLE_RATES,
};
pub use error::Error;
pub use level::{FLOOR_DBFS, LevelMeter};
pub use neural::{Network, NetworkError};
pub use processor::AudioProcessor;
pub use stats::Stats;
