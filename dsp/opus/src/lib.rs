#![doc = include_str!("../README.md")]

mod decoder;
mod encoder;

pub use decoder::OpusDecoder;
pub use encoder::{OpusEncoder, Settings};

/// Of the samples and of the RTP timestamps (RFC 7587 §4.1), Hz.
pub const SAMPLE_RATE: u32 = 48_000;
