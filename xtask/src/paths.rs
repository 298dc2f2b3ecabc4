//! Where things are: the work tree, cargo's target folder, what is built for the page, what the tests need.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders that the commands read and write. Nothing is written outside of them.
pub struct Paths {
    /// The work tree.
    pub root: PathBuf,
    /// Cargo's target folder: `CARGO_TARGET_DIR`, or `target` in the work tree.
    pub target: PathBuf,
    /// What a page loads: `component/dist`.
    pub dist: PathBuf,
    /// What the tests need and only they: tools, Asterisk, speech, logs. May be deleted at any time.
    pub rig: PathBuf,
}

impl Paths {
    /// # Errors
    /// When the work tree that this program was built from is gone.
    pub fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().context("xtask stands in the work tree")?.to_path_buf();
        let root = root.canonicalize().with_context(|| format!("the work tree {} is gone", root.display()))?;
        let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |target| root.join(target));
        Ok(Self { dist: root.join("component/dist"), rig: target.join("rig"), target, root })
    }
}
