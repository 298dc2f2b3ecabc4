//! What the commands need on the machine. Each step looks first, says what it does, asks nothing.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// The target that both wasm files are built for.
pub const WASM: &str = "wasm32-unknown-unknown";

/// Adds Rust's standard library for wasm.
///
/// # Errors
/// When it is missing and rustup cannot add it.
pub fn wasm_target() -> Result<()> {
    let sysroot = process::output(Command::new("rustc").args(["--print", "sysroot"]))?;
    if Path::new(sysroot.trim()).join("lib/rustlib").join(WASM).is_dir() {
        return Ok(());
    }
    process::run(Command::new("rustup").args(["target", "add", WASM]))
        .with_context(|| format!("Rust has no library for {WASM}; with rustup: rustup target add {WASM}"))
}
