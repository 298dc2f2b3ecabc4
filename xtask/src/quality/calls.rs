//! `cargo xtask impaired`: our jitter buffer beside Chromium's, in the same calls through a bad network.
//!
//! `component/browser-tests/src/cases/impaired.rs` makes the calls, `benches/quality/receive.py` scores what was heard.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{python, receive, speech};
use crate::paths::Paths;
use crate::{bench, browser, process, setup};

/// Where the tables stand in `benches/README.md`.
const BEGIN: &str = "<!-- cargo xtask impaired writes from here -->";
const END: &str = "<!-- impaired to here -->";

/// Makes the calls and prints the tables; the long call has so many minutes. A run of all cases writes the tables into
/// `benches`.
///
/// # Errors
/// When something cannot be set up or run, or a call does not hold what it must.
pub fn run(paths: &Paths, minutes: u32, filter: &[OsString]) -> Result<()> {
    setup::debian(&receive::PACKAGES)?;
    let folder = paths.rig.join("quality");
    let python = python(&folder)?;
    let prompts = speech(&folder)?;
    let script = paths.root.join("benches/quality/receive.py");
    let sent = paths.rig.join("impaired");
    let out = folder.join("calls");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    process::run(Command::new(&python).arg(&script).arg("speech").arg(&prompts).arg(&sent))?;

    let mut browser = browser::command(paths, filter);
    browser.env("SOFT_PHONE_IMPAIRED", &out).env("SOFT_PHONE_IMPAIRED_MINUTES", minutes.to_string());
    process::run(&mut browser)?;
    if !out.exists() {
        return Ok(());
    }
    let table = process::output(Command::new(&python).arg(&script).arg("calls").arg(&out))?;
    println!("{}", table.trim());
    if filter.is_empty() { bench::write_table(paths, BEGIN, END, &table) } else { Ok(()) }
}
