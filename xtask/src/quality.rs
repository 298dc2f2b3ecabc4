//! `cargo xtask quality`: how the voice engines sound, on audio that is made here and scored by public metrics.
//!
//! Speech comes from Debian's packages of Asterisk's prompts, unpacked and not installed; `benches/quality/make.py` puts
//! it into rooms and noise, `benches/quality/score.py` scores what the engines make of it, `plot.py` draws it. The table
//! and the drawings of a whole run go into `benches`.

pub mod calls;
mod receive;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::paths::Paths;
use crate::{bench, engines, process};

/// Two voices in two languages.
const SPEECH: [&str; 2] = ["asterisk-core-sounds-en-g722", "asterisk-core-sounds-es-g722"];

/// Versions that were tried together; `pesq` is built here and wants numpy and Cython before it.
const BUILD: [&str; 3] = ["setuptools==80.9.0", "numpy==2.4.6", "cython==3.3.1"];
const PYTHON: [&str; 9] = [
    "numpy==2.4.6",
    "scipy==1.17.1",
    "soundfile==0.14.0",
    "librosa==0.11.0",
    "onnxruntime==1.32.0",
    "speechmos==0.0.1.1",
    "pystoi==0.4.1",
    "G722==1.2.8",
    "matplotlib==3.11.2",
];

/// Where the table stands in `benches/README.md`.
const BEGIN: &str = "<!-- cargo xtask quality writes from here -->";
const END: &str = "<!-- quality to here -->";

/// What came in, and the engines: `unprocessed` first, ours last but for noise suppression alone.
const UNPROCESSED: &str = "unprocessed";
const ECHO: [&str; 4] = ["webrtc", "sonora", "speex", "ours"];
const NOISE: [&str; 5] = ["webrtc", "sonora", "speex", "rnnoise", "ours"];

/// Compares the voice engines, or with `receive` the jitter buffers.
///
/// # Errors
/// When something cannot be set up, built or run, or the name is another.
pub fn run(paths: &Paths, only: Option<&str>, short: bool) -> Result<()> {
    match only {
        None => voice(paths, short),
        Some("receive") => receive::run(paths, short),
        Some(other) => bail!("no such comparison: {other}; there is receive"),
    }
}

/// Makes the cases, runs every engine, prints the tables. The short form takes some of the cases.
fn voice(paths: &Paths, short: bool) -> Result<()> {
    let environment = engines::set_up(paths)?;
    let folder = paths.rig.join("quality");
    let python = python(&folder)?;
    let speech = speech(&folder)?;
    let cases = folder.join(if short { "cases-short" } else { "cases" });
    if cases.exists() {
        fs::remove_dir_all(&cases)?;
    }
    let scripts = paths.root.join("benches/quality");
    let mut make = Command::new(&python);
    make.arg(scripts.join("make.py")).arg(&speech).arg(&cases).args(short.then_some("--short"));
    process::run(&mut make)?;

    let mut build = process::cargo();
    build.args(["build", "--quiet", "--release", "--package", "soft-phone-benches", "--features", "peers"]);
    process::run(environment.apply(build.args(["--example", "engine"]).current_dir(&paths.root)))?;
    let engine = paths.target.join("release/examples/engine");
    let out = folder.join("out");
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    for (kind, engines) in [("echo", &ECHO[..]), ("noise", &NOISE[..])] {
        for entry in fs::read_dir(cases.join(kind))? {
            let case = entry?.path();
            let file = format!("{}.wav", case.file_name().unwrap_or_default().to_string_lossy());
            let target = |engine: &str| -> Result<PathBuf> {
                let folder = out.join(engine).join(kind);
                fs::create_dir_all(&folder)?;
                Ok(folder.join(&file))
            };
            let mic = case.join("mic.wav");
            fs::copy(&mic, target(UNPROCESSED)?)?;
            for name in engines {
                let mut command = Command::new(&engine);
                command.args(["process", "--engine", name, "--no-agc", "--mic"]).arg(&mic);
                match kind {
                    "echo" => command.arg("--far").arg(case.join("far.wav")),
                    _ => command.arg("--no-aec"),
                };
                process::output(command.arg("--out").arg(target(name)?))?;
            }
        }
    }
    let mut score = Command::new(&python);
    score.arg(scripts.join("score.py")).arg(&cases).arg(&out).arg(UNPROCESSED).args(NOISE);
    let table = process::output(&mut score)?;
    println!("{}", table.trim());
    let drawings = if short { folder.join("plots") } else { paths.root.join("benches/plots") };
    let mut plot = Command::new(&python);
    plot.arg(scripts.join("plot.py")).arg(&cases).arg(&out).arg(&drawings).arg(UNPROCESSED).args(NOISE);
    process::run(&mut plot)?;
    println!("\ndrawn in {}", drawings.display());
    if short { Ok(()) } else { bench::write_table(paths, BEGIN, END, &table) }
}

/// The Python that scores, with its packages.
fn python(folder: &Path) -> Result<PathBuf> {
    let home = folder.join("python");
    let all = [&BUILD[..], &PYTHON[..]].concat();
    let programs = engines::venv(&home, &all)?;
    let pip = programs.join("pip");
    if process::output(Command::new(&pip).args(["show", "--quiet", "pesq"])).is_err() {
        // Its build script imports numpy, which a build in isolation does not see.
        process::run(Command::new(pip).args(["install", "--quiet", "--no-build-isolation", "pesq==0.0.4"]))?;
    }
    Ok(programs.join("python"))
}

/// Downloads the prompts with apt and unpacks them, a folder for each voice.
fn speech(folder: &Path) -> Result<PathBuf> {
    let speech = folder.join("speech");
    fs::create_dir_all(&speech)?;
    let home = fs::canonicalize(&speech)?;
    for package in SPEECH {
        let voice = home.join(package);
        if voice.is_dir() {
            continue;
        }
        process::run(Command::new("apt-get").args(["-qq", "download", package]).current_dir(folder))
            .with_context(|| format!("apt-get download {package}; an old list of packages needs apt-get update"))?;
        let prefix = format!("{package}_");
        let files = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        let file = files.iter().find(|file| file.file_name().to_string_lossy().starts_with(&prefix));
        let Some(file) = file.map(fs::DirEntry::path) else { bail!("apt-get download left no file of {package}") };
        // Under another name first: half an unpacked folder must not count.
        let fresh = folder.join("fresh");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        process::run(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(&fresh))?;
        fs::rename(&fresh, &voice)?;
        fs::remove_file(file)?;
    }
    Ok(speech)
}
