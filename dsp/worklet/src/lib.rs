//! The voice engine as a plain C-ABI wasm module for an AudioWorklet.
