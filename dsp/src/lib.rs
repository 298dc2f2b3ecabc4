#![doc = include_str!("../README.md")]

mod config;
mod echo;
mod error;
mod fft;
mod level;
mod neural;
mod processor;
mod simd;
mod stats;
mod stft;
mod suppressor;

pub use config::{
    Config, EchoCancellation, GainControl, HighPass, NoiseEngine, NoiseLevel, NoiseSuppression, SAMPLE_RATES,
};
pub use error::Error;
pub use level::{FLOOR_DBFS, LevelMeter};
pub use neural::{Network, NetworkError};
pub use processor::AudioProcessor;
pub use stats::Stats;
