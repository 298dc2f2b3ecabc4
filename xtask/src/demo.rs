//! Serves the small CRM and the page with two phones.

use std::net::SocketAddr;

use anyhow::Result;

use crate::paths::Paths;
use crate::process;

/// Runs the demo's server until it is interrupted; it prints its addresses and the CRM's passwords.
///
/// # Errors
/// When it does not build or cannot listen there.
pub fn run(paths: &Paths, listen: Option<SocketAddr>) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--release", "--package", "soft-phone-demo", "--"]).current_dir(&paths.root);
    cargo.arg("--dist").arg(&paths.dist);
    if let Some(listen) = listen {
        cargo.arg("--listen").arg(listen.to_string());
    }
    process::run(&mut cargo)
}
