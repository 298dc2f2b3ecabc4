//! `cargo xtask bench`: what everything costs, the voice engines beside those of others, and the table that
//! `benches/README.md` shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::engines::{self, Environment};
use crate::paths::Paths;
use crate::{process, setup};

/// Where the table stands in `benches/README.md`.
const BEGIN: &str = "<!-- cargo xtask bench writes from here -->";
const END: &str = "<!-- to here -->";

const RATES: [u32; 2] = [16_000, 48_000];
const STAGES: [&str; 4] = ["chain", "echo", "noise", "gain"];
const SCENES: [&str; 3] = ["speech", "far end silent", "silence"];
/// As criterion knows them and as the table calls them; WebRTC built for this very processor comes last.
const ENGINES: [(&str, &str); 6] = [
    ("ours", "ours"),
    ("webrtc", "WebRTC C++"),
    (NATIVE, "its `-march=native`"),
    ("sonora", "Sonora"),
    ("speex", "SpeexDSP"),
    ("rnnoise", "RNNoise"),
];
const NATIVE: &str = "native";

/// µs per frame by rate, stages, scene and engine.
type Costs = BTreeMap<(u32, &'static str, &'static str, &'static str), f64>;

/// What the jitter buffers are timed on, as `benches/benches/receive.rs` has it, and the markers of their table.
const RECEIVE_RATES: [u32; 2] = [16_000, 48_000];
const RECEIVE_NETWORKS: [&str; 4] = ["clean", "loss 10 %", "jitter 60 ms", "mobile, bad"];
const RECEIVE_BEGIN: &str = "<!-- cargo xtask bench receive writes from here -->";
const RECEIVE_END: &str = "<!-- bench receive to here -->";

/// Runs the benchmarks: `sip`, `voice`, `receive`, or all without a name.
///
/// # Errors
/// When something cannot be set up, built or run, or the name is another.
pub fn run(paths: &Paths, only: Option<&str>) -> Result<()> {
    match only {
        None => {
            sip(paths)?;
            voice(paths)?;
            receive(paths)
        }
        Some("sip") => sip(paths),
        Some("voice") => voice(paths),
        Some("receive") => receive(paths),
        Some(other) => bail!("no such benchmark: {other}; there are sip, voice and receive"),
    }
}

fn sip(paths: &Paths) -> Result<()> {
    let mut cargo = process::cargo();
    process::run(cargo.args(["bench", "--package", "soft-phone-benches", "--bench", "sip"]).current_dir(&paths.root))
}

fn voice(paths: &Paths) -> Result<()> {
    let environment = engines::set_up(paths)?;
    setup::voices(paths)?;
    let home = paths.target.join("criterion");
    process::run(bench(paths, &environment).env("CRITERION_HOME", &home))?;
    // In a folder of its own: in the other one each build would throw the other's C++ away.
    let target = paths.target.join("native");
    let native = target.join("criterion");
    let mut command = bench(paths, &environment);
    command.args(["/webrtc$"]).env("CARGO_TARGET_DIR", &target).env("CRITERION_HOME", &native);
    for flags in ["CFLAGS", "CXXFLAGS"] {
        command.env(flags, "-O3 -march=native");
    }
    process::run(&mut command)?;

    let mut costs = Costs::new();
    for rate in RATES {
        for stage in STAGES {
            for scene in SCENES {
                for (engine, _) in ENGINES {
                    let (home, name) = if engine == NATIVE { (&native, "webrtc") } else { (&home, engine) };
                    let folder = home.join(format!("{rate} {stage}")).join(format!("{scene}_{name}"));
                    if let Some(cost) = median(&folder)? {
                        costs.insert((rate, stage, scene, engine), cost);
                    }
                }
            }
        }
    }
    let table = table(&costs)?;
    println!("\n{table}");
    write_table(paths, BEGIN, END, &table)
}

fn receive(paths: &Paths) -> Result<()> {
    setup::voices(paths)?;
    let home = paths.target.join("criterion");
    let mut cargo = process::cargo();
    cargo.args(["bench", "--package", "soft-phone-benches", "--features", "neteq", "--bench", "receive", "--"]);
    cargo.args(["--noplot"]).current_dir(&paths.root);
    process::run(cargo.env("VOICE_NEAR", paths.rig.join("speech-a.wav")).env("CRITERION_HOME", &home))?;
    let mut table = String::from("| µs per 10 ms | ours | `neteq` |\n|---|--:|--:|\n");
    for rate in RECEIVE_RATES {
        for network in RECEIVE_NETWORKS {
            // As criterion names folders.
            let folder = home.join(format!("receive {rate} {network}"));
            let cost = |engine: &str| median(&folder.join(engine))?.context("criterion has left no figures");
            writeln!(table, "| {} kHz, {network} | {:.1} | {:.1} |", rate / 1_000, cost("ours")?, cost("neteq")?)?;
        }
    }
    println!("\n{table}");
    write_table(paths, RECEIVE_BEGIN, RECEIVE_END, &table)
}

/// Writes a table between two markers of `benches/README.md`.
///
/// # Errors
/// When the file or a marker is missing.
pub fn write_table(paths: &Paths, begin: &str, end: &str, table: &str) -> Result<()> {
    let readme = paths.root.join("benches/README.md");
    let text = fs::read_to_string(&readme).with_context(|| readme.display().to_string())?;
    Ok(fs::write(&readme, between(&text, begin, end, table)?)?)
}

/// The criterion benchmark of the voice engines, with what it needs.
fn bench(paths: &Paths, environment: &Environment) -> Command {
    let mut cargo = process::cargo();
    cargo.args(["bench", "--package", "soft-phone-benches", "--features", "peers", "--bench", "voice", "--"]);
    cargo.args(["--noplot"]).current_dir(&paths.root);
    cargo.env("VOICE_NEAR", paths.rig.join("speech-a.wav")).env("VOICE_FAR", paths.rig.join("speech-b.wav"));
    environment.apply(&mut cargo);
    cargo
}

/// What criterion found, µs; `None` for what was not run.
fn median(folder: &Path) -> Result<Option<f64>> {
    let file = folder.join("new/estimates.json");
    let Ok(text) = fs::read_to_string(&file) else { return Ok(None) };
    let estimates: Value = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
    Ok(estimates["median"]["point_estimate"].as_f64().map(|nanoseconds| nanoseconds / 1e3))
}

/// A table for each rate.
fn table(costs: &Costs) -> Result<String> {
    let mut text = String::new();
    for rate in RATES {
        writeln!(text, "At {} kHz, µs per frame of 10 ms (share of the 10 ms; times WebRTC's):\n", rate / 1_000)?;
        let titles = ENGINES.map(|(_, title)| title).join(" | ");
        writeln!(text, "| stages, scene | {titles} |\n|---|{}", "--:|".repeat(ENGINES.len()))?;
        for stage in STAGES {
            for scene in SCENES {
                let cost = |engine| costs.get(&(rate, stage, scene, engine)).copied();
                let Some(webrtc) = cost("webrtc") else { continue };
                let cells = ENGINES.map(|(engine, _)| {
                    let cell = |cost: f64| format!("{cost:.1} ({:.2} %; {:.2})", cost / 100.0, cost / webrtc);
                    cost(engine).map_or_else(String::new, cell)
                });
                writeln!(text, "| {stage}, {scene} | {} |", cells.join(" | "))?;
            }
        }
        writeln!(text)?;
    }
    if costs.is_empty() {
        bail!("criterion has left no figures");
    }
    Ok(text)
}

/// The text with what stands between the markers replaced.
fn between(text: &str, begin: &str, end: &str, new: &str) -> Result<String> {
    let parts = text.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?.1)));
    let (before, after) = parts.with_context(|| format!("the markers {begin} … {end} are gone"))?;
    Ok(format!("{before}{begin}\n\n{}\n\n{end}{after}", new.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_markers_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = between(&text, BEGIN, END, "new\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(between(&new, BEGIN, END, "new").unwrap(), new);
        assert!(between("no markers", BEGIN, END, "new").is_err());
    }

    #[test]
    fn the_table_names_ratio_and_share() {
        let mut costs = Costs::new();
        costs.insert((48_000, "chain", "speech", "ours"), 50.0);
        costs.insert((48_000, "chain", "speech", "webrtc"), 100.0);
        let table = table(&costs).unwrap();
        assert!(table.contains("| chain, speech | 50.0 (0.50 %; 0.50) | 100.0 (1.00 %; 1.00) |"), "{table}");
        assert!(super::table(&Costs::new()).is_err());
    }
}
