//! `cargo xtask sipp`: SIPp, a SIP tester that is not ours, drives the `agent` example over UDP and TCP.
//!
//! Each file of `sip/tests/sipp` is one scenario: SIPp's side in XML, ours in the comment at its head ([`scenario`]).

mod agent;
mod run;
mod scenario;

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use self::scenario::Load;
use self::scenario::{Scenario, Transport};
use crate::paths::Paths;
use crate::process;

/// Scenarios that talk at a time. Those that only wait for the last timers of their agent do not count: over UDP that
/// is seconds (RFC 3261 §17.1.1.2, Timer D).
const AT_ONCE: usize = 4;

/// From so many calls on a scenario loads the machine: the short timers of others would notice.
const HEAVY: usize = 20;

/// Who may talk.
#[derive(Default)]
struct Slots {
    taken: Mutex<usize>,
    freed: Condvar,
}

impl Slots {
    /// Waits for so many slots, and gives them back when what it returns is dropped.
    fn take(&self, wanted: usize) -> Taken<'_> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = self.freed.wait_while(taken, |taken| *taken + wanted > AT_ONCE);
        *enough.unwrap_or_else(PoisonError::into_inner) += wanted;
        Taken { slots: self, number: wanted }
    }
}

struct Taken<'a> {
    slots: &'a Slots,
    number: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.slots.taken.lock().unwrap_or_else(PoisonError::into_inner) -= self.number;
        self.slots.freed.notify_all();
    }
}

/// What became of a scenario.
struct Outcome {
    name: String,
    took: Duration,
    error: Option<String>,
}

/// Runs the scenarios whose names contain one of `filters`, or all, over each transport that they are for.
///
/// # Errors
/// When one fails; what SIPp complained about and what was said last is printed before.
pub fn run(paths: &Paths, load: Load, filters: &[OsString]) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.args(["build", "--quiet", "--release", "--package", "soft-phone-sip", "--example", "agent"]);
    process::run(cargo.current_dir(&paths.root))?;
    let program = paths.target.join("release/examples/agent");
    let logs = paths.target.join("sipp");
    if logs.exists() {
        fs::remove_dir_all(&logs).with_context(|| logs.display().to_string())?;
    }
    let filters: Vec<String> = filters.iter().map(|filter| filter.to_string_lossy().into_owned()).collect();
    let chosen: Vec<(Scenario, Transport)> = scenario::all(&paths.root.join("sip/tests/sipp"))?
        .into_iter()
        .flat_map(|scenario| {
            scenario.transports.clone().into_iter().map(move |transport| (scenario.clone(), transport))
        })
        .filter(|(scenario, transport)| {
            let name = scenario.run_name(*transport);
            filters.is_empty() || filters.iter().any(|filter| name.contains(filter))
        })
        .collect();
    if chosen.is_empty() {
        bail!("no scenario is called {filters:?}; they lie in sip/tests/sipp");
    }

    let outcomes = Mutex::new(Vec::new());
    let slots = Slots::default();
    thread::scope(|scope| {
        for (scenario, transport) in &chosen {
            scope.spawn(|| {
                let outcome = one(&program, &logs, scenario, *transport, load, &slots);
                println!("{}", line(&outcome));
                if let Ok(mut outcomes) = outcomes.lock() {
                    outcomes.push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_default();
    let failed: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.error.is_some()).collect();
    for outcome in &failed {
        eprintln!("\n--- {}\n{}", outcome.name, outcome.error.as_deref().unwrap_or_default());
    }
    let (passed, wanted) = (outcomes.len() - failed.len(), chosen.len());
    println!("test result: SIPp: {passed} passed; {} failed", wanted - passed);
    if passed == wanted { Ok(()) } else { bail!("{} of {wanted} scenarios failed", wanted - passed) }
}

fn one(program: &Path, logs: &Path, scenario: &Scenario, transport: Transport, load: Load, slots: &Slots) -> Outcome {
    let name = scenario.run_name(transport);
    let slot = slots.take(if scenario.calls(load) > HEAVY { AT_ONCE } else { 1 });
    let start = Instant::now();
    let outcome = run::run(program, &logs.join(name.replace("::", "-")), scenario, transport, load, || drop(slot));
    Outcome { name, took: start.elapsed(), error: outcome.err().map(|error| format!("{error:#}")) }
}

fn line(outcome: &Outcome) -> String {
    let word = if outcome.error.is_none() { "ok" } else { "FAILED" };
    format!("sipp {:<40} {word} ({:.1} s)", outcome.name, outcome.took.as_secs_f32())
}
