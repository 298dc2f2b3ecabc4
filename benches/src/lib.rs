//! Criterion benchmarks against the best.
