//! Criterion benchmarks against the best, and the harnesses that run voice engines and jitter buffers side by side.

pub mod audio;
pub mod receive;
pub mod voice;
