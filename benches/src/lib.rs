//! Criterion benchmarks against the best, and the harness that runs the voice engines side by side.

pub mod voice;
