//! Runs the browser tests with what [`setup::browsers`](crate::setup::browsers) has laid out for them.

use std::process::Command;

use crate::paths::Paths;
use crate::process;

/// The browser tests as a command. `arguments` are those of a libtest binary: names to choose by, `--list`, `--exact`.
pub fn command(paths: &Paths, arguments: &[std::ffi::OsString]) -> Command {
    let mut cargo = process::cargo();
    cargo.args(["run", "--quiet", "--package", "soft-phone-browser-tests", "--"]).args(arguments);
    cargo.env("SOFT_PHONE_RIG", &paths.rig).env("SOFT_PHONE_DIST", &paths.dist).current_dir(&paths.root);
    cargo
}
