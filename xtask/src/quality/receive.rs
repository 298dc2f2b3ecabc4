//! `cargo xtask quality receive`: our jitter buffer beside `neteq`, over networks that are made here.
//!
//! `benches/examples/receive.rs` runs both on the same packets, `benches/quality/receive.py` measures what is heard.

use std::fs;
use std::process::Command;

use anyhow::Result;

use super::{python, speech};
use crate::paths::Paths;
use crate::{bench, process, setup};

/// Where the tables stand in `benches/README.md`.
const BEGIN: &str = "<!-- cargo xtask quality receive writes from here -->";
const END: &str = "<!-- receive to here -->";

/// What Python's environment and the packages that are built in it need.
pub const PACKAGES: [&str; 3] = ["build-essential", "python3", "python3-venv"];

/// Runs both engines and prints the tables; a whole run writes them and the drawing into `benches`.
///
/// # Errors
/// When something cannot be set up, built or run.
pub fn run(paths: &Paths, short: bool) -> Result<()> {
    setup::debian(&PACKAGES)?;
    let folder = paths.rig.join("quality");
    let python = python(&folder)?;
    let prompts = speech(&folder)?;
    let sent = folder.join("receive-speech");
    let out = folder.join("receive-out");
    for old in [&sent, &out] {
        if old.exists() {
            fs::remove_dir_all(old)?;
        }
    }
    let script = paths.root.join("benches/quality/receive.py");
    let mut make = Command::new(&python);
    process::run(make.arg(&script).arg("speech").arg(&prompts).arg(&sent).args(short.then_some("--short")))?;

    let mut run = process::cargo();
    run.args(["run", "--quiet", "--release", "--package", "soft-phone-benches", "--features", "neteq"]);
    run.args(["--example", "receive", "--"]).arg(&sent).arg(&out).args(short.then_some("--short"));
    process::run(run.current_dir(&paths.root))?;

    let plots = if short { folder.join("plots") } else { paths.root.join("benches/plots") };
    let mut score = Command::new(&python);
    score.arg(&script).arg("score").arg(&out).arg(plots.join("receive.svg"));
    let table = process::output(&mut score)?;
    println!("{}\n\ndrawn in {}", table.trim(), plots.display());
    if short { Ok(()) } else { bench::write_table(paths, BEGIN, END, &table) }
}
