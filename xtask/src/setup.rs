//! What the commands need on the machine. Each step looks first, says what it does, asks nothing.
//!
//! Only Rust's wasm library and Debian packages are installed for the machine; all else lies in [`Paths::rig`].

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::paths::Paths;
use crate::{asterisk, creme, process};

/// The target that both wasm files are built for.
pub const WASM: &str = "wasm32-unknown-unknown";

/// Debian's packages that the browser tests use.
const BROWSER_PACKAGES: [&str; 8] =
    ["chromium", "chromium-driver", "firefox-esr", "pulseaudio", "espeak-ng", "sox", "iproute2", "openssl"];

/// The two voices of the tests: no word in common, so that one is never taken for the other.
const SPEECH: [(&str, [&str; 4], &str); 2] = [
    (
        "speech-a.wav",
        ["-v", "en", "-s", "150"],
        "The quick brown fox jumps over the lazy dog. One two three four five.",
    ),
    ("speech-b.wav", ["-v", "en+f3", "-s", "165"], "Pack my box with many liquor jugs. Nine eight seven six eleven."),
];

/// What is to be there before anything is compiled.
///
/// # Errors
/// As [`wasm_target`] and [`lint_tools`].
pub fn toolchain() -> Result<()> {
    wasm_target()?;
    lint_tools()
}

/// All that the tests need besides.
///
/// # Errors
/// When a step fails; its message says how to do it by hand.
pub fn everything(paths: &Paths) -> Result<()> {
    optimiser(paths)?;
    cargo_deny(paths)?;
    sipp()?;
    php()?;
    browsers(paths)?;
    creme::setup(paths)
}

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

/// Adds rustfmt and clippy, which rustup's minimal profile leaves out.
///
/// # Errors
/// When one is missing and rustup cannot add it.
fn lint_tools() -> Result<()> {
    for (component, program) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        let answer =
            process::cargo().args([program, "--version"]).stderr(Stdio::null()).stdout(Stdio::null()).status()?;
        if !answer.success() {
            process::run(Command::new("rustup").args(["component", "add", component]))
                .with_context(|| format!("{component} is missing; with rustup: rustup component add {component}"))?;
        }
    }
    Ok(())
}

/// Installs Binaryen's `wasm-opt` and esbuild, without which the sizes are not those that are shipped, and
/// libphonenumber-js, which becomes a part of what is shipped.
///
/// Binaryen is npm's package: Debian 12's (version 108) exports the wrong table of a module with two.
///
/// # Errors
/// As [`npm`].
pub fn optimiser(paths: &Paths) -> Result<()> {
    npm(paths)
}

/// Where [`optimiser`] puts it.
pub fn wasm_opt(paths: &Paths) -> PathBuf {
    node_modules(paths).join(".bin/wasm-opt")
}

/// Where [`optimiser`] puts esbuild, which makes the page's script smaller and bundles what is made of several.
pub fn esbuild(paths: &Paths) -> PathBuf {
    node_modules(paths).join(".bin/esbuild")
}

/// Where [`optimiser`] puts the packages that are bundled.
pub fn node_modules(paths: &Paths) -> PathBuf {
    paths.rig.join("npm/node_modules")
}

/// Builds cargo-deny, which looks at licences and sources of the dependencies, and says where it is.
///
/// # Errors
/// When it does not build.
pub fn cargo_deny(paths: &Paths) -> Result<PathBuf> {
    tool(paths, "cargo-deny", "0.20.2")
}

/// Everything that the browser tests need: browsers, their drivers, Asterisk, speech, the peer phone.
///
/// # Errors
/// When a step fails; its message says how to do it by hand.
pub fn browsers(paths: &Paths) -> Result<()> {
    debian(&BROWSER_PACKAGES)?;
    tool(paths, "geckodriver", "0.37.1")?;
    asterisk::unpack(&paths.rig.join("asterisk"), &paths.rig.join("apt"))?;
    speech(&paths.rig)?;
    peer(paths)
}

/// Installs SIPp, the SIP tester.
///
/// # Errors
/// When it is missing and cannot be installed.
pub fn sipp() -> Result<()> {
    // Built by hand will do as well.
    if process::exists("sipp") { Ok(()) } else { debian(&["sip-tester"]) }
}

/// Installs PHP with SQLite, which the tests of vtiger's module run in.
///
/// # Errors
/// When it is missing and cannot be installed.
pub fn php() -> Result<()> {
    debian(&["php-cli", "php-sqlite3"])
}

/// Installs those of Debian's packages that are missing.
///
/// # Errors
/// When they are missing and this is not root, or apt fails.
pub fn debian(packages: &[&str]) -> Result<()> {
    let installed = |package: &&str| {
        let query =
            process::output(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]));
        query.is_ok_and(|status| status == "installed")
    };
    let missing: Vec<&str> = packages.iter().filter(|package| !installed(package)).copied().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let by_hand = format!("sudo apt-get install --no-install-recommends {}", missing.join(" "));
    if !process::is_root() {
        bail!("Debian packages are missing; install them and try again: {by_hand}");
    }
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).args([
            "-qq",
            "-o",
            "DPkg::Lock::Timeout=600",
        ]);
        apt
    };
    process::run(apt().arg("update")).with_context(|| by_hand.clone())?;
    process::run(apt().args(["install", "--yes", "--no-install-recommends"]).args(&missing)).context(by_hand)
}

/// Builds a program from cargo's registry into the rig's folder, once.
fn tool(paths: &Paths, name: &str, version: &str) -> Result<PathBuf> {
    let tools = paths.rig.join("tools");
    let program = tools.join("bin").join(name);
    if program.is_file() {
        return Ok(program);
    }
    eprintln!("{name} {version}: building it, once; this takes some minutes");
    // Its speed does not matter here, the time to build it does.
    let mut cargo = process::cargo();
    cargo.args(["install", "--quiet", "--locked", "--debug", "--root"]).arg(&tools);
    cargo.arg("--target-dir").arg(tools.join("build")).arg(format!("{name}@{version}"));
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS").env_remove("CARGO_TARGET_DIR");
    process::run(cargo.env("CARGO_PROFILE_DEV_DEBUG", "false"))?;
    fs::remove_dir_all(tools.join("build")).context("the build folder can be removed")?;
    Ok(program)
}

/// Both voices of the tests, for who needs no browser: `speech-a.wav` and `speech-b.wav` in the rig's folder.
///
/// # Errors
/// When the packages are missing and cannot be installed.
pub fn voices(paths: &Paths) -> Result<()> {
    debian(&["espeak-ng", "sox"])?;
    fs::create_dir_all(&paths.rig)?;
    speech(&paths.rig)
}

/// Makes both voices speak: mono, 48 kHz, 16 bit, peaks at -6 dBFS.
fn speech(rig: &Path) -> Result<()> {
    for (name, voice, sentence) in SPEECH {
        let file = rig.join(name);
        if file.is_file() {
            continue;
        }
        eprintln!("speech: {name}");
        let spoken = rig.join("spoken.wav");
        process::output(Command::new("espeak-ng").args(voice).arg("-w").arg(&spoken).arg(sentence))?;
        let mut sox = Command::new("sox");
        sox.arg(&spoken).args(["-r", "48000", "-c", "1", "-b", "16"]).arg(&file).args(["norm", "-6"]);
        process::output(&mut sox)?;
        fs::remove_file(&spoken)?;
    }
    Ok(())
}

/// Installs the npm packages of `component/browser-tests/npm` into the rig's folder, at their locked versions.
///
/// # Errors
/// When npm is missing and this is not root, or it fails.
pub fn npm(paths: &Paths) -> Result<()> {
    let source = paths.root.join("component/browser-tests/npm");
    let folder = paths.rig.join("npm");
    let lock = fs::read(source.join("package-lock.json"))?;
    let installed = folder.join("installed-lock.json");
    if fs::read(&installed).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    if !process::exists("npm") {
        debian(&["nodejs", "npm"])?;
    }
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), folder.join(file))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error"]).stdin(Stdio::null());
    process::run(npm.current_dir(&folder))?;
    Ok(fs::write(installed, lock)?)
}

/// Bundles JsSIP for a page: the phone that ours is timed against.
fn peer(paths: &Paths) -> Result<()> {
    npm(paths)?;
    let bundle = paths.rig.join("jssip.js");
    if bundle.is_file() {
        return Ok(());
    }
    let folder = paths.rig.join("npm");
    let mut esbuild = Command::new(esbuild(paths));
    esbuild.arg(folder.join("node_modules/jssip/lib/JsSIP.js"));
    esbuild.args(["--bundle", "--format=iife", "--global-name=JsSIP", "--log-level=warning"]);
    process::run(esbuild.arg(format!("--outfile={}", bundle.display())))
}
