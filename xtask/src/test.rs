//! `cargo xtask test`: everything that must hold, each step run even when one before it failed.

use std::ffi::{OsStr, OsString};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};

use crate::paths::Paths;
use crate::process;
use crate::setup::{self, WASM};
use crate::{browser, build, creme, integrations, sipp, size};

/// The packages that become wasm.
const WASM_PACKAGES: [&str; 6] = [
    "soft-phone-sip",
    "soft-phone-dsp",
    "soft-phone-opus",
    "soft-phone-receive",
    "soft-phone-worklet",
    "soft-phone-component",
];
/// Messages of the short fuzz run; `cargo xtask fuzz` takes any number.
const SHORT_FUZZ: u64 = 200_000;
/// Messages that take as long as one case of the voice engine, 150 frames.
const MESSAGES_PER_TALK: u64 = 500;
/// Messages to one case of the decoders, 150 payloads.
const MESSAGES_PER_CALL: u64 = 100;

/// The steps that were run and what became of them.
struct Steps {
    start: Instant,
    rows: Vec<(&'static str, Duration, Result<()>)>,
}

impl Steps {
    fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<()>) -> bool {
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let outcome = step();
        self.ended(name, start.elapsed(), outcome)
    }

    fn ended(&mut self, name: &'static str, took: Duration, outcome: Result<()>) -> bool {
        if let Err(error) = &outcome {
            eprintln!("{name} failed: {error:#}");
        }
        let passed = outcome.is_ok();
        self.rows.push((name, took, outcome));
        passed
    }

    fn print(&self) {
        println!("\n{:<16} {:>8}", "step", "seconds");
        for (name, took, outcome) in &self.rows {
            println!("{name:<16} {:>8.1}  {}", took.as_secs_f32(), if outcome.is_ok() { "ok" } else { "FAILED" });
        }
        println!("{:<16} {:>8.1}", "total", self.start.elapsed().as_secs_f32());
    }
}

/// Runs all steps, then prints a table of them, the closing line of each test suite, and why what has failed did.
///
/// # Errors
/// When a step has failed.
pub fn run(paths: &Paths) -> Result<()> {
    let cargo = || {
        let mut cargo = process::cargo();
        cargo.current_dir(&paths.root);
        cargo
    };
    let mut steps = Steps { start: Instant::now(), rows: Vec::new() };
    let mut results = Vec::new();
    steps.run("toolchain", setup::toolchain);
    // Neither of them keeps two cores busy: set-up waits for what it fetches and builds, lint for one crate after another.
    std::thread::scope(|scope| {
        let setup = scope.spawn(|| {
            let start = Instant::now();
            let outcome = setup::everything(paths);
            (start.elapsed(), outcome)
        });
        steps.run("format", || process::run(cargo().args(["fmt", "--all", "--check"])));
        let warnings = ["--", "--deny", "warnings"];
        steps.run("lint", || {
            process::run(cargo().args(["clippy", "--quiet", "--workspace", "--all-targets"]).args(warnings))
        });
        steps.run("lint wasm", || {
            let packages = WASM_PACKAGES.iter().flat_map(|package| ["--package", package]);
            process::run(cargo().args(["clippy", "--quiet", "--target", WASM]).args(packages).args(warnings))
        });
        steps.run("documentation", || {
            let mut doc = cargo();
            doc.args(["doc", "--quiet", "--workspace", "--no-deps", "--document-private-items"]);
            process::run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
        });
        let ended = setup.join().unwrap_or_else(|_| (Duration::ZERO, Err(anyhow!("it panicked"))));
        steps.ended("set-up", ended.0, ended.1);
    });
    steps.run("dependencies", || dependencies(paths));
    steps.run("tests", || process::run_tests(cargo().args(["test", "--quiet", "--workspace"]), &mut results));
    steps.run("fuzz", || fuzz(paths, SHORT_FUZZ, &[]));
    steps.run("sipp", || sipp::run(paths, sipp::Load::Short, &[]));
    let built = steps.run("build", || build::run(paths));
    // Behind the build, which bundles one of those that are tested.
    steps.run("scripts", || {
        let mut node = std::process::Command::new("node");
        process::run(node.args(["--test", "component/js/tests/"]).current_dir(&paths.root))
    });
    steps.run("integrations", || integrations::test(paths, &mut results));
    steps.run("creme", || creme::test(paths));
    steps.run("size", || size::run(paths));
    if built {
        steps.run("browsers", || process::run_tests(&mut browser::command(paths, &[]), &mut results));
    }

    steps.print();
    for result in &results {
        println!("{result}");
    }
    let failed = steps.rows.iter().filter_map(|(name, _, outcome)| Some((*name, outcome.as_ref().err()?)));
    let failed: Vec<_> =
        failed.inspect(|(name, error)| println!("{name} failed: {error:#}")).map(|(name, _)| name).collect();
    if failed.is_empty() && built { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// Sends the SIP core `cases` broken messages, with more options for `sip/examples/fuzz`; it prints the case that fails.
/// Without options voice engine, decoders and jitter buffer get their share of hostile audio, payloads and streams too.
///
/// # Errors
/// When the core panics, hangs or takes too much memory, or one of the others panics or lets something out that it must
/// not.
pub fn fuzz(paths: &Paths, cases: u64, options: &[OsString]) -> Result<()> {
    let run = |package, cases: u64, options: &[OsString]| {
        let mut cargo = process::cargo();
        cargo.args(["run", "--quiet", "--release", "--package", package, "--example", "fuzz", "--"]);
        process::run(cargo.args(["--cases", &cases.to_string()]).args(options).current_dir(&paths.root))
    };
    run("soft-phone-sip", cases, options)?;
    if !options.is_empty() {
        return Ok(());
    }
    run("soft-phone-dsp", (cases / MESSAGES_PER_TALK).max(1), &[])?;
    let received = (cases / MESSAGES_PER_CALL).max(1);
    // Each of its rounds is five packets and two pulls.
    let streams = (received / 10).max(1);
    let jitter = ["--target".into(), "jitter".into()];
    run("soft-phone-dsp", received, &["--target".into(), "codecs".into()])?;
    run("soft-phone-dsp", streams, &jitter)?;
    run("soft-phone-opus", received, &[])?;
    run("soft-phone-opus", streams, &jitter)
}

/// Licences, sources, bans; and advisories when their database can be reached.
fn dependencies(paths: &Paths) -> Result<()> {
    let deny = setup::cargo_deny(paths)?;
    let run = |arguments: &[&OsStr]| {
        let mut command = std::process::Command::new(&deny);
        process::run(command.args(["--all-features", "--log-level", "error"]).args(arguments).current_dir(&paths.root))
    };
    let words = |words: &'static [&'static str]| words.iter().map(OsStr::new).collect::<Vec<_>>();
    let reached = run(&words(&["fetch", "db"])).is_ok();
    if !reached {
        eprintln!("advisories: not checked, their database cannot be reached from this machine");
        return run(&words(&["check", "bans", "licenses", "sources"]));
    }
    run(&words(&["check"]))
}
